"""What is asked back is asked humanely: with time, without interest, stopped by death, ended by two names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from claims.models import Claim
from core.row_security import EVERYTHING
from registry.services.lives import person_death_record
from settlement.models import Recovery
from settlement.selectors.conservation import conservation
from settlement.services.follow import claim_follow
from settlement.services.recoveries import (
    ObjectionLate,
    RecoveryAmountRefused,
    RecoveryNeedsAnother,
    RecoveryStateRefuses,
    objection_reject,
    recoveries_review,
    recovery_agree,
    recovery_object,
    recovery_paid,
    recovery_waive,
    recovery_write_off,
)
from settlement.states import AdvanceState, RecoveryState
from tests.claims.house import PAYABLE, begun, decided, declining, filed, passed
from tests.registry.house import NOW, TODAY
from tests.roles import as_role, refused, rows
from tests.settlement.house import COLLEAGUE, DESK, TRACE, Desk, again, balances, drawn, payable, signed

pytestmark = pytest.mark.django_db
R = RecoveryState
BY: dict[str, Any] = {"by": DESK, "now": NOW, "trace_id": TRACE}


def asked(desk: Desk, code: str = "false_papers") -> Recovery:
    """What was handed over and declined, asked back from whom the table names."""
    claim = filed(desk.shelf)
    signed(claim)
    claim = passed(begun(claim))
    drawn(desk, claim)
    decided(claim, declining(reason_code=code))
    claim_follow(claim_id=claim.pk, now=NOW, trace_id=TRACE)
    return Recovery.objects.get()


def paid(recovery: Recovery, minor: int, *, cause: Any = None, against: str = "cash") -> Recovery:
    recovery_paid(
        recovery_id=recovery.pk,
        amount_minor=minor,
        cause_id=cause or uuid4(),
        value_date=TODAY,
        against=against,
        **BY,
    )
    return Recovery.objects.get()


def plan(*amounts: int) -> list[dict[str, Any]]:
    return [
        {"due_on": (TODAY + timedelta(days=30 * (at + 1))).isoformat(), "amount_minor": minor}
        for at, minor in enumerate(amounts)
    ]


def test_the_patient_is_sent_a_letter_with_the_clause(desk: Desk) -> None:
    recovery = asked(desk)
    (event,) = Claim.objects.get().events.filter(kind="letter.sent")
    assert event.audience == ["PATIENT"]
    assert event.details == {"recovery": str(recovery.pk)}
    assert recovery.clause == "Article 5.2"


def test_a_pharmacy_is_set_off_and_gets_no_letter(desk: Desk) -> None:
    recovery = asked(desk, "wrong_lot")
    assert not Claim.objects.get().events.filter(kind="letter.sent").exists()
    assert paid(recovery, PAYABLE, against=payable(desk)).state == R.PAID
    assert balances() == {}
    assert again(recovery.advance).state == AdvanceState.COLLECTED


def test_he_may_object_for_fifteen_days_and_another_person_answers(desk: Desk) -> None:
    recovery = asked(desk)
    late = NOW + timedelta(days=16)
    with pytest.raises(ObjectionLate):
        recovery_object(recovery_id=recovery.pk, reason="disagrees", by="patient", now=late, trace_id=TRACE)
    last = NOW + timedelta(days=15)
    recovery_object(recovery_id=recovery.pk, reason="disagrees", by="patient", now=last, trace_id=TRACE)
    with pytest.raises(RecoveryStateRefuses):
        recovery_agree(recovery_id=recovery.pk, instalments=plan(PAYABLE), **BY)
    with pytest.raises(RecoveryNeedsAnother):
        objection_reject(recovery_id=recovery.pk, reason="no", by="patient", now=last, trace_id=TRACE)
    assert objection_reject(recovery_id=recovery.pk, reason="the clause holds", **BY).state == R.OPEN


@pytest.mark.parametrize(
    "instalments",
    [
        [],
        plan(PAYABLE - 1),
        plan(PAYABLE + 1),
        plan(PAYABLE, 0),
        plan(*[1] * 13),
        [{"due_on": TODAY.isoformat(), "amount_minor": PAYABLE}],
        [{"due_on": "soon", "amount_minor": PAYABLE}],
        [{"amount_minor": PAYABLE}],
        [{"due_on": "2027-01-01", "amount_minor": 400_000.0}],
    ],
)
def test_instalments_sum_to_what_is_open_and_lie_ahead(desk: Desk, instalments: list[dict[str, Any]]) -> None:
    recovery = asked(desk)
    with pytest.raises(RecoveryAmountRefused):
        recovery_agree(recovery_id=recovery.pk, instalments=instalments, **BY)
    assert Recovery.objects.get().state == R.OPEN


def test_instalments_are_paid_without_interest(desk: Desk) -> None:
    recovery = asked(desk)
    recovery_agree(recovery_id=recovery.pk, instalments=plan(300_000, 100_000), **BY)
    recovery = paid(recovery, 300_000)
    assert (recovery.state, recovery.paid_minor) == (R.AGREED, 300_000)
    assert paid(recovery, 100_000).state == R.PAID
    assert again(recovery.advance).state == AdvanceState.COLLECTED
    assert conservation(organisations=EVERYTHING).holds


def test_the_same_transfer_counts_once_and_never_beyond_what_is_asked(desk: Desk) -> None:
    recovery, cause = asked(desk), uuid4()
    paid(recovery, 100_000, cause=cause)
    assert paid(recovery, 100_000, cause=cause).paid_minor == 100_000
    with pytest.raises(RecoveryAmountRefused):
        paid(recovery, PAYABLE - 100_000 + 1)


def test_death_stops_it_and_it_ends_by_two_names(desk: Desk) -> None:
    recovery = asked(desk)
    assert recoveries_review(now=NOW, limit=10) == 0
    person_death_record(
        person_id=desk.shelf.person.pk, died_on=TODAY, evidence="certificate 1", by=DESK, now=NOW, trace_id=TRACE
    )
    assert recoveries_review(now=NOW, limit=10) == 1
    assert recoveries_review(now=NOW, limit=10) == 0
    claim_follow(claim_id=Claim.objects.get().pk, now=NOW, trace_id=TRACE)
    assert Recovery.objects.get().state == R.STOPPED
    for seconded_by in ("", DESK):
        with pytest.raises(RecoveryNeedsAnother):
            recovery_waive(recovery_id=recovery.pk, reason="died", seconded_by=seconded_by, **BY)
    recovery_waive(recovery_id=recovery.pk, reason="died", seconded_by=COLLEAGUE, **BY)
    assert (again(recovery.advance).state, balances()["loss"]) == (AdvanceState.WRITTEN_OFF, PAYABLE)
    assert conservation(organisations=EVERYTHING).holds


def test_what_is_paid_in_part_is_written_off_for_the_rest_only(desk: Desk) -> None:
    recovery = paid(asked(desk), 150_000)
    recovery_write_off(recovery_id=recovery.pk, reason="will not come", seconded_by=COLLEAGUE, **BY)
    assert balances()["loss"] == PAYABLE - 150_000
    with pytest.raises(RecoveryStateRefuses):
        recovery_write_off(recovery_id=recovery.pk, reason="again", seconded_by=COLLEAGUE, **BY)
    assert conservation(organisations=EVERYTHING).holds


def test_the_database_knows_no_waiver_of_one_name(desk: Desk) -> None:
    recovery = asked(desk)
    with refused("nothing_is_waived_by_one_name"):
        rows(
            "UPDATE settlement_recovery SET state = 'WAIVED', state_by = 'x', version = version + 1 WHERE id = %s",
            [recovery.pk],
        )


def test_only_the_platform_its_insurer_and_who_bears_it_see_it(desk: Desk) -> None:
    asked(desk, "wrong_lot")
    with as_role("app"):
        for organisation, sees in ((desk.insurer, 1), (desk.chain, 1), (desk.shelf.stranger, 0)):
            rows("SELECT set_config('medisettle.organisations', %s, true)", [str(organisation.pk)])
            assert Recovery.objects.count() == sees
