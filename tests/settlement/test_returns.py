"""Goods that come back: each payer is undone in reverse order, whatever was paid meanwhile."""

from __future__ import annotations

import pytest

from settlement.models import Advance
from settlement.services.legs import LegStateRefuses
from settlement.states import AdvanceState, LegKind, LegState
from tests.claims.house import (
    PAYABLE,
    approving,
    decided,
    declining,
)
from tests.pharmacies.house import box, fresh, record, shelf_of, stocked
from tests.settlement.house import balances, payable
from tests.settlement.market import (
    Market,
    advance_of,
    follow,
    handed,
    held_open,
    legs_of,
    paid_out,
    recommended,
    sent_to_bank,
    taken,
    taken_back,
    undone,
)
from tests.settlement.test_process import market, sound, strict
from tests.settlement.test_recourse import collected

__all__ = ["market", "strict"]
pytestmark = pytest.mark.django_db
A = AdvanceState


def test_undone_on_the_counter_the_money_is_held_again(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    undone(handed(order))
    states = Advance.objects.order_by("episode").values_list("state", "returned_minor", "held_minor")
    assert list(states) == [(A.RELEASED, PAYABLE, PAYABLE), (A.HELD, 0, PAYABLE)]
    assert fresh(order).state == "READY"
    assert held_open() == [("COUNTER_HOLD", PAYABLE), ("HOLD", PAYABLE)]
    assert {leg.state for kind in (LegKind.SECOND, LegKind.OWN_SHARE) for leg in legs_of(claim, kind)} == {"REVERSED"}
    sound()
    handed(order)
    assert (advance_of(claim).unconfirmed_minor, held_open()) == (PAYABLE, [])
    assert balances()[payable(market.desk)] == PAYABLE
    sound()


def test_returned_before_the_pay_out_nobody_is_owed_anything(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    taken_back(handover)
    assert (advance_of(claim).state, balances()) == (A.RELEASED, {})
    assert (fresh(handover.order).state, shelf_of(market.town.near)) == ("RETURNED", (0, 0, 2))
    sound()


def test_returned_after_the_pay_out_the_chain_owes_it(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    (leg,) = legs_of(claim, LegKind.SECOND)
    paid_out(leg)
    taken_back(handover)
    assert (advance_of(claim).state, balances()["recovery:pharmacy"]) == (A.RELEASED, PAYABLE)
    (leg,) = legs_of(claim, LegKind.SECOND)
    assert (leg.state, leg.settled_minor) == (LegState.REVERSED, PAYABLE)
    sound()


def test_while_the_bank_may_be_paying_it_is_not_taken_back(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    sent_to_bank(legs_of(claim, LegKind.SECOND)[0])
    before = shelf_of(market.town.near)
    with pytest.raises(LegStateRefuses):
        taken_back(handover)
    assert (advance_of(claim).unconfirmed_minor, shelf_of(market.town.near)) == (PAYABLE, before)


def test_returned_after_the_confirmation_the_insurer_is_asked_for_nothing(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    follow(decided(claim, approving()))
    taken_back(handover)
    assert advance_of(claim).state == A.RELEASED
    assert {leg.state for leg in legs_of(claim, LegKind.FIRST)} == {LegState.REVERSED}
    assert balances() == {}
    sound()


def test_returned_after_the_insurer_has_paid_it_is_owed_back_to_it(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    follow(decided(claim, approving()))
    collected(advance_of(claim), PAYABLE)
    taken_back(handover)
    assert advance_of(claim).state == A.RELEASED
    assert balances() == {"cash": PAYABLE, f"payable:i{market.desk.insurer.pk}": PAYABLE}
    sound()


def test_returned_while_the_patient_was_asked_for_it_he_is_asked_no_more(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    follow(decided(claim, declining(reason_code="policy_void")))
    taken_back(handover)
    assert (advance_of(claim).state, advance_of(claim).in_recovery_minor) == (A.RELEASED, 0)
    assert advance_of(claim).recoveries.get().state == "CANCELLED"
    sound()


def test_the_other_part_stays_when_one_comes_back(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    first, second = handed(order, record(box(1))), handed(order, record(box(1)))
    taken_back(first)
    advance = advance_of(claim)
    assert (advance.returned_minor, advance.unconfirmed_minor) == (PAYABLE // 2, PAYABLE // 2)
    follow(decided(claim, approving()))
    assert advance_of(claim).receivable_minor == PAYABLE // 2
    assert second.outcome == "DONE"
    sound()


def test_one_of_two_confirmed_parts_comes_back_and_the_insurer_is_asked_for_the_other(strict: Market) -> None:
    claim = recommended(strict)
    order = taken(claim)
    follow(decided(claim, approving()))
    first, _ = handed(order, record(box(1))), handed(order, record(box(1)))
    taken_back(first)
    asked = [leg.amount_minor for leg in legs_of(claim, LegKind.FIRST) if leg.state == LegState.DUE]
    assert asked == [PAYABLE // 2]
    sound()


def test_what_came_back_may_be_handed_over_anew_as_another_advance(market: Market) -> None:
    claim = recommended(market)
    taken_back(handed(taken(claim)))
    stocked(market.town.near, 2, lot_no="LOT-B")
    follow(claim)
    order = taken(claim)
    assert (advance_of(claim).episode, advance_of(claim).state) == (2, A.HELD)
    handed(order, record(box(lot_no="LOT-B")))
    assert advance_of(claim).unconfirmed_minor == PAYABLE
    sound()
