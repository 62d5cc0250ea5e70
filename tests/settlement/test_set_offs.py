"""What a pharmacy owes is taken off what it is to be paid, and stands on its statement."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.ids import new_trace_id, uuid7
from settlement.models import Advance, AdvanceMove, Recovery, SetOff, SettlementLeg
from settlement.selectors.books import balances_until, fees_account, payable_account
from settlement.services.fees import fees_charge
from settlement.services.legs import leg_dispute
from settlement.services.set_offs import set_offs_make
from settlement.services.statements import statement_make
from settlement.states import AdvanceMoveKind, Bearer, CounterpartyRole, RefusalClass
from tests.roles import as_role, rows
from tests.settlement.books import (
    IN_DECEMBER,
    IN_NOVEMBER,
    IN_OCTOBER,
    NOVEMBER,
    Trade,
    ledger_holds,
    post,
    second_leg,
    trade,
)

__all__ = ["trade"]


def balances(trade: Trade) -> dict[str, int]:
    return balances_until(insurer_id=trade.insurer.pk, currency="CNY", until=IN_DECEMBER.date())


def taken_off() -> int:
    with as_role("worker"):
        return set_offs_make(now=IN_NOVEMBER, limit=100)


def fees() -> None:
    with as_role("worker"):
        fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=IN_NOVEMBER)


def leg_now(leg: SettlementLeg) -> tuple[str, int]:
    row = SettlementLeg.objects.get(pk=leg.pk)
    return row.state, row.settled_minor


def borne(trade: Trade, leg: SettlementLeg, minor: int, *, objects_until: int = -1) -> Recovery:
    """The insurer did not pay, by the pharmacy's doing: Dr recovery:pharmacy, Cr advance unconfirmed."""
    advance = Advance.objects.get(legs=leg)
    move = AdvanceMove.objects.create(
        id=uuid7(IN_NOVEMBER),
        advance=advance,
        organisation_id=advance.organisation_id,
        kind=AdvanceMoveKind.BEAR,
        episode=1,
        amount_minor=minor,
        cause="decision",
        cause_id=uuid7(IN_NOVEMBER),
        at=IN_NOVEMBER,
        by="desk",
    )
    post(trade, advance.pk, "BEAR", "recovery:pharmacy", "advance_unconfirmed", minor, IN_NOVEMBER, move.pk)
    return Recovery.objects.create(
        id=uuid7(IN_NOVEMBER),
        advance=advance,
        organisation=trade.insurer,
        number=1,
        refusal_class=RefusalClass.WRONG_LOT,
        bearer=Bearer.PHARMACY,
        bearer_organisation=trade.chain,
        amount_minor=minor,
        currency="CNY",
        clause="Article 9",
        clause_zh="第9条",
        object_until=IN_NOVEMBER.date() + timedelta(days=objects_until),
        created_at=IN_NOVEMBER,
        state_at=IN_NOVEMBER,
        state_by="desk",
        trace_id=new_trace_id(),
    )


def test_fees_are_taken_off_and_the_pay_out_pays_the_rest(trade: Trade) -> None:
    leg = second_leg(trade, 400_000, at=IN_NOVEMBER)
    fees()
    assert taken_off() == 1
    assert leg_now(leg) == ("DUE", 6_360)
    ours = balances(trade)
    assert ours[fees_account(trade.chain.pk)] == 0
    assert ours[payable_account(trade.chain.pk)] == -393_640
    assert taken_off() == 0
    assert ledger_holds()


def test_a_fee_larger_than_what_is_due_waits_for_the_next_leg(trade: Trade) -> None:
    one = second_leg(trade, 400_000, at=IN_NOVEMBER)
    fees()
    rows("UPDATE settlement_settlementleg SET settled_minor = 398000, version = version + 1")
    assert taken_off() == 1
    assert leg_now(one) == ("PAID", 400_000)
    two = second_leg(trade, 100_000, at=IN_NOVEMBER)
    assert taken_off() == 1
    assert leg_now(two) == ("DUE", 4_360)
    assert [row.amount_minor for row in SetOff.objects.order_by("amount_minor")] == [2_000, 4_360]


def test_what_the_pharmacy_bears_is_taken_off_its_next_leg_and_stands_on_the_statement(trade: Trade) -> None:
    bad, good = second_leg(trade, 50_000, at=IN_NOVEMBER), second_leg(trade, 400_000, at=IN_NOVEMBER)
    leg_dispute(leg_id=bad.pk, reason="wrong lot", by="desk", now=IN_NOVEMBER, trace_id=new_trace_id())
    recovery = borne(trade, bad, 50_000)
    rows("UPDATE settlement_advance SET state = 'DRAWN', version = version + 1 WHERE id = %s", [bad.advance_id])
    rows("UPDATE settlement_advance SET state = 'IN_RECOVERY', version = version + 1 WHERE id = %s", [bad.advance_id])
    assert taken_off() == 1
    assert leg_now(good) == ("DUE", 50_000)
    row = Recovery.objects.get(pk=recovery.pk)
    assert (row.state, row.paid_minor) == ("PAID", 50_000)
    assert balances(trade)["recovery:pharmacy"] == 0
    statement = statement_make(
        party=trade.party(CounterpartyRole.PHARMACY),
        month=NOVEMBER,
        by="li",
        now=IN_DECEMBER,
        trace_id=new_trace_id(),
    )
    assert (statement.gross_minor, statement.set_off_minor, statement.closing_minor) == (450_000, -50_000, 400_000)
    assert ledger_holds()


@pytest.mark.parametrize("state", ["OBJECTED", "STOPPED"])
def test_what_is_objected_to_or_stopped_is_not_taken_off(trade: Trade, state: str) -> None:
    leg = second_leg(trade, 400_000, at=IN_NOVEMBER)
    recovery = borne(trade, leg, 50_000)
    rows("UPDATE settlement_recovery SET state = %s, version = version + 1 WHERE id = %s", [state, recovery.pk])
    assert taken_off() == 0


def test_nothing_is_taken_off_while_the_pharmacy_may_object(trade: Trade) -> None:
    leg = second_leg(trade, 400_000, at=IN_NOVEMBER)
    borne(trade, leg, 50_000, objects_until=15)
    assert taken_off() == 0
    assert leg_now(leg) == ("DUE", 0)
