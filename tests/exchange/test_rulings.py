"""Two persons rule where no machine can tell: each decision, each refusal, and the database's own fence behind it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from accounts.models import AuditEntry, User
from core.clock import database_now
from core.errors import NotFound
from core.row_security import seen_by
from exchange.models import Evidence, Ruling, Transaction
from exchange.selectors.bills import bills_read
from exchange.selectors.transactions import answers_of
from exchange.services.names import BackOfficeNeeded, MovedMeanwhile, NotYourOwn
from exchange.services.rulings import (
    AmountsAreProven,
    AmountsDoNotAddUp,
    NothingToRule,
    RulingEnded,
    RulingOpen,
    ruling_propose,
    ruling_second,
    ruling_withdraw,
)
from exchange.states import Decision
from journal.models import Job
from ledger.models import Posting
from ledger.services import prove
from tests.exchange.house import House, fresh
from tests.exchange.staff import back_office, cashier, doubtful, handed_over, say, settled
from tests.roles import as_role, refused, rows

AMOUNTS = {"fund_minor": 8000, "account_minor": 0, "hospital_minor": 0, "cash_minor": 2000, "settlement_no": "S-77"}


def propose(row: Transaction, user: User, decision: Decision, amounts: dict[str, Any] | None = None) -> Ruling:
    with as_role("app"), seen_by([user.organisation_id]):
        return ruling_propose(
            transaction_id=row.pk,
            version=row.version,
            decision=decision,
            reason="asked the insurer by telephone",
            amounts=amounts,
            user=user,
            trace_id="trace-of-proposal",
            now=database_now(),
        )


def second(ruling: Ruling, user: User, *, version: int | None = None) -> Transaction:
    row = Transaction.objects.get(pk=ruling.transaction_id)
    with as_role("app"), seen_by([user.organisation_id]):
        seen = row.version if version is None else version
        ruling_second(ruling_id=ruling.pk, version=seen, user=user, trace_id="trace-of-second", now=database_now())
    return fresh(row)


def withdraw(ruling: Ruling, user: User) -> None:
    with as_role("app"), seen_by([user.organisation_id]):
        ruling_withdraw(ruling_id=ruling.pk, user=user, trace_id="trace", now=database_now())


@pytest.fixture
def case(house: House, settings: Settings) -> Transaction:
    """Nobody knows what became of it, and the ladder is used up."""
    return handed_over(doubtful(house), settings)


@pytest.fixture
def chen(house: House) -> User:
    return cashier(house.hospital)


@pytest.fixture
def bai(house: House) -> User:
    return back_office(house.hospital)


def test_nothing_moves_before_the_second_name(case: Transaction, chen: User) -> None:
    propose(case, chen, Decision.REVERSED)
    assert fresh(case).state == "NEEDS_HUMAN"
    assert not Evidence.objects.filter(kind="RULING").exists()


def test_settled_by_ruling_is_posted_and_told_with_its_evidence(case: Transaction, chen: User, bai: User) -> None:
    row = second(propose(case, chen, Decision.SUCCEEDED, AMOUNTS), bai)
    assert (row.state, row.settlement_no, row.cash_minor, row.episode) == ("SUCCEEDED", "S-77", 2000, 1)
    assert row.shares == [{"payer": "basic_fund", "insurer": "INS-A", "amount_minor": 8000}]
    assert answers_of([row.pk])[row.pk]["verdict"] == "succeeded"
    assert row.state_by == "chen + bai"
    evidence = Evidence.objects.get(kind="RULING")
    assert (evidence.says, evidence.details) == ("SUCCEEDED", "asked the insurer by telephone")
    posting = Posting.objects.get(cause_id=row.pk)
    assert (posting.kind, posting.evidence_id) == ("settled", evidence.pk)
    assert prove().holds


def test_settled_by_ruling_after_cash_was_taken_stands_and_the_surplus_is_due_back(
    house: House, settings: Settings, chen: User, bai: User
) -> None:
    row = doubtful(house)
    assert say(row, "abandon", self_paid_minor=10000, receipt_no="R-1").problem is None
    row = second(propose(handed_over(row, settings), chen, Decision.SUCCEEDED, AMOUNTS), bai)
    told = answers_of([row.pk])[row.pk]
    assert told["verdict"] == "stands"
    assert told["self_payment"] == {"state": "REFUND_DUE", "amount_minor": 10000, "refund_due_minor": 8000}
    assert row.bill_id is not None
    assert bills_read([row.bill_id]).terms(row.bill_id).refund_due_minor == 8000


def test_reversed_by_ruling_undoes_what_was_posted(house: House, settings: Settings, chen: User, bai: User) -> None:
    row = settled(house)
    assert say(row, "disown", reason="never booked").problem is None
    row = second(propose(handed_over(fresh(row), settings), chen, Decision.REVERSED), bai)
    assert (row.state, row.reason_code) == ("REVERSED", "ruled")
    assert answers_of([row.pk])[row.pk]["verdict"] == "reversed"
    assert sorted(Posting.objects.filter(cause_id=row.pk).values_list("kind", flat=True)) == ["reversed", "settled"]
    assert Job.objects.filter(subject_id=row.pk, kind="exchange.watch").exists()


def test_a_settlement_that_cannot_be_undone_stays_posted_once(
    house: House, settings: Settings, chen: User, bai: User
) -> None:
    row = settled(house)
    say(row, "disown", reason="never booked")
    row = handed_over(fresh(row), settings)
    with pytest.raises(AmountsAreProven):
        propose(row, chen, Decision.SUCCEEDED, {**AMOUNTS, "fund_minor": 7000, "account_minor": 1000})
    row = second(propose(row, chen, Decision.SUCCEEDED, AMOUNTS), bai)
    assert row.state == "SUCCEEDED"
    assert Posting.objects.filter(cause_id=row.pk).count() == 1


def test_rejected_by_ruling_leaves_the_cash_as_the_payment(
    house: House, settings: Settings, chen: User, bai: User
) -> None:
    row = doubtful(house)
    say(row, "abandon", self_paid_minor=10000, receipt_no="R-1")
    row = second(propose(handed_over(row, settings), bai, Decision.REJECTED), chen)
    told = answers_of([row.pk])[row.pk]
    assert (row.state, told["verdict"], told["self_payment"]["state"]) == ("REJECTED", "rejected", "STANDS")


def test_asking_the_insurer_again_begins_a_reversal_for_that_cause(case: Transaction, chen: User, bai: User) -> None:
    row = second(propose(case, chen, Decision.REVERSING), bai)
    assert (row.state, row.reason_code) == ("REVERSING", "reversing_ruling")
    reversal = row.reversals.get(closed_at__isnull=True)
    assert (reversal.cause, reversal.by) == ("ruling", "chen + bai")
    assert Job.objects.get(subject_id=row.pk, kind="exchange.resolve").parked_at is None


def test_a_cancel_ruled_as_done_takes_its_original_along(
    house: House, settings: Settings, chen: User, bai: User
) -> None:
    original = settled(house, his_no="X", visit_no="V-X")
    cancel = handed_over(doubtful(house, operation="cancel", of="X", visit_no="V-X"), settings)
    cancel = second(propose(cancel, chen, Decision.SUCCEEDED), bai)
    assert (cancel.state, fresh(original).state) == ("SUCCEEDED", "CANCELLED")
    assert answers_of([original.pk])[original.pk]["verdict"] == "cancelled"


def test_nobody_seconds_himself(case: Transaction, bai: User) -> None:
    ruling = propose(case, bai, Decision.REVERSED)
    with pytest.raises(NotYourOwn):
        second(ruling, bai)
    assert fresh(case).state == "NEEDS_HUMAN"
    with refused("nobody_seconds_himself"):
        rows("UPDATE exchange_ruling SET seconded_by = 'bai', closed_at = now()")


def test_one_of_the_two_is_of_the_back_office(house: House, case: Transaction, chen: User) -> None:
    other = cashier(house.hospital, "deng")
    with pytest.raises(BackOfficeNeeded):
        second(propose(case, chen, Decision.REVERSED), other)


def test_the_one_who_saw_an_older_state_is_told_what_changed(case: Transaction, chen: User, bai: User) -> None:
    ruling = propose(case, chen, Decision.REVERSED)
    say(case, "abandon", self_paid_minor=10000, receipt_no="R-1")
    with pytest.raises(MovedMeanwhile) as told:
        second(ruling, bai, version=case.version)
    assert told.value.extra["state"] == "NEEDS_HUMAN"
    assert second(ruling, bai).state == "REVERSED"


def test_a_ruling_is_open_once_and_ends_once(case: Transaction, chen: User, bai: User) -> None:
    ruling = propose(case, chen, Decision.REVERSED)
    with pytest.raises(RulingOpen):
        propose(case, bai, Decision.REJECTED)
    withdraw(ruling, chen)
    with pytest.raises(RulingEnded):
        second(ruling, bai)
    with pytest.raises(RulingEnded):
        withdraw(ruling, bai)
    assert second(propose(case, bai, Decision.REVERSED), chen).state == "REVERSED"
    with refused("this ruling has ended"):
        rows("UPDATE exchange_ruling SET reason = 'other'")


def test_only_what_needs_a_person_is_ruled_on(house: House, chen: User) -> None:
    with pytest.raises(NothingToRule):
        propose(doubtful(house), chen, Decision.REVERSED)


@pytest.mark.parametrize(
    "wrong", [{}, {**AMOUNTS, "cash_minor": 1999}, {**AMOUNTS, "settlement_no": ""}, {**AMOUNTS, "fund_minor": -1}]
)
def test_success_needs_amounts_that_make_the_total(case: Transaction, chen: User, wrong: dict[str, Any]) -> None:
    with pytest.raises(AmountsDoNotAddUp):
        propose(case, chen, Decision.SUCCEEDED, wrong)


def test_a_stranger_neither_proposes_nor_seconds_nor_withdraws(house: House, case: Transaction, chen: User) -> None:
    stranger = back_office(house.stranger, "zhou")
    with pytest.raises(NotFound):
        propose(case, stranger, Decision.REVERSED)
    ruling = propose(case, chen, Decision.REVERSED)
    with pytest.raises(NotFound):
        second(ruling, stranger)
    with pytest.raises(NotFound):
        withdraw(ruling, stranger)
    with pytest.raises(NotFound):
        ruling_second(ruling_id=uuid4(), version=1, user=chen, trace_id="trace", now=database_now())


def test_the_database_moves_nothing_on_the_word_of_one(case: Transaction, chen: User) -> None:
    propose(case, chen, Decision.REVERSED)
    move = (
        "UPDATE exchange_transaction SET state = 'REVERSED', version = version + 1, state_at = now() WHERE his_no = %s"
    )
    with as_role("app"), seen_by([case.organisation_id]), refused("only a worker proves that"):
        rows(move, [case.his_no])
    with refused("an_applied_ruling_has_two_names"):
        rows("UPDATE exchange_ruling SET closed_at = now()")


def test_every_step_is_in_the_audit_trail_without_the_reason(case: Transaction, chen: User, bai: User) -> None:
    second(propose(case, chen, Decision.REVERSED), bai)
    kept = AuditEntry.objects.filter(action__startswith="ruling.").order_by("id")
    assert [(one.actor, one.action, one.subject) for one in kept] == [
        ("chen", "ruling.proposed", case.his_no),
        ("bai", "ruling.seconded", case.his_no),
    ]
    assert "telephone" not in str([one.details for one in kept])


def test_a_document_number_in_the_reason_is_not_kept(case: Transaction, chen: User) -> None:
    with as_role("app"), seen_by([chen.organisation_id]):
        ruling = ruling_propose(
            transaction_id=case.pk,
            version=case.version,
            decision=Decision.REVERSED,
            reason="patient 110101199001011237",
            amounts=None,
            user=chen,
            trace_id="trace",
            now=database_now(),
        )
    assert "110101199001011237" not in ruling.reason
