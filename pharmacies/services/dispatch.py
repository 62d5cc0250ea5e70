"""An order looks for its shop: offered to the best one, refused with a reason, offered on, until nobody is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count

from accounts.selectors import organisation_time_zone
from claims.services.desk import claim_lock
from claims.services.facts import AT_THE_COUNTER
from claims.services.parties import claim_pharmacy_set
from core.clock import local_day
from core.errors import Conflict
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from pharmacies.models import Entry, Offer, Order, OrderLine
from pharmacies.ranking import Candidate, Choice, Wished, answer_by, best_shop
from pharmacies.selectors.stock import free_units
from pharmacies.services.desk import order_locked, order_move, order_write, orders_tell, state_check
from pharmacies.services.wishes import Place, wish_go_farther, wished_of
from pharmacies.states import OPEN, EntryState, Handing, OrderState
from registry.selectors.shops import distance_metres, shop_prices, shops_open_on
from registry.states import ConfirmationMode

if TYPE_CHECKING:
    from claims.models import Claim
    from registry.models import Shop

O = OrderState  # noqa: E741


class NoShop(Conflict):
    code = "no_shop"
    title = "No pharmacy can take this order now"
    detail = "Claim {claim_no}: no live pharmacy has all of it in stock, in time and with what the drug needs."
    detail_zh = "理赔申请 {claim_no}：目前没有符合条件且库存齐全的药房。"
    fix = "Wait for stock, or let the patient choose other pharmacies; the order is tried again when that changes."
    fix_zh = "请等待补货，或由患者另选药房；情况变化后将自动重试。"


class ShopsTooFar(NoShop):
    code = "shops_too_far"
    title = "The next pharmacy is farther than the patient wished"
    detail = "Claim {claim_no}: the nearest pharmacy that has it is {metres} metres away."
    detail_zh = "理赔申请 {claim_no}：最近的有货药房距离 {metres} 米，超出患者意愿范围。"
    fix = "Ask the patient whether that is not too far."
    fix_zh = "请先征得患者同意。"


class ClaimHasNoOrder(Conflict):
    code = "claim_has_no_order"
    title = "Nothing is to be handed over for this claim"
    detail = "Claim {claim_no} is {state}, {mode}: no order is made for it."
    detail_zh = "理赔申请 {claim_no} 当前为 {state}、{mode}，不能生成订单。"
    fix = "Look at the claim: it has to be recommended, and not a reimbursement."
    fix_zh = "请查看该申请：须已通过预审，且不是报销模式。"


class NotAsked(Conflict):
    code = "farther_not_asked"
    title = "Nobody asked that"
    detail = "Order {order_no} does not wait for the patient's word on a pharmacy farther away."
    detail_zh = "订单 {order_no} 并未等待患者确认更远的药房。"
    fix = "Look at the order as it is now."
    fix_zh = "请查看订单当前状态。"


@transaction.atomic
def order_open(*, claim_id: UUID, handing: Handing, by: str, now: datetime, trace_id: str) -> Order:
    """Offer what a recommended claim asks for to the best shop; one that runs already is returned instead.

    Raises NotFound, ClaimHasNoOrder, NoShop, ShopsTooFar.
    """
    with seen_by(EVERYTHING):
        claim = claim_lock(claim_id=claim_id)
        running = Order.objects.exclude(state__in=(O.CANCELLED, O.RETURNED)).filter(claim_id=claim_id).first()
        if running is not None:
            return running
        if claim.state not in AT_THE_COUNTER or claim.confirmation_mode == ConfirmationMode.REIMBURSE:
            raise ClaimHasNoOrder(claim_no=claim.claim_no, state=claim.state, mode=claim.confirmation_mode)
        choice, shops = _choose(claim, handing, asked=(), now=now)
        if choice.shop is None:
            if choice.farther_metres is not None:
                raise ShopsTooFar(claim_no=claim.claim_no, metres=choice.farther_metres)
            raise NoShop(claim_no=claim.claim_no)
        order = _stored(claim, shops[choice.shop.shop_id], handing, by=by, now=now, trace_id=trace_id)
        _offered(order, choice.shop, now=now)
    return order


def order_offer_on(*, order_id: UUID, by: str, now: datetime, trace_id: str) -> Order:
    """Offer a refused or expired order to the next shop. Raises NotFound, OrderStateRefuses, NoShop, ShopsTooFar."""
    with order_locked(order_id=order_id) as order:
        state_check(order, O.REFUSED, O.EXPIRED, act="order.offer_on")
        if not offer_on(order, by=by, now=now, trace_id=trace_id):
            claim_no = order.claim.claim_no
            if order.asks_farther_metres is not None:
                raise ShopsTooFar(claim_no=claim_no, metres=order.asks_farther_metres)
            raise NoShop(claim_no=claim_no)
    return order


def order_go_farther(*, order_id: UUID, by: str, now: datetime, trace_id: str) -> Order:
    """The patient agrees to the pharmacy that is farther away. Raises NotFound, NotAsked, NoShop, ShopsTooFar."""
    with order_locked(order_id=order_id) as order:
        if order.asks_farther_metres is None or order.state not in (O.REFUSED, O.EXPIRED):
            raise NotAsked(order_no=order.order_no)
        wish_go_farther(claim_id=order.claim_id, metres=order.asks_farther_metres, by=by, now=now)
        return order_offer_on(order_id=order_id, by=by, now=now, trace_id=trace_id)


def offer_on(order: Order, *, by: str, now: datetime, trace_id: str) -> bool:
    """The locked order, refused or expired, to its next shop. False: nobody is left, or the patient is asked first."""
    asked = list(order.offers.values_list("shop_id", flat=True))
    choice, shops = _choose(order.claim, Handing(order.handing), asked=asked, now=now)
    order.asks_farther_metres = choice.farther_metres
    if choice.shop is None:
        order_write(order, by=by, now=now, trace_id=trace_id, reason=order.state_reason)
        claim_pharmacy_set(claim_id=order.claim_id, organisation_id=None, now=now)
        return False
    shop = shops[choice.shop.shop_id]
    order.shop, order.organisation_id, order.round = shop, shop.organisation_id, order.round + 1
    order.offered_at, order.answer_by = now, _answer_by(shop, now)
    order.accepted_at = order.fetch_by = None
    order_move(order, order.offer_on, act="order.offer_on", by=by, now=now, trace_id=trace_id)
    _offered(order, choice.shop, now=now)
    orders_tell([order], now=now)
    return True


def _choose(claim: Claim, handing: Handing, *, asked: Sequence[UUID], now: datetime) -> tuple[Choice, dict[UUID, Shop]]:
    wished, place = wished_of(claim_id=claim.pk)
    shops = _fitting(claim, handing, now)
    candidates = _candidates(claim, list(shops.values()), place, now)
    dual = claim.basic_minor > 0
    return best_shop(candidates, wished=_reach(wished, place), asked=asked, needs_dual_channel=dual), shops


def _reach(wished: Wished, place: Place | None) -> Wished:
    if place is not None:
        return wished
    return Wished(shop_ids=wished.shop_ids, only_these=wished.only_these)


def _fitting(claim: Claim, handing: Handing, now: datetime) -> dict[UUID, Shop]:
    """Live shops, of live chains, with what the drug and the way of handing over need."""
    drugs = [line.drug for line in claim.lines.select_related("drug")]
    cold, infusion = any(drug.cold_chain for drug in drugs), any(drug.infusion_only for drug in drugs)
    infusion = infusion or handing == Handing.INFUSION_CENTRE
    live = set(Entry.objects.filter(state=EntryState.LIVE).values_list("organisation_id", flat=True))
    return {
        shop.pk: shop
        for shop in shops_open_on(day=local_day(now))
        if {shop.organisation_id, shop.organisation.parent_id} <= live
        and (shop.cold_chain or not cold)
        and (shop.infusion or not infusion)
        and (shop.delivers or handing != Handing.COURIER)
    }


def _candidates(claim: Claim, shops: Sequence[Shop], place: Place | None, now: datetime) -> list[Candidate]:
    needed: dict[str, int] = {}
    for line in claim.lines.all():
        needed[line.drug_id] = needed.get(line.drug_id, 0) + line.quantity
    ids = [shop.pk for shop in shops]
    free = free_units(drug_codes=needed, now=now, days_left=claim.days_of_supply, shop_ids=ids)
    prices = shop_prices(shop_ids=ids, drug_codes=needed, currency=claim.currency)
    busy = Order.objects.filter(shop_id__in=ids, state__in=OPEN).values_list("shop_id").annotate(Count("pk"))
    loads = dict(busy.order_by())
    return [
        Candidate(
            shop_id=shop.pk,
            dual_channel=shop.basic_insurance,
            distance_metres=_metres(place, shop),
            orders_open=loads.get(shop.pk, 0),
            orders_at_once=shop.orders_at_once,
        )
        for shop in shops
        if all((shop.pk, drug) in prices and free.get((shop.pk, drug), 0) >= units for drug, units in needed.items())
    ]


def _metres(place: Place | None, shop: Shop) -> int | None:
    if place is None:
        return None
    return distance_metres(latitude_micro=place.latitude_micro, longitude_micro=place.longitude_micro, shop=shop)


def _stored(claim: Claim, shop: Shop, handing: Handing, *, by: str, now: datetime, trace_id: str) -> Order:
    """With the claim's prices, until the shop fixes its own."""
    order_id = uuid7(now)
    order = Order.objects.create(
        id=order_id,
        order_no=f"{claim.claim_no}-{Order.objects.filter(claim=claim).count() + 1}",
        organisation_id=shop.organisation_id,
        shop=shop,
        claim=claim,
        episode=claim.episode,
        person_id=claim.person_id,
        handing=handing,
        offered_at=now,
        answer_by=_answer_by(shop, now),
        total_minor=claim.total_minor,
        currency=claim.currency,
        created_at=now,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )
    for line in claim.lines.order_by("line_no"):
        OrderLine.objects.create(
            id=uuid7(now),
            order=order,
            line_no=line.line_no,
            drug_id=line.drug_id,
            ordered=line.quantity,
            unit_price_minor=line.unit_price_minor,
        )
    return order


def _offered(order: Order, shop: Candidate, *, now: datetime) -> None:
    Offer.objects.create(
        id=uuid7(now),
        order=order,
        shop_id=shop.shop_id,
        organisation_id=order.organisation_id,
        round=order.round,
        distance_metres=shop.distance_metres,
        offered_at=now,
    )
    claim_pharmacy_set(claim_id=order.claim_id, organisation_id=order.organisation_id, now=now)


def _answer_by(shop: Shop, now: datetime) -> datetime:
    zone = ZoneInfo(organisation_time_zone(shop.organisation_id))
    return answer_by(now=now, opens_minute=shop.opens_minute, closes_minute=shop.closes_minute, zone=zone)
