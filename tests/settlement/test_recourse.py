"""The insurer has the last word on what it pays; the recourse table says who bears the rest, and every way is undone
when the word changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from claims.models import Claim
from claims.services.decisions import DecisionDraft
from core.row_security import EVERYTHING
from registry.states import ConfirmationMode
from settlement.models import Advance, Recovery, SettlementLeg
from settlement.selectors.conservation import conservation
from settlement.services.collecting import advance_claw_back, advance_collect
from settlement.services.follow import claim_follow
from settlement.services.legs import leg_paid, leg_returned
from settlement.services.recoveries import recovery_paid, recovery_write_off
from settlement.states import AdvanceState, Bearer, LegKind, LegState, RecoveryState, RefusalClass
from tests.claims.house import (
    PAYABLE,
    appeal_decided,
    appealed,
    approving,
    approving_part,
    begun,
    closed,
    decided,
    declining,
    filed,
    passed,
    reopened,
)
from tests.registry.house import NOW, TODAY
from tests.settlement.house import (
    COLLEAGUE,
    CONTRACT,
    DESK,
    TRACE,
    Desk,
    again,
    balances,
    drawn,
    make_desk,
    payable,
    signed,
)

pytestmark = pytest.mark.django_db
A = AdvanceState
R = RecoveryState
CODES = {refusal: code for code, refusal in CONTRACT["refusal_classes"].items()}


def follow(claim: Claim, *, now: Any = NOW) -> None:
    claim_follow(claim_id=claim.pk, now=now, trace_id=TRACE)
    # Run again it changes nothing.
    before = list(Advance.objects.order_by("pk").values_list("pk", "version", "state"))
    claim_follow(claim_id=claim.pk, now=now, trace_id=TRACE)
    assert list(Advance.objects.order_by("pk").values_list("pk", "version", "state")) == before
    assert conservation(organisations=EVERYTHING).holds


def handed_over(desk: Desk, amount_minor: int = PAYABLE) -> tuple[Claim, Advance]:
    """Drawn for goods before the insurer has said anything."""
    claim = filed(desk.shelf)
    signed(claim)
    claim = passed(begun(claim))
    return claim, drawn(desk, claim, amount_minor)


def legs(kind: LegKind = LegKind.FIRST) -> list[tuple[int, int, str]]:
    """(insurer, open minor units, state) of legs that are owed."""
    rows = SettlementLeg.objects.filter(kind=kind).exclude(state=LegState.REVERSED).order_by("created_at", "id")
    return [(leg.organisation_id, leg.amount_minor - leg.settled_minor, leg.state) for leg in rows]


def collected(advance: Advance, minor: int) -> None:
    """As collections do: the advance, and the legs it is for."""
    advance_collect(
        advance_id=advance.pk, amount_minor=minor, cause_id=uuid4(), value_date=TODAY, by=DESK, now=NOW, trace_id=TRACE
    )
    for leg in SettlementLeg.objects.filter(advance=advance, kind=LegKind.FIRST, state=LegState.DUE):
        part = min(minor, leg.amount_minor - leg.settled_minor)
        if part:
            leg_paid(
                leg_id=leg.pk,
                amount_minor=part,
                evidence_id=uuid4(),
                value_date=TODAY,
                by=DESK,
                now=NOW,
                trace_id=TRACE,
            )
        minor -= part


def test_what_is_confirmed_is_receivable_with_a_leg(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    follow(claim)
    assert (again(advance).unconfirmed_minor, legs()) == (PAYABLE, [])
    follow(decided(claim, approving()))
    advance = again(advance)
    assert (advance.state, advance.receivable_minor, advance.unconfirmed_minor) == (A.DRAWN, PAYABLE, 0)
    assert legs() == [(desk.insurer.pk, PAYABLE, "DUE")]
    assert balances("counter_exposure") == {}


def test_collected_whole_the_claim_is_closed(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    follow(decided(claim, approving()))
    collected(advance, PAYABLE)
    claim_follow(claim_id=claim.pk, now=NOW, trace_id=TRACE)
    assert Claim.objects.get(pk=claim.pk).state == "CLOSED"
    assert balances() == {"cash": PAYABLE, payable(desk): PAYABLE}


def refusing(refusal: RefusalClass) -> DecisionDraft:
    return declining(reason_code=CODES.get(refusal, "anything else"))


BORNE_BY = {
    RefusalClass.WITHIN_AUTHORITY: Bearer.INSURER,
    RefusalClass.REVIEW_ERROR: Bearer.PLATFORM,
    RefusalClass.WRONG_DRUG: Bearer.PHARMACY,
    RefusalClass.WRONG_LOT: Bearer.PHARMACY,
    RefusalClass.PRESCRIPTION_MISSING: Bearer.PHARMACY,
    RefusalClass.FALSE_MATERIALS: Bearer.PATIENT,
    RefusalClass.POLICY_VOID: Bearer.PATIENT,
    RefusalClass.OTHER: Bearer.PLATFORM,
}


@pytest.mark.parametrize("mode", [mode for mode in ConfirmationMode if mode != ConfirmationMode.REIMBURSE])
@pytest.mark.parametrize("refusal", list(RefusalClass))
def test_declined_after_the_hand_over_the_table_speaks(db: None, refusal: RefusalClass, mode: ConfirmationMode) -> None:
    # Above the delegated limit the insurer decides in the delegated mode too.
    desk = make_desk(confirmation_mode=mode.value, delegated_limit_minor=0)
    claim, advance = handed_over(desk)
    follow(decided(claim, refusing(refusal)))
    advance, bearer = again(advance), BORNE_BY[refusal]
    if bearer == Bearer.INSURER:
        assert (advance.state, advance.receivable_minor, Recovery.objects.count()) == (A.DRAWN, PAYABLE, 0)
        assert legs() == [(desk.insurer.pk, PAYABLE, "DUE")]
        return
    recovery = Recovery.objects.get()
    assert (advance.state, advance.in_recovery_minor, legs()) == (A.IN_RECOVERY, PAYABLE, [])
    assert (recovery.refusal_class, recovery.bearer, recovery.amount_minor) == (refusal, bearer, PAYABLE)
    assert recovery.bearer_organisation_id == (desk.chain.pk if bearer == Bearer.PHARMACY else None)
    assert (recovery.clause, recovery.clause_zh) == ("Article 5.2", "第5.2条")
    assert recovery.object_until == TODAY + timedelta(days=15)
    assert balances()[f"recovery:{bearer.lower()}"] == PAYABLE
    assert "exposure" not in balances()


def test_declined_by_its_own_delegate_the_insurer_pays_all_the_same(db: None) -> None:
    desk = make_desk(confirmation_mode="DELEGATED")
    claim, advance = handed_over(desk)
    follow(claim)
    assert again(advance).receivable_minor == PAYABLE
    claim = reopened(Claim.objects.get(pk=claim.pk))
    follow(claim)
    assert (again(advance).unconfirmed_minor, legs()) == (PAYABLE, [])
    follow(decided(claim, refusing(RefusalClass.POLICY_VOID)))
    assert (again(advance).receivable_minor, Recovery.objects.count()) == (PAYABLE, 0)
    assert legs() == [(desk.insurer.pk, PAYABLE, "DUE")]


def test_another_table_names_another_bearer(db: None) -> None:
    table = {name: dict(row) for name, row in CONTRACT["recourse"].items()}
    table["POLICY_VOID"]["AFTER"] = "INSURER"
    desk = make_desk({"recourse": table}, confirmation_mode="AFTER")
    claim, advance = handed_over(desk)
    follow(decided(claim, refusing(RefusalClass.POLICY_VOID)))
    assert again(advance).receivable_minor == PAYABLE


def test_confirmed_in_part_the_rest_goes_by_the_table(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    follow(decided(claim, approving_part(150_000, reason_code="policy_void")))
    advance = again(advance)
    assert (advance.receivable_minor, advance.in_recovery_minor) == (150_000, PAYABLE - 150_000)
    assert (legs(), Recovery.objects.get().bearer) == ([(desk.insurer.pk, 150_000, "DUE")], Bearer.PATIENT)
    collected(advance, 150_000)
    assert again(advance).state == A.IN_RECOVERY


def test_less_drawn_than_confirmed_nobody_pays_more_than_was_handed_over(desk: Desk) -> None:
    claim, advance = handed_over(desk, 120_000)
    follow(decided(claim, approving()))
    assert (again(advance).receivable_minor, legs()) == (120_000, [(desk.insurer.pk, 120_000, "DUE")])


def declined_and_appealed(desk: Desk) -> tuple[Claim, Advance]:
    claim, advance = handed_over(desk)
    claim = decided(claim, refusing(RefusalClass.FALSE_MATERIALS))
    follow(claim)
    claim = appealed(claim)
    follow(claim)
    return claim, advance


def test_an_appeal_stops_the_recovery_and_lost_it_goes_on(desk: Desk) -> None:
    claim, advance = declined_and_appealed(desk)
    assert (Recovery.objects.get().state, again(advance).state) == (R.STOPPED, A.IN_RECOVERY)
    follow(appeal_decided(claim, uphold=True))
    assert (Recovery.objects.get().state, again(advance).in_recovery_minor) == (R.OPEN, PAYABLE)


def test_reopened_and_won_nothing_is_asked_of_anybody_else(desk: Desk) -> None:
    claim, advance = declined_and_appealed(desk)
    claim = appeal_decided(claim, uphold=False)
    follow(claim)
    assert (again(advance).state, again(advance).unconfirmed_minor) == (A.DRAWN, PAYABLE)
    assert Recovery.objects.get().state == R.CANCELLED
    follow(decided(claim, approving()))
    assert (again(advance).receivable_minor, legs()) == (PAYABLE, [(desk.insurer.pk, PAYABLE, "DUE")])
    assert balances()["exposure"] == PAYABLE


def test_won_after_the_patient_had_paid_a_part_he_gets_it_back(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    claim = decided(claim, refusing(RefusalClass.FALSE_MATERIALS))
    follow(claim)
    recovery_paid(
        recovery_id=Recovery.objects.get().pk,
        amount_minor=100_000,
        cause_id=uuid4(),
        value_date=TODAY,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )
    claim = appeal_decided(appealed(claim), uphold=False)
    follow(claim)
    follow(decided(claim, approving()))
    advance = again(advance)
    assert (advance.receivable_minor, advance.recovered_minor) == (PAYABLE, 0)
    assert legs(LegKind.THIRD) == [(desk.insurer.pk, 100_000, "DUE")]
    assert balances()["payable:patients"] == 100_000


def test_written_off_and_paid_after_all_it_is_no_loss(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    claim = decided(claim, refusing(RefusalClass.REVIEW_ERROR))
    follow(claim)
    recovery_write_off(
        recovery_id=Recovery.objects.get().pk,
        reason="ours",
        by=DESK,
        seconded_by=COLLEAGUE,
        now=NOW,
        trace_id=TRACE,
    )
    assert (again(advance).state, balances()["loss"]) == (A.WRITTEN_OFF, PAYABLE)
    claim = reopened(claim)
    follow(claim)
    assert again(advance).state == A.WRITTEN_OFF
    follow(decided(claim, approving()))
    assert (again(advance).state, again(advance).receivable_minor) == (A.DRAWN, PAYABLE)
    assert "loss" not in balances()


def test_reopened_the_insurers_debt_is_open_again_and_its_legs_are_reversed(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    claim = decided(claim, approving())
    follow(claim)
    collected(advance, 100_000)
    claim = reopened(claim)
    follow(claim)
    advance = again(advance)
    assert (advance.receivable_minor, advance.unconfirmed_minor, advance.collected_minor) == (0, 300_000, 100_000)
    assert legs() == []
    follow(decided(claim, approving()))
    assert (again(advance).receivable_minor, legs()) == (300_000, [(desk.insurer.pk, 300_000, "DUE")])


def test_less_confirmed_than_was_collected_goes_by_the_table_once_it_is_taken_back(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    claim = decided(claim, approving())
    follow(claim)
    collected(advance, PAYABLE)
    claim = decided(reopened(claim), approving_part(150_000, reason_code="policy_void"))
    follow(claim)
    assert again(advance).state == A.COLLECTED
    taken = PAYABLE - 150_000
    advance_claw_back(
        advance_id=advance.pk,
        amount_minor=taken,
        cause_id=uuid4(),
        reason="netted",
        value_date=TODAY,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )
    (leg,) = SettlementLeg.objects.filter(kind=LegKind.FIRST)
    leg_returned(leg_id=leg.pk, amount_minor=taken, reason="netted", by=DESK, now=NOW, trace_id=TRACE)
    follow(claim)
    advance = again(advance)
    assert (advance.in_recovery_minor, advance.receivable_minor, legs()) == (taken, 0, [])


def test_insurers_share_to_the_last_fen_and_the_lead_takes_the_rounding(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    co = desk.shelf.stranger
    lead = claim.parties.get(role="LEAD_INSURER")
    lead.basis_points = 6_667
    lead.save(update_fields=["basis_points"])
    claim.parties.create(organisation=co, role="CO_INSURER", basis_points=3_333, since=NOW)
    claim = decided(claim, approving())
    follow(claim)
    assert sorted(legs()) == sorted([(desk.insurer.pk, 266_680, "DUE"), (co.pk, 133_320, "DUE")])
    collected(advance, 266_681)
    follow(reopened(claim))
    follow(decided(Claim.objects.get(pk=claim.pk), approving_part(300_001, reason_code="policy_void")))
    assert sum(minor for _, minor, _ in legs()) == again(advance).receivable_minor == 300_001 - 266_681


def test_a_refusal_that_stands_is_not_undone_by_closing(desk: Desk) -> None:
    claim, advance = handed_over(desk)
    claim = decided(claim, refusing(RefusalClass.POLICY_VOID))
    follow(claim)
    follow(closed(claim))
    assert (again(advance).in_recovery_minor, Recovery.objects.count()) == (PAYABLE, 1)
