"""Postings through the services."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from core.money import Money
from ledger import services
from ledger.models import LedgerAccount, LedgerBook, Posting
from ledger.selectors import account_balance
from ledger.services import BookKey, Side, credit, debit, directory
from tests.ledger.cast import (
    NOW,
    TODAY,
    constraints_now,
    fen,
    legs_of,
    make_book,
    mirror,
    mirror_of,
    settled,
    write,
)
from tests.roles import as_role


def test_it_writes_a_posting_with_its_legs_as_worker(book: BookKey) -> None:
    with as_role("worker"):
        [posting] = write(settled(book))
        constraints_now()
    assert legs_of(posting) == [("receivable:basic_fund", "D", 8000), ("counter_cash", "D", 2000), ("fees", "C", 10000)]
    stored = Posting.objects.get(pk=posting.pk)
    for field in Posting._meta.concrete_fields:
        assert getattr(stored, field.attname) == getattr(posting, field.attname), field.name


def test_it_books_on_the_day_of_the_hospital(book: BookKey) -> None:
    [posting] = write(settled(book))
    assert posting.booked_day == posting.value_date == TODAY


def test_it_writes_any_number_in_two_statements(book: BookKey) -> None:
    with transaction.atomic():
        write(settled(book))
    # A rolled-back test never commits, so what the process would remember after the commit is said here.
    key = (book, "fees", "CNY")
    directory._remember(directory._accounts, directory.accounts_resolve(_keys(book), now=NOW))
    assert key in directory._accounts
    for size in (1, 40):
        with CaptureQueriesContext(connection) as captured:
            write(*[settled(book) for _ in range(size)])
        assert len([query for query in captured if "SAVEPOINT" not in query["sql"]]) == 2


def test_it_opens_books_and_accounts_once(book: BookKey) -> None:
    write(settled(book), settled(book))
    directory.forget()
    write(settled(book))
    assert LedgerBook.objects.count() == 1
    assert LedgerAccount.objects.count() == 3


def test_it_remembers_no_account_of_a_transaction_that_was_rolled_back(transactional_db: None) -> None:
    book = make_book()
    with transaction.atomic():
        write(settled(book))
        transaction.set_rollback(True)
    assert not directory._accounts
    write(settled(book))
    assert len(directory._accounts) == 3


def test_the_same_draft_again_is_the_same_posting(book: BookKey) -> None:
    draft = settled(book)
    [first] = write(draft)
    again, other, twin = write(draft, settled(book), draft)
    assert first.pk == again.pk == twin.pk != other.pk
    assert Posting.objects.count() == 2


@pytest.mark.parametrize("change", ["amount", "account", "date"])
def test_it_refuses_the_same_cause_with_other_content(book: BookKey, change: str) -> None:
    draft = settled(book)
    write(draft)
    other = {
        "amount": replace(draft, legs=settled(book, 20000).legs),
        "account": replace(draft, legs=(debit("suspense", fen(10000)), credit("fees", fen(10000)))),
        "date": replace(draft, value_date=TODAY.replace(day=1)),
    }[change]
    with pytest.raises(services.CauseConflict):
        write(other)


def test_it_refuses_two_contents_of_one_cause_in_one_batch(book: BookKey) -> None:
    draft = settled(book)
    with pytest.raises(services.CauseConflict):
        write(draft, replace(draft, legs=settled(book, 5).legs))
    assert not Posting.objects.exists()


def test_the_next_episode_of_a_cause_is_a_posting_of_its_own(book: BookKey) -> None:
    draft = settled(book)
    first, second = write(draft, replace(draft, episode=2))
    assert first.pk != second.pk


@pytest.mark.parametrize(
    "legs",
    [
        (),
        (debit("fees", fen(1)),),
        (debit("suspense", fen(2)), credit("fees", fen(1))),
        (debit("suspense", fen(0)), credit("fees", fen(0))),
        (debit("suspense", fen(-5)), credit("fees", fen(-5))),
        (debit("suspense", fen(5)), credit("fees", Money(5, "USD"))),
    ],
)
def test_it_refuses_legs_that_do_not_balance(book: BookKey, legs: tuple[services.LegDraft, ...]) -> None:
    with pytest.raises(services.UnbalancedPosting):
        write(settled(book), settled(book, legs=legs))
    assert not Posting.objects.exists()


def test_it_balances_each_currency_by_itself(book: BookKey) -> None:
    legs = [
        services.LegDraft(account, side, Money(minor, currency))
        for currency, minor in (("CNY", 7), ("HKD", 9))
        for account, side in (("suspense", Side.DEBIT), ("fees", Side.CREDIT))
    ]
    write(settled(book, legs=legs))
    constraints_now()


def test_it_refuses_an_account_that_the_chart_does_not_know(book: BookKey) -> None:
    with pytest.raises(services.UnknownAccount):
        write(settled(book, legs=(debit("slush_fund", fen(1)), credit("fees", fen(1)))))


def test_it_refuses_a_book_of_an_organisation_that_does_not_exist(book: BookKey) -> None:
    with pytest.raises(services.UnknownOrganisation):
        write(settled(BookKey(987654321, book.insurer_organisation_id)))


def test_a_mirror_undoes_its_original(book: BookKey) -> None:
    [original] = write(settled(book))
    with as_role("worker"):
        undone = mirror(original)
        constraints_now()
    assert legs_of(undone) == [("receivable:basic_fund", "C", 8000), ("counter_cash", "C", 2000), ("fees", "D", 10000)]
    assert (undone.reverses_id, undone.cause_id, undone.episode) == (original.pk, original.cause_id, original.episode)
    for account in ("receivable:basic_fund", "counter_cash", "fees"):
        balance = account_balance(
            organisation_id=book.organisation_id,
            insurer_organisation_id=book.insurer_organisation_id,
            account=account,
            organisations=[book.organisation_id],
        )
        assert balance == fen(0)


def test_it_refuses_a_second_mirror_and_repeats_the_first(book: BookKey) -> None:
    [original] = write(settled(book))
    undone = mirror(original)
    assert mirror(original).pk == undone.pk
    with pytest.raises(services.AlreadyMirrored):
        mirror(original, kind="disowned")


def test_it_refuses_to_mirror_a_mirror_or_nothing(book: BookKey) -> None:
    [original] = write(settled(book))
    undone = mirror(original)
    with pytest.raises(services.OriginalUnknown):
        mirror(undone)
    with pytest.raises(services.OriginalUnknown):
        services.postings_mirror(drafts=[mirror_of(original, original_id=uuid4())], now=NOW)


def test_an_empty_batch_is_nothing(book: BookKey) -> None:
    assert services.postings_write(drafts=[], now=NOW) == []
    assert services.postings_mirror(drafts=[], now=NOW) == []


def _keys(book: BookKey) -> list[directory.AccountKey]:
    return [(book, code, "CNY") for code in ("receivable:basic_fund", "counter_cash", "fees")]
