"""Statements as files: taken once, in order, of the right account; what is wrong is refused whole and names why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from core.errors import NotFound, Problem
from core.row_security import EVERYTHING, seen_by
from settlement.models import BankAccount, BankEntry, BankStatement, Payment
from settlement.rails import StatementUnreadable
from settlement.rails.csv_statement import COLUMNS
from settlement.services.bank_files import EntryTaken, StatementGap, StatementOfAnother, StatementTaken, statement_take
from settlement.services.payouts import batch_file
from settlement.states import StatementFormat
from tests.registry.house import NOW
from tests.roles import as_role, refused, rows
from tests.settlement.bank.process import ACCOUNT
from tests.settlement.house import TRACE, Desk, balances, claimed
from tests.settlement.payout_house import CASH, bank_account, funded, made, owed, payee, released, states
from tests.settlement.test_rails import camt, entry

pytestmark = pytest.mark.django_db
LEG_MINOR = 40_000


@pytest.fixture
def account(desk: Desk) -> BankAccount:
    """A bank that is given files."""
    funded(desk)
    payee(desk)
    return bank_account(rail="iso20022_file")


def take(account: BankAccount, raw: bytes, kind: StatementFormat = StatementFormat.CAMT053) -> BankStatement:
    return statement_take(account_id=account.pk, raw=raw, format=kind, by="desk-1", now=NOW)


def csv_of(*lines: str, opening: str = "100.00", closing: str = "100.00", number: str = "S-1", **changes: Any) -> bytes:
    head = {"account": ACCOUNT, "currency": "CNY"} | changes
    return "\n".join(
        [
            ",".join(COLUMNS),
            f"O,{number},{head['account']},{head['currency']},2026-11-25,,,{opening},,,,,",
            *lines,
            f"C,,,,2026-11-25,,,{closing},,,,,",
        ]
    ).encode()


def line(direction: str, amount: str, reference: str = "R-1", name: str = "", **changes: str) -> str:
    values = {"note": "", "end_to_end_id": "", "code": ""} | changes
    return (
        f"E,,,,2026-11-25,{reference},{direction},{amount},{values['note']},{name},6217,"
        f"{values['end_to_end_id']},{values['code']}"
    )


def constraints_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def paid_by_file(desk: Desk) -> tuple[Payment, Any]:
    leg = owed(desk, claimed(desk))
    batch = released(made(leg))
    batch_file(batch_id=batch.pk, by="releaser", now=NOW, trace_id=TRACE)
    return Payment.objects.get(), leg


def test_the_statement_books_what_was_given_as_a_file(desk: Desk, account: BankAccount) -> None:
    payment, leg = paid_by_file(desk)
    paid = line("D", "400.00", end_to_end_id=payment.message_id)
    take(account, csv_of(paid, opening="1000.00", closing="600.00"), StatementFormat.CSV)
    assert (Payment.objects.get().state, states(leg)) == ("BOOKED", ["PAID"])
    assert balances()["cash"] == CASH - LEG_MINOR
    constraints_now()


def test_a_debit_and_its_return_on_one_statement_leave_everything_as_it_was(desk: Desk, account: BankAccount) -> None:
    payment, leg = paid_by_file(desk)
    back = line("C", "400.00", "R-1", end_to_end_id=payment.message_id, code="BE04")
    paid = line("D", "400.00", "R-2", end_to_end_id=payment.message_id)
    take(account, csv_of(back, paid), StatementFormat.CSV)
    assert (Payment.objects.get().state, states(leg)) == ("RETURNED", ["DUE"])
    found = balances()
    assert (found["cash"], found[f"payable:p{desk.chain.pk}"]) == (CASH, LEG_MINOR)


@pytest.mark.parametrize(
    "changes",
    [{"amount": "399.99"}, {"end_to_end_id": "MSPUNKNOWN"}, {"end_to_end_id": ""}],
)
def test_a_debit_that_is_no_payment_of_ours_books_nothing_and_is_a_persons(
    desk: Desk, account: BankAccount, changes: dict[str, str]
) -> None:
    payment, leg = paid_by_file(desk)
    values = {"amount": "400.00", "end_to_end_id": payment.message_id} | changes
    strange = line("D", values.pop("amount"), **values)
    closing = "600.01" if "amount" in changes else "600.00"
    take(account, csv_of(strange, opening="1000.00", closing=closing), StatementFormat.CSV)
    assert BankEntry.objects.get().outcome == "UNMATCHED"
    assert (Payment.objects.get().state, states(leg)) == ("IN_DOUBT", ["IN_PAYMENT"])


def test_a_second_debit_for_one_payment_is_a_persons(desk: Desk, account: BankAccount) -> None:
    payment, leg = paid_by_file(desk)
    twice = [line("D", "400.00", f"R-{at}", end_to_end_id=payment.message_id) for at in (1, 2)]
    take(account, csv_of(*twice, opening="1000.00", closing="200.00"), StatementFormat.CSV)
    assert list(BankEntry.objects.order_by("line_no").values_list("outcome", flat=True)) == ["PAYMENT", "UNMATCHED"]
    assert balances()["cash"] == CASH - LEG_MINOR
    assert states(leg) == ["PAID"]


def test_a_credit_is_left_for_collections_and_only_an_organisation_is_named(desk: Desk, account: BankAccount) -> None:
    raw = csv_of(
        line("C", "7.00", "R-1", desk.insurer.name_zh, note="F261125-ABC"),
        line("C", "3.00", "R-2", "李雷"),
        closing="110.00",
    )
    take(account, raw, StatementFormat.CSV)
    credits = list(BankEntry.objects.order_by("line_no"))
    assert [(one.outcome, one.allocated_minor, one.counterparty_name) for one in credits] == [
        ("NEW", 0, desk.insurer.name_zh),
        ("NEW", 0, ""),
    ]
    (kept,) = rows("SELECT to_jsonb(e)::text FROM settlement_bankentry e WHERE line_no = 2")
    assert "李雷" not in kept[0]


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "second"),
    [
        (StatementTaken, lambda: camt(entry(), closing="140.00")),
        # The same number in another file.
        (StatementTaken, lambda: camt(opening="140.00", closing="140.00")),
        (StatementGap, lambda: camt(opening="150.00", closing="150.00").replace(b"S-1", b"S-2")),
        (EntryTaken, lambda: camt(entry(), opening="140.00", closing="180.00").replace(b"S-1", b"S-2")),
        (StatementOfAnother, lambda: camt(opening="140.00", closing="140.00").replace(ACCOUNT.encode(), b"9999")),
        (StatementOfAnother, lambda: camt(currency="HKD", opening="140.00", closing="140.00")),
        (StatementUnreadable, lambda: camt(entry(reference="R-9"), opening="140.00", closing="140.00")),
    ],
)
def test_a_statement_that_does_not_follow_is_refused_whole(
    desk: Desk, account: BankAccount, problem: type[Problem], second: Callable[[], bytes]
) -> None:
    take(account, camt(entry(), closing="140.00"))
    with pytest.raises(problem), transaction.atomic():
        take(account, second())
    assert BankStatement.objects.count() == 1
    assert BankEntry.objects.count() == 1
    following = camt(entry("1.00", "DBIT", reference="R-2"), opening="140.00", closing="139.00")
    take(account, following.replace(b"S-1", b"S-2"))
    assert BankEntry.objects.count() == 2
    constraints_now()


def test_the_same_reference_twice_in_one_file_is_refused(desk: Desk, account: BankAccount) -> None:
    with pytest.raises(EntryTaken), transaction.atomic():
        take(account, camt(entry() + entry(), closing="180.00"))
    assert not BankStatement.objects.exists()


def test_no_statement_is_taken_for_an_account_that_is_none(desk: Desk) -> None:
    with pytest.raises(NotFound):
        statement_take(account_id=uuid4(), raw=camt(), format=StatementFormat.CAMT053, by="desk-1", now=NOW)


def test_postgresql_takes_no_gap_no_other_currency_and_nothing_that_does_not_foot(
    desk: Desk, account: BankAccount
) -> None:
    statement = take(account, camt(entry(), closing="140.00"))
    copy = (
        "INSERT INTO settlement_bankstatement SELECT gen_random_uuid(), statement_no || 'x', format, "
        "sha256(file_sha256), sealed_file, {currency}, {opening}, {closing}, first_day, last_day, taken_at, taken_by, "
        "account_id, id FROM settlement_bankstatement"
    )
    columns = rows(
        "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = 'settlement_bankstatement'::regclass AND attnum > 0"
    )
    assert columns[0][0].startswith("id,statement_no,format,file_sha256,sealed_file,currency")
    with refused("does not begin where"):
        rows(copy.format(currency="'CNY'", opening="1", closing="1"))
    with refused("another currency"):
        rows(copy.format(currency="'HKD'", opening="14000", closing="14000"))
    with refused("does not foot"):
        rows(copy.format(currency="'CNY'", opening="14000", closing="14001"))
        constraints_now()
    with refused("append-only"):
        rows("UPDATE settlement_bankstatement SET closing_minor = 1")
    with refused("what the bank wrote does not change"):
        rows("UPDATE settlement_bankentry SET amount_minor = 1, allocated_minor = 0")
    assert BankStatement.objects.get() == statement


def test_what_the_bank_writes_is_the_platforms_alone(desk: Desk, account: BankAccount) -> None:
    take(account, camt(entry(), closing="140.00"))
    with as_role("app"):
        for stranger in (desk.insurer.pk, desk.chain.pk):
            with seen_by([stranger]):
                assert not BankEntry.objects.exists()
                assert not BankStatement.objects.exists()
                assert not BankAccount.objects.exists()
        with seen_by(EVERYTHING):
            assert BankEntry.objects.exists()
