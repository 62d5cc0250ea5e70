"""Every rule of postings and legs attacked by plain SQL, as worker (triggers), as app (no right at all), as owner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from ledger.models import Leg, Posting
from ledger.services import BookKey
from tests.ledger.cast import (
    NOW,
    TODAY,
    account_id,
    constraints_now,
    make_book,
    mirror,
    raw_legs,
    raw_posting,
    settled,
    write,
)
from tests.roles import as_role, refused, rows

TABLES = ["book", "account", "accountbalance", "limitchange", "posting", "leg", "hold", "closedperiod", "snapshot"]
APPEND_ONLY = ["book", "account", "limitchange", "posting", "leg", "closedperiod", "snapshot"]


@pytest.fixture
def posting(book: BookKey) -> Posting:
    return write(settled(book))[0]


@pytest.fixture
def fees(book: BookKey, posting: Posting) -> int:
    return account_id(book, "fees")


@pytest.fixture
def cash(book: BookKey, posting: Posting) -> int:
    return account_id(book, "counter_cash")


def test_the_raw_helpers_can_write_a_sound_posting(posting: Posting, fees: int, cash: int) -> None:
    with as_role("worker"):
        raw_legs(raw_posting(posting), posting, (1, cash, "D", 5), (2, fees, "C", 5))
        constraints_now()


def test_it_refuses_a_header_without_legs(posting: Posting) -> None:
    with as_role("worker"), refused("without legs"):
        raw_posting(posting)
        constraints_now()


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        ([(1, "cash", "D", 5), (2, "fees", "C", 4)], "debits and credits differ"),
        ([(1, "cash", "D", 5), (2, "fees", "C", 5, "USD")], "another book, day or currency"),
        ([(1, "cash", "D", 5)], "two or more"),
        ([(2, "cash", "D", 5), (3, "fees", "C", 5)], "numbered from 1"),
        ([(1, "cash", "D", 5), (3, "fees", "C", 5)], "numbered from 1"),
        ([(1, "cash", "D", 0), (2, "fees", "C", 0)], "leg_amount_is_positive"),
        ([(1, "cash", "D", -5), (2, "fees", "D", 5)], "leg_amount_is_positive"),
        ([(1, "cash", "X", 5), (2, "fees", "C", 5)], "leg_side_is_known"),
        ([(1, "cash", "D", 5, "CNY", TODAY - timedelta(days=1)), (2, "fees", "C", 5)], "another book, day or currency"),
        ([(1, "cash", "D", 5, "CNY", TODAY, 999), (2, "fees", "C", 5)], "another book, day or currency"),
        ([(1, 987654321, "D", 5), (2, "fees", "C", 5)], "another book, day or currency"),
    ],
)
def test_it_refuses_legs(posting: Posting, fees: int, cash: int, legs: list[Any], words: str) -> None:
    named = {"cash": cash, "fees": fees}
    with as_role("worker"), refused(words):
        raw_legs(raw_posting(posting), posting, *[(leg[0], named.get(leg[1], leg[1]), *leg[2:]) for leg in legs])


def test_it_refuses_legs_on_an_account_of_another_book(posting: Posting, fees: int) -> None:
    other = make_book("other")
    write(settled(other))
    with as_role("worker"), refused("another book"):
        raw_legs(raw_posting(posting), posting, (1, account_id(other, "counter_cash"), "D", 5), (2, fees, "C", 5))


def test_it_refuses_more_legs_after_the_deferred_checks_were_asked_early(
    posting: Posting, fees: int, cash: int
) -> None:
    with as_role("worker"), refused("numbered from 1"):
        key = raw_posting(posting)
        raw_legs(key, posting, (1, cash, "D", 5), (2, fees, "C", 5))
        constraints_now()
        raw_legs(key, posting, (3, cash, "D", 5), (4, fees, "C", 5))


def test_it_refuses_legs_of_one_posting_in_two_statements(posting: Posting, fees: int, cash: int) -> None:
    with as_role("worker"), refused("duplicate key|numbered from 1"):
        key = raw_posting(posting)
        raw_legs(key, posting, (1, cash, "D", 5), (2, fees, "C", 5))
        raw_legs(key, posting, (1, cash, "D", 5), (2, fees, "C", 5))


def test_it_refuses_legs_without_a_posting(posting: Posting, fees: int, cash: int) -> None:
    with as_role("worker"), refused("not of this commit"):
        raw_legs(uuid4(), posting, (1, cash, "D", 5), (2, fees, "C", 5))


@pytest.mark.parametrize("savepoint", [False, True])
def test_it_refuses_legs_added_later(transactional_db: None, savepoint: bool) -> None:
    book = make_book()
    [old] = write(settled(book))
    cash, fees = account_id(book, "counter_cash"), account_id(book, "fees")
    with as_role("worker"), refused("not of this commit"):
        if savepoint:
            rows("SAVEPOINT inner_one")
        raw_legs(old.pk, old, (4, cash, "D", 5), (5, fees, "C", 5))


def test_it_lets_nobody_choose_the_transaction_of_a_posting(posting: Posting) -> None:
    with as_role("worker"), refused("posting_is_written_now"):
        raw_posting(posting, written_in="1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evidence_id": None}, "null value"),
        ({"cause_id": None}, "null value"),
        ({"book_id": 987654321}, "posting_belongs_to_a_book"),
        ({"organisation_id": 987654321}, "posting_has_its_books_organisation"),
        ({"booked_day": TODAY - timedelta(days=1)}, "posting_is_booked_on_its_day"),
        ({"reverses_id": uuid4()}, "mirror_has_an_original"),
    ],
)
def test_it_refuses_a_header(posting: Posting, changes: dict[str, Any], words: str) -> None:
    with as_role("worker"), refused(words):
        raw_posting(posting, **changes)


def test_it_refuses_a_second_posting_of_one_cause(posting: Posting) -> None:
    same = {name: getattr(posting, name) for name in ("cause_kind", "cause_id", "kind", "episode")}
    with as_role("worker"), refused("one_posting_per_cause_kind_and_episode"):
        raw_posting(posting, **same)


def test_it_refuses_a_second_mirror(posting: Posting) -> None:
    mirror(posting)
    with as_role("worker"), refused("reverses_id"):
        raw_posting(posting, reverses_id=posting.pk)


def test_it_refuses_the_mirror_of_a_mirror(posting: Posting) -> None:
    with as_role("worker"), refused("a_mirror_is_not_mirrored"):
        raw_posting(posting, reverses_id=mirror(posting).pk)


@pytest.mark.parametrize("fault", ["amount", "side", "account", "fewer", "more", "order"])
def test_it_refuses_a_mirror_that_is_not_exact(book: BookKey, posting: Posting, fault: str) -> None:
    fund, cash, fees = (account_id(book, code) for code in ("receivable:basic_fund", "counter_cash", "fees"))
    legs = {
        "amount": [(1, fund, "C", 7999), (2, cash, "C", 2001), (3, fees, "D", 10000)],
        "side": [(1, fund, "D", 8000), (2, cash, "D", 2000), (3, fees, "C", 10000)],
        "account": [(1, cash, "C", 8000), (2, cash, "C", 2000), (3, fees, "D", 10000)],
        "fewer": [(1, fund, "C", 8000), (2, fees, "D", 8000)],
        "more": [
            (1, fund, "C", 8000),
            (2, cash, "C", 2000),
            (3, fees, "D", 10000),
            (4, cash, "D", 1),
            (5, cash, "C", 1),
        ],
        "order": [(2, fund, "C", 8000), (1, cash, "C", 2000), (3, fees, "D", 10000)],
    }[fault]
    with as_role("worker"), refused("not the exact mirror"):
        raw_legs(raw_posting(posting, reverses_id=posting.pk), posting, *legs)


def test_it_refuses_a_mirror_of_an_original_that_gets_its_legs_afterwards(
    posting: Posting, fees: int, cash: int
) -> None:
    with as_role("worker"), refused("not the exact mirror"):
        original = raw_posting(posting)
        undone = raw_posting(posting, reverses_id=original)
        raw_legs(undone, posting, (1, cash, "C", 5), (2, fees, "D", 5))


def test_it_refuses_another_isolation_level(transactional_db: None) -> None:
    [old] = write(settled(make_book()))
    with as_role("worker"), refused("READ COMMITTED"):
        rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        raw_posting(old)


@pytest.mark.parametrize("role", ["worker", "app"])
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("act", ["UPDATE {} SET organisation_id = 0", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_no_role_may_change_what_is_written(posting: Posting, role: Any, table: str, act: str) -> None:
    with as_role(role), refused("permission denied"):
        rows(act.format(f"ledger_{table}"))


@pytest.mark.parametrize("table", ["posting", "leg", "book", "account"])
@pytest.mark.parametrize("act", ["UPDATE {} SET organisation_id = 0", "DELETE FROM {}"])
def test_even_the_owner_is_refused_by_the_trigger(posting: Posting, table: str, act: str) -> None:
    with refused("append-only"):
        rows(act.format(f"ledger_{table}"))


@pytest.mark.parametrize("table", TABLES)
def test_app_may_add_nothing_but_to_its_own_memo_books(posting: Posting, table: str) -> None:
    with as_role("app"), refused("permission denied|row-level security|returned no rows"):
        rows(f"INSERT INTO ledger_{table} DEFAULT VALUES")


@pytest.mark.parametrize("table", ["limitchange", "accountbalance"])
def test_worker_may_not_add_what_triggers_write(posting: Posting, table: str) -> None:
    with as_role("worker"), refused("permission denied"):
        rows(f"INSERT INTO ledger_{table} DEFAULT VALUES")


def test_a_table_of_ones_own_does_not_stand_in_for_the_ledgers(posting: Posting, fees: int, cash: int) -> None:
    constraints_now()
    with as_role("worker"):
        key = uuid4()
        rows("CREATE TEMP TABLE ledger_leg AS SELECT %s::uuid AS posting_id", [key])
        rows("GRANT SELECT ON pg_temp.ledger_leg TO PUBLIC")
        # As in a session whose first posting this is: no plan remembers the real table.
        rows("DISCARD PLANS")
        with refused("without legs"):
            raw_posting(posting, id=key)
            constraints_now()
        rows("DROP TABLE pg_temp.ledger_leg")


def test_a_hot_batch_costs_no_sequential_scan(book: BookKey) -> None:
    write(settled(book))
    scanned = (
        "SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname IN ('ledger_leg', 'ledger_posting')"
    )
    before = rows(scanned)
    with transaction.atomic():
        for _ in range(3):
            write(*[settled(book) for _ in range(50)])
        constraints_now()
    assert rows(scanned) == before


def test_the_refusal_names_its_rule_like_a_constraint(posting: Posting, fees: int, cash: int) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        raw_legs(raw_posting(posting), posting, (1, cash, "D", 5), (2, fees, "C", 4))
    assert caught.value.__cause__.diag.constraint_name == "posting_is_balanced"  # type: ignore[union-attr]
    assert connection.is_usable()
    assert Leg.objects.count() == 3
    assert Posting.objects.filter(booked_at=NOW).count() == 1
