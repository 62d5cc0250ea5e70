"""Payments through the real rail to a real bank process, with every fault that the bank has.

After each: the ledger, the legs and the bank's book say the same.
"""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta

import pytest
from pytest_django import Settings

from core.clock import database_now
from journal.models import Job
from settlement.models import BankAccount, BankEntry, BankStatement, PayeeAccount, Payment, PaymentMessage, PayoutBatch
from settlement.services.payment_ends import PaymentNames, PaymentStateRefuses, payment_refused_by_bank
from tests.registry.house import NOW
from tests.roles import rows
from tests.settlement.bank.process import SandboxBank
from tests.settlement.house import TRACE, Desk, balances, claimed
from tests.settlement.payments.house import (
    DEADLINE_SECONDS,
    LEG_MINOR,
    prove_not_paid,
    prove_paid_once,
    said,
    sent_once,
    state,
    statements_taken,
    worked_until,
)
from tests.settlement.payout_house import (
    CASH,
    bank_account,
    jobs,
    made,
    only_payment,
    owed,
    payee,
    released,
    states,
    work_once,
)

# Without faults -----------------------------------------------------------------------------------------------------


def test_a_payment_is_sent_booked_and_on_the_statement(desk: Desk, account: BankAccount, bank: SandboxBank) -> None:
    leg = owed(desk, claimed(desk))
    batch = released(made(leg))
    sent_once(account)
    assert (state(), states(leg)) == ("BOOKED", ["PAID"])
    assert PayoutBatch.objects.get(pk=batch.pk).state == "DONE"
    assert jobs() == []
    prove_paid_once(desk, bank)
    statements_taken(account)
    entry = BankEntry.objects.get()
    assert (entry.outcome, entry.amount_minor) == ("PAYMENT", LEG_MINOR)
    assert only_payment().entry_id == entry.pk
    prove_paid_once(desk, bank)


def test_legs_of_one_payee_are_one_payment_and_each_is_posted(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    claim = claimed(desk)
    legs = [owed(desk, claim, minor) for minor in (10_000, 25_000, 5_000)]
    released(made(*legs))
    sent_once(account)
    assert states(*legs) == ["PAID"] * 3
    assert rows("SELECT count(*) FROM ledger_posting WHERE kind = 'paid_out'") == [(3,)]
    prove_paid_once(desk, bank)


def test_what_the_bank_has_only_taken_is_booked_by_its_statement(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    bank.control("booking", {"seconds": None})
    leg = owed(desk, claimed(desk))
    released(made(leg))
    sent_once(account)
    assert (state(), states(leg)) == ("SENT", ["IN_PAYMENT"])
    assert balances()["cash"] == CASH
    bank.control("booking", {"seconds": 0})
    rows_booked_now(bank)
    statements_taken(account)
    assert (state(), states(leg)) == ("BOOKED", ["PAID"])
    prove_paid_once(desk, bank)


def rows_booked_now(bank: SandboxBank) -> None:
    """The bank books what it had taken while booking waited: it comes again under the same message id."""
    bank.kill()
    book = sqlite3.connect(bank.folder / "bank.sqlite3")
    book.execute("UPDATE payments SET book_at = 0 WHERE state = 'taken'")
    book.commit()
    book.close()
    port = bank.port
    bank.start(port=port)


# Faults of the bank -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost_answer", "garbage", "reset_mid_body", "wrong_signature", "wrong_amount"])
def test_paid_with_an_answer_that_proves_nothing_is_asked_about_and_not_sent_again(
    desk: Desk, account: BankAccount, bank: SandboxBank, fault: str
) -> None:
    bank.fault(fault)
    leg = owed(desk, claimed(desk))
    released(made(leg))
    sent_once(account)
    assert (state(), states(leg)) == ("IN_DOUBT", ["IN_PAYMENT"])
    assert balances()["cash"] == CASH
    worked_until(account, lambda: state() == "BOOKED")
    assert [kind for kind, _ in said()] == ["SEND", "QUERY"]
    assert bank.book()["payments"][0]["received"] == 1
    assert states(leg) == ["PAID"]
    prove_paid_once(desk, bank)


@pytest.mark.parametrize("fault", ["silence", "ok_with_error_inside", "unavailable"])
def test_not_taken_is_known_after_the_quiet_time_and_sent_under_the_same_id(
    desk: Desk, account: BankAccount, bank: SandboxBank, fault: str
) -> None:
    bank.fault(fault)
    leg = owed(desk, claimed(desk))
    released(made(leg))
    sent_once(account)
    assert state() == "IN_DOUBT"
    worked_until(account, lambda: state() == "BOOKED")
    sent = PaymentMessage.objects.filter(kind="SEND").order_by("armed_at")
    found_nothing = PaymentMessage.objects.filter(kind="QUERY", outcome="NOT_FOUND").order_by("-armed_at")[0]
    assert sent.count() == 2
    # It was not sent again before the bank could no longer be working on the first.
    quiet_at = sent[0].deadline.timestamp() + account.quiet_seconds
    assert found_nothing.armed_at.timestamp() >= quiet_at
    assert states(leg) == ["PAID"]
    prove_paid_once(desk, bank)


def test_what_comes_late_is_waited_for_and_paid_once(desk: Desk, bank: SandboxBank) -> None:
    account = bank_account(bank, quiet_seconds=3.0)
    bank.fault("late", late_seconds=DEADLINE_SECONDS + 1.5)
    leg = owed(desk, claimed(desk))
    released(made(leg))
    worked_until(account, lambda: state() == "BOOKED")
    assert [kind for kind, _ in said()].count("SEND") == 1
    assert ("QUERY", "NOT_FOUND") in said()
    assert states(leg) == ["PAID"]
    prove_paid_once(desk, bank)


def test_what_comes_later_than_the_bank_promised_is_still_paid_once(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    bank.fault("late", late_seconds=DEADLINE_SECONDS + 3)
    leg = owed(desk, claimed(desk))
    released(made(leg))
    worked_until(account, lambda: state() == "BOOKED")
    assert [kind for kind, _ in said()].count("SEND") == 2
    give_up_at = time.monotonic() + 10
    while bank.book()["payments"][0]["received"] < 2:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    prove_paid_once(desk, bank)


def test_a_bank_that_may_pay_twice_is_never_sent_it_twice(desk: Desk, bank: SandboxBank) -> None:
    account = bank_account(bank, is_idempotent=False)
    bank.fault("silence")
    leg = owed(desk, claimed(desk))
    released(made(leg))
    worked_until(account, lambda: jobs() == [("settlement.payment_send", True)])
    assert "may not be sent it twice" in Job.objects.get(kind="settlement.payment_send").parked_reason
    assert [kind for kind, _ in said()].count("SEND") == 1
    assert (state(), states(leg)) == ("IN_DOUBT", ["IN_PAYMENT"])
    payment = only_payment()
    names = {"payment_id": payment.pk, "now": database_now(), "trace_id": TRACE}
    with pytest.raises(PaymentNames):
        payment_refused_by_bank(reason="letter 7", seconded_by="a", by="a", **names)  # type: ignore[arg-type]
    payment_refused_by_bank(reason="letter 7", seconded_by="b", by="a", **names)  # type: ignore[arg-type]
    assert (state(), states(leg)) == ("REJECTED", ["DUE"])
    with pytest.raises(PaymentStateRefuses):
        payment_refused_by_bank(reason="letter 7", seconded_by="b", by="a", **names)  # type: ignore[arg-type]
    prove_not_paid(desk, bank)


def test_a_refusal_frees_the_cash_and_opens_the_leg(desk: Desk, account: BankAccount, bank: SandboxBank) -> None:
    bank.fault("refuse")
    leg = owed(desk, claimed(desk))
    batch = released(made(leg))
    sent_once(account)
    assert (state(), only_payment().reason_code, states(leg)) == ("REJECTED", "AG01", ["DUE"])
    assert PayoutBatch.objects.get(pk=batch.pk).state == "DONE"
    prove_not_paid(desk, bank)
    # Due again, it is paid by another batch under another message id.
    later = NOW + timedelta(hours=1)
    released(made(leg, now=later), now=later)
    sent_once(account)
    assert states(leg) == ["PAID"]
    assert len(set(Payment.objects.values_list("message_id", flat=True))) == 2
    assert balances()["cash"] == CASH - LEG_MINOR


@pytest.mark.parametrize("number", ["6217000000000404", "6217000000000405"])
def test_an_account_that_does_not_exist_is_closed_until_it_is_told_anew(
    desk: Desk, account: BankAccount, bank: SandboxBank, number: str
) -> None:
    PayeeAccount.objects.update(closed_at=database_now(), closed_by="test")
    payee(desk, number)
    leg = owed(desk, claimed(desk))
    after_rest = NOW + timedelta(days=2)
    batch = made(leg, now=after_rest)
    released(batch, now=after_rest)
    worked_until(account, lambda: state() == "REJECTED")
    assert states(leg) == ["DUE"]
    assert not PayeeAccount.objects.filter(closed_at__isnull=True).exists()
    prove_not_paid(desk, bank)


def test_a_returned_payment_opens_its_leg_with_the_banks_reason(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    leg = owed(desk, claimed(desk))
    released(made(leg))
    sent_once(account)
    bank.control("return", {"message_id": only_payment().message_id, "code": "AC04"})
    statements_taken(account)
    assert (state(), only_payment().reason_code, states(leg)) == ("RETURNED", "AC04", ["DUE"])
    outcomes = list(BankEntry.objects.order_by("line_no").values_list("direction", "outcome"))
    assert outcomes == [("DEBIT", "PAYMENT"), ("CREDIT", "RETURN")]
    # The account is closed at its bank: nothing is paid to it before the payee told another.
    assert not PayeeAccount.objects.filter(closed_at__isnull=True).exists()
    prove_not_paid(desk, bank)


def test_a_payment_that_comes_back_at_once_is_booked_and_comes_back(
    desk: Desk, account: BankAccount, bank: SandboxBank
) -> None:
    bank.fault("returned")
    leg = owed(desk, claimed(desk))
    released(made(leg))
    sent_once(account)
    assert (state(), states(leg)) == ("BOOKED", ["PAID"])
    statements_taken(account)
    assert (state(), states(leg)) == ("RETURNED", ["DUE"])
    prove_not_paid(desk, bank)


def test_a_statement_that_comes_twice_is_booked_once(desk: Desk, account: BankAccount, bank: SandboxBank) -> None:
    released(made(owed(desk, claimed(desk))))
    sent_once(account)
    statements_taken(account)
    bank.control("charge", {"account_no": account.account_no, "amount_minor": 5, "currency": "CNY"})
    bank.control("faults", {"on": "statement", "next": ["duplicate_statement"]})
    statements_taken(account)
    assert BankStatement.objects.count() == 1
    statements_taken(account)
    assert list(BankEntry.objects.order_by("pk").values_list("outcome", flat=True)) == ["PAYMENT", "UNMATCHED"]
    assert not Job.objects.filter(kind="settlement.statement_fetch").exists()


def test_a_bank_that_is_not_there_leaves_nothing_in_doubt(desk: Desk, bank: SandboxBank) -> None:
    account = bank_account()
    leg = owed(desk, claimed(desk))
    released(made(leg))
    for _ in range(4):
        work_once(account)
    assert set(said()) == {("SEND", "NOT_SENT")}
    assert (state(), states(leg)) == ("ARMED", ["IN_PAYMENT"])
    rows("UPDATE settlement_bankaccount SET base_url = %s", [bank.url])
    worked_until(account, lambda: state() == "BOOKED")
    prove_paid_once(desk, bank)


def test_a_payment_that_nobody_answers_for_is_a_persons(
    desk: Desk, account: BankAccount, bank: SandboxBank, settings: Settings
) -> None:
    settings.PAYMENT = {**settings.PAYMENT, "ladder": (0.0, 0.0)}
    bank.fault("lost_answer")
    released(made(owed(desk, claimed(desk))))
    sent_once(account)
    bank.control("faults", {"on": "query", "mix": {"unavailable": 1}})
    worked_until(account, lambda: jobs() == [("settlement.payment_send", True)])
    assert state() == "IN_DOUBT"
    # What the statement shows ends it all the same.
    bank.control("faults", {})
    statements_taken(account)
    assert state() == "BOOKED"
    prove_paid_once(desk, bank)
