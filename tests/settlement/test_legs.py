"""A leg says who owes whom; it is paid once, reopened with its reason, and never changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from settlement.models import SettlementLeg
from settlement.services.legs import (
    LegAmountRefused,
    LegStateRefuses,
    leg_dispute,
    leg_dispute_end,
    leg_failed,
    leg_paid,
    leg_returned,
    leg_reverse,
    leg_write,
    legs_approve,
    legs_reopen,
    legs_send,
)
from settlement.states import LegKind, LegState
from tests.registry.house import NOW, TODAY
from tests.roles import refused, rows
from tests.settlement.house import DESK, TRACE, Desk, claimed

pytestmark = pytest.mark.django_db
L = LegState
BY: dict[str, Any] = {"by": DESK, "now": NOW, "trace_id": TRACE}


def owed(
    desk: Desk, kind: LegKind = LegKind.SECOND, amount_minor: int = 100_000, cause: UUID | None = None
) -> SettlementLeg:
    claim = SettlementLeg.objects.first()
    person = None
    claim_id = claim.claim_id if claim else claimed(desk).pk
    if kind == LegKind.THIRD:
        person = desk.shelf.person.pk
    return leg_write(
        kind=kind,
        organisation_id=desk.insurer.pk if kind == LegKind.FIRST else desk.chain.pk,
        insurer_id=desk.insurer.pk,
        claim_id=claim_id,
        cause_id=cause or uuid4(),
        amount_minor=amount_minor,
        currency="CNY",
        due_on=TODAY,
        person_id=person,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )


def again(leg: SettlementLeg) -> SettlementLeg:
    return SettlementLeg.objects.get(pk=leg.pk)


def paid(leg: SettlementLeg, minor: int) -> SettlementLeg:
    return leg_paid(
        leg_id=leg.pk, amount_minor=minor, evidence_id=uuid4(), value_date=TODAY, by=DESK, now=NOW, trace_id=TRACE
    )


def in_payment(leg: SettlementLeg) -> SettlementLeg:
    legs_approve(leg_ids=[leg.pk], **BY)
    legs_send(leg_ids=[leg.pk], **BY)
    return again(leg)


def test_the_same_cause_owes_once(desk: Desk) -> None:
    cause = uuid4()
    assert owed(desk, cause=cause).pk == owed(desk, cause=cause).pk
    assert SettlementLeg.objects.count() == 1


def test_a_pay_out_is_approved_sent_and_paid_whole(desk: Desk) -> None:
    leg = in_payment(owed(desk))
    with pytest.raises(LegAmountRefused):
        paid(leg, 99_999)
    assert (paid(leg, 100_000).state, again(leg).settled_minor) == (L.PAID, 100_000)
    with pytest.raises(LegAmountRefused):
        paid(leg, 1)


def test_all_of_a_batch_or_none(desk: Desk) -> None:
    first, second = owed(desk), owed(desk)
    leg_dispute(leg_id=second.pk, reason="amount", **BY)
    with pytest.raises(LegStateRefuses):
        legs_approve(leg_ids=[first.pk, second.pk], **BY)
    assert again(first).state == L.DUE


def test_an_insurers_transfer_may_be_short_and_the_rest_stays_due(desk: Desk) -> None:
    leg = owed(desk, LegKind.FIRST)
    assert (paid(leg, 40_000).state, again(leg).settled_minor) == (L.DUE, 40_000)
    with pytest.raises(LegAmountRefused):
        paid(leg, 60_001)
    assert paid(leg, 60_000).state == L.PAID


def test_what_the_bank_refuses_or_gives_back_is_due_again_by_a_name(desk: Desk) -> None:
    failed, returned = in_payment(owed(desk)), in_payment(owed(desk))
    assert leg_failed(leg_id=failed.pk, reason="account closed", **BY).state == L.FAILED
    paid(returned, 100_000)
    assert leg_returned(leg_id=returned.pk, amount_minor=100_000, reason="AC04", **BY).state == L.RETURNED
    for leg in legs_reopen(leg_ids=[failed.pk, returned.pk], reason="new account", **BY):
        assert (leg.state, again(leg).settled_minor) == (L.DUE, 0)


def test_what_an_insurer_takes_back_is_due_again_at_once(desk: Desk) -> None:
    leg = owed(desk, LegKind.FIRST)
    paid(leg, 100_000)
    assert leg_returned(leg_id=leg.pk, amount_minor=30_000, reason="netted", **BY).state == L.DUE
    assert again(leg).settled_minor == 70_000
    assert leg_returned(leg_id=leg.pk, amount_minor=70_000, reason="netted", **BY).state == L.DUE
    with pytest.raises(LegAmountRefused):
        leg_returned(leg_id=leg.pk, amount_minor=1, reason="netted", **BY)


def test_a_pay_out_does_not_come_back_in_part(desk: Desk) -> None:
    leg = in_payment(owed(desk))
    paid(leg, 100_000)
    with pytest.raises(LegAmountRefused):
        leg_returned(leg_id=leg.pk, amount_minor=50_000, reason="AC04", **BY)


def test_a_dispute_ends_where_it_began(desk: Desk) -> None:
    due, done = owed(desk), in_payment(owed(desk))
    paid(done, 100_000)
    for leg in (due, done):
        assert leg_dispute(leg_id=leg.pk, reason="amount", **BY).state == L.DISPUTED
    assert leg_dispute_end(leg_id=due.pk, reason="agreed", **BY).state == L.DUE
    assert leg_dispute_end(leg_id=done.pk, reason="agreed", **BY).state == L.PAID
    with pytest.raises(LegStateRefuses):
        leg_dispute_end(leg_id=due.pk, reason="agreed", **BY)


def test_while_the_bank_may_be_paying_nothing_is_reversed(desk: Desk) -> None:
    leg = in_payment(owed(desk))
    with pytest.raises(LegStateRefuses):
        leg_reverse(leg_id=leg.pk, reason="returned", **BY)
    paid(leg, 100_000)
    assert leg_reverse(leg_id=leg.pk, reason="returned", **BY).settled_minor == 100_000


def test_the_own_share_is_evidence_and_paid_from_the_start(desk: Desk) -> None:
    leg = owed(desk, LegKind.OWN_SHARE)
    assert (leg.state, leg.settled_minor) == (L.PAID, 100_000)


def test_an_amount_is_never_changed(desk: Desk) -> None:
    leg = owed(desk)
    with refused("reversed, never changed"):
        rows("UPDATE settlement_settlementleg SET amount_minor = 1, version = version + 1 WHERE id = %s", [leg.pk])
    with refused("ended, never deleted"):
        rows("DELETE FROM settlement_settlementleg")
