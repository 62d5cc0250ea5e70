"""Goods and money move together: no box without a held advance, no payment twice, nothing kept for nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from claims.models import Claim
from claims.services.desk import ClaimStateRefuses
from claims.services.facts import claim_basic_fact
from core.errors import Problem
from core.row_security import EVERYTHING
from ledger.services import prove
from pharmacies.models import Order
from pharmacies.services.codes import CodeMissing
from pharmacies.services.orders import orders_expire
from settlement.models import Advance, AdvanceWaiting
from settlement.selectors.conservation import conservation
from settlement.services.advances import CreditLineFull
from settlement.services.contracts import pharmacy_exposure_set
from settlement.services.follow import order_follow
from settlement.services.process import goods_hand_over, order_give_up, order_take
from settlement.states import AdvanceState, LegKind, LegState
from tests.claims.house import (
    BASIC,
    OTHER,
    PAYABLE,
    approving,
    approving_part,
    decided,
    declining,
    filed,
    in_confirmation,
    reopened,
    withdrawn,
)
from tests.claims.test_races import at_once, problems
from tests.pharmacies.house import PRICE_MINOR, box, fresh, record, shelf_of, shown, stocked
from tests.registry.house import NOW
from tests.settlement.house import DESK, TRACE, balances, line_of, signed
from tests.settlement.market import (
    SHOP,
    Market,
    advance_of,
    follow,
    handed,
    held_open,
    legs_of,
    make_market,
    order_of,
    recommended,
    refused_by_shop,
    reserved,
    taken,
)

pytestmark = pytest.mark.django_db
A = AdvanceState
OWN = 2 * PRICE_MINOR - PAYABLE - BASIC - OTHER


@pytest.fixture
def market(db: None) -> Market:
    return make_market(confirmation_mode="AFTER")


@pytest.fixture
def strict(db: None) -> Market:
    """The insurer confirms before anything is handed over."""
    return make_market(confirmation_mode="BEFORE_HANDOVER")


def sound() -> None:
    proof = conservation(organisations=EVERYTHING)
    assert proof.holds, [check for check in proof.proof.checks if not check.holds] if proof.proof else proof
    assert prove().holds


def waiting(claim: Claim) -> str | None:
    return AdvanceWaiting.objects.filter(pk=claim.pk, closed_at__isnull=True).values_list("reason", flat=True).first()


def test_a_recommended_claim_has_its_money_held_and_a_shop_asked(market: Market) -> None:
    claim = recommended(market)
    assert (order_of(claim).state, order_of(claim).shop_id) == ("OFFERED", market.town.near.pk)
    assert held_open() == [("HOLD", PAYABLE)]
    follow(claim)
    assert (Order.objects.count(), Advance.objects.count()) == (1, 1)


def test_taken_it_is_held_on_the_chain_too_and_the_code_opens(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    assert (order.state, order.codes.get().usable) == ("READY", True)
    assert held_open() == [("COUNTER_HOLD", PAYABLE), ("HOLD", PAYABLE)]
    assert advance_of(claim).pharmacy_id == market.chain.pk


def test_handed_over_it_is_drawn_and_owed_to_the_chain(market: Market) -> None:
    claim = recommended(market)
    handover = handed(taken(claim))
    assert (handover.outcome, fresh(handover.order).state) == ("DONE", "HANDED_OVER")
    assert (advance_of(claim).state, advance_of(claim).unconfirmed_minor) == (A.DRAWN, PAYABLE)
    (leg,) = legs_of(claim, LegKind.SECOND)
    assert (leg.organisation_id, leg.amount_minor, leg.state) == (market.chain.pk, PAYABLE, LegState.DUE)
    (own,) = legs_of(claim, LegKind.OWN_SHARE)
    assert (own.amount_minor, own.state) == (OWN, LegState.PAID)
    assert (held_open(), reserved(), shelf_of(market.town.near)) == ([], 0, (0, 0, 0))
    sound()


def test_the_same_hand_over_again_moves_nothing(market: Market) -> None:
    claim = recommended(market)
    order, draft = taken(claim), record(box(1))
    first = handed(order, draft)
    again = handed_again(order, draft)
    assert (again.pk, advance_of(claim).drawn_minor) == (first.pk, PAYABLE // 2)


def handed_again(order: Order, draft: Any) -> Any:
    return goods_hand_over(order_id=order.pk, version=1, draft=draft, by=SHOP, now=NOW, trace_id=TRACE)


def test_before_the_insurer_confirms_no_code_opens(strict: Market) -> None:
    claim = recommended(strict)
    order = taken(claim)
    assert order.codes.get().usable is False
    with pytest.raises(CodeMissing):
        handed_unusable(order)
    claim = decided(claim, approving())
    follow(claim)
    assert order.codes.get().usable is True
    handed(order)
    advance = advance_of(claim)
    assert (advance.unconfirmed_minor, advance.receivable_minor) == (0, PAYABLE)
    (leg,) = legs_of(claim, LegKind.FIRST)
    assert leg.amount_minor == PAYABLE
    assert balances("counter_exposure") == {}
    sound()


def handed_unusable(order: Order) -> None:
    goods_hand_over(order_id=order.pk, version=fresh(order).version, draft=record(), by=SHOP, now=NOW, trace_id=TRACE)


def test_confirmed_in_part_before_the_hand_over_less_is_held_and_drawn(strict: Market) -> None:
    claim = recommended(strict)
    order = taken(claim)
    claim = decided(claim, approving_part(150_000))
    follow(claim)
    assert held_open() == [("COUNTER_HOLD", 150_000), ("HOLD", 150_000)]
    handed(order)
    assert advance_of(claim).receivable_minor == 150_000
    (own,) = legs_of(claim, LegKind.OWN_SHARE)
    assert own.amount_minor == OWN + PAYABLE - 150_000


@pytest.mark.parametrize("end", ["declined", "withdrawn"])
def test_a_claim_that_ends_before_the_hand_over_leaves_nothing_held(market: Market, end: str) -> None:
    claim = recommended(market)
    order = taken(claim)
    claim = decided(claim, declining()) if end == "declined" else withdrawn(claim)
    with pytest.raises(Problem):
        handed(order)
    follow(claim)
    assert (fresh(order).state, advance_of(claim).state) == ("CANCELLED", A.RELEASED)
    assert (held_open(), reserved()) == ([], 0)
    sound()


def test_no_goods_leave_for_a_claim_that_was_declined_meanwhile(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    decided(claim, declining())
    with pytest.raises(ClaimStateRefuses):
        handed(order)
    assert (advance_of(claim).drawn_minor, shelf_of(market.town.near)) == (0, (2, 2, 0))


def test_without_room_the_order_stays_with_its_offer_and_the_stock_free(market: Market) -> None:
    claim = recommended(market)
    pharmacy_exposure_set(organisation_id=market.chain.pk, amount_minor=1, reason="lowered", by=DESK, now=NOW)
    order = order_of(claim)
    with pytest.raises(CreditLineFull):
        order_take(order_id=order.pk, version=order.version, materials_seen=True, by=SHOP, now=NOW, trace_id=TRACE)
    assert (fresh(order).state, reserved(), held_open()) == ("OFFERED", 0, [("HOLD", PAYABLE)])


def test_what_cannot_be_held_waits_with_its_reason_and_goes_on(market: Market) -> None:
    line_of(market.desk, 1)
    claim = recommended(market)
    assert (waiting(claim), Order.objects.count()) == ("credit_line_full", 0)
    line_of(market.desk, PAYABLE)
    follow(claim)
    assert (waiting(claim), order_of(claim).state) == (None, "OFFERED")


def test_without_a_mandate_no_shop_is_asked(market: Market) -> None:
    claim = in_confirmation(market.desk.shelf)
    follow(claim)
    assert (waiting(claim), Order.objects.count()) == ("mandate_missing", 0)
    signed(claim)
    follow(claim)
    assert (waiting(claim), Order.objects.count()) == (None, 1)


def test_without_a_shop_it_waits(db: None) -> None:
    market = make_market(boxes=0, confirmation_mode="AFTER")
    claim = recommended(market)
    assert (waiting(claim), Order.objects.count()) == ("no_shop", 0)
    stocked(market.town.far)
    follow(claim)
    assert (waiting(claim), order_of(claim).shop_id) == (None, market.town.far.pk)


def test_refused_by_one_shop_its_chains_room_is_free_and_the_next_is_asked(market: Market) -> None:
    claim = recommended(market)
    order = refused_by_shop(taken(claim))
    assert (order.state, order.shop_id) == ("OFFERED", market.town.far.pk)
    assert (held_open(), reserved()) == ([("HOLD", PAYABLE)], 0)
    order = refused_by_shop(order)
    assert (order.state, waiting(claim)) == ("REFUSED", "no_shop")
    sound()


def test_not_fetched_nothing_is_kept(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    assert order.fetch_by is not None
    late = order.fetch_by
    assert orders_expire(now=late, limit=10) == 1
    order_follow(order_id=order.pk, now=late, trace_id=TRACE)
    assert (fresh(order).state, advance_of(claim).state) == ("EXPIRED", A.RELEASED)
    assert (held_open(), reserved()) == ([], 0)
    sound()


def test_at_the_edge_of_the_code_the_money_is_still_held(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    assert order.fetch_by is not None
    last = order.fetch_by - timedelta(seconds=1)
    assert advance_of(claim).held_until > last
    shown(order, now=last)
    handed(order, now=last)
    assert advance_of(claim).drawn_minor == PAYABLE


def test_a_part_is_drawn_for_a_part_and_the_last_takes_the_rest(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    handed(order, record(box(1)))
    assert (advance_of(claim).drawn_minor, held_open()) == (
        PAYABLE // 2,
        [("COUNTER_HOLD", PAYABLE // 2), ("HOLD", PAYABLE // 2)],
    )
    assert fresh(order).state == "READY"
    handed(order, record(box(1)))
    assert (advance_of(claim).drawn_minor, held_open(), fresh(order).state) == (PAYABLE, [], "HANDED_OVER")
    assert sum(leg.amount_minor for leg in legs_of(claim, LegKind.OWN_SHARE)) == OWN
    sound()


def test_a_rest_that_is_given_up_is_held_no_more(market: Market) -> None:
    claim = recommended(market)
    handed(taken(claim), record(box(1), give_up_rest=True))
    assert (advance_of(claim).drawn_minor, held_open(), reserved()) == (PAYABLE // 2, [], 0)


def test_a_rest_given_up_later_is_held_no_more(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    handed(order, record(box(1)))
    order_give_up(order_id=order.pk, reason="patient", by=SHOP, now=NOW, trace_id=TRACE)
    assert (fresh(order).state, held_open(), reserved()) == ("HANDED_OVER", [], 0)
    follow(decided(claim, approving()))
    assert advance_of(claim).receivable_minor == PAYABLE // 2
    sound()


def test_basic_insurance_pays_more_than_was_thought_and_less_is_drawn(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    claim = claim_basic_fact(claim_id=claim.pk, basic_minor=BASIC + 100_000, by=DESK, now=NOW, trace_id=TRACE)
    less = claim.payable_minor
    assert less < PAYABLE
    handed(order)
    assert (advance_of(claim).drawn_minor, held_open()) == (less, [])
    sound()


def test_basic_insurance_pays_less_and_nobody_is_bound_to_more(market: Market) -> None:
    claim = recommended(market)
    order = taken(claim)
    claim_basic_fact(claim_id=claim.pk, basic_minor=0, by=DESK, now=NOW, trace_id=TRACE)
    handed(order)
    assert advance_of(claim).drawn_minor == PAYABLE


def test_reopened_and_declined_after_the_hand_over_then_won(market: Market) -> None:
    claim = recommended(market)
    handed(taken(claim))
    claim = decided(claim, approving())
    follow(claim)
    claim = decided(reopened(claim), declining(reason_code="wrong_lot"))
    follow(claim)
    assert advance_of(claim).state == A.IN_RECOVERY
    claim = decided(reopened(claim), approving())
    follow(claim)
    assert (advance_of(claim).state, advance_of(claim).receivable_minor) == (A.DRAWN, PAYABLE)
    sound()


def test_who_has_paid_himself_is_paid_on_the_confirmation(db: None) -> None:
    market = make_market(confirmation_mode="REIMBURSE")
    claim = recommended(market)
    assert (Order.objects.count(), Advance.objects.count()) == (0, 0)
    claim = decided(claim, approving_part(150_000))
    follow(claim)
    follow(claim)
    (leg,) = legs_of(claim, LegKind.THIRD)
    assert (leg.person_id, leg.amount_minor, leg.state) == (claim.person_id, 150_000, LegState.DUE)
    assert (advance_of(claim).receivable_minor, balances()["payable:patients"]) == (150_000, 150_000)
    assert balances("counter_exposure") == {}
    sound()


def test_a_cash_advance_within_its_limit_is_paid_before_the_confirmation(db: None) -> None:
    market = make_market({"cash_advance_limit_minor": PAYABLE}, confirmation_mode="REIMBURSE")
    claim = recommended(market)
    (leg,) = legs_of(claim, LegKind.THIRD)
    assert (leg.amount_minor, advance_of(claim).unconfirmed_minor) == (PAYABLE, PAYABLE)
    follow(decided(claim, declining(reason_code="false_papers")))
    assert advance_of(claim).recoveries.get().bearer == "PATIENT"
    assert len(legs_of(claim, LegKind.THIRD)) == 1
    sound()


def test_two_orders_for_the_last_of_a_chains_exposure_one_is_taken(transactional_db: None) -> None:
    market = make_market(boxes=4, confirmation_mode="AFTER")
    pharmacy_exposure_set(organisation_id=market.chain.pk, amount_minor=PAYABLE, reason="last", by=DESK, now=NOW)
    orders = [order_of(recommended(market)) for _ in range(2)]

    def take(order: Order) -> Any:
        return order_take(
            order_id=order.pk, version=order.version, materials_seen=True, by=SHOP, now=NOW, trace_id=TRACE
        )

    results = at_once(*[lambda order=order: take(order) for order in orders])
    assert problems(results) == [CreditLineFull]
    assert (reserved(), sorted(fresh(order).state for order in orders)) == (2, ["OFFERED", "READY"])


def test_a_draft_is_nobodys_money(market: Market) -> None:
    claim = filed(market.desk.shelf)
    follow(claim)
    assert (Advance.objects.count(), waiting(claim)) == (0, None)
