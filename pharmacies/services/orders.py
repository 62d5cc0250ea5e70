"""A shop's answers to an order, and the order's ends: accepted, ready, refused, cancelled, expired.

Stock is reserved at acceptance and free again with every other end, in the commit of that end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from claims.services.parties import claim_pharmacy_set
from core.errors import Conflict, Problem
from core.row_security import EVERYTHING, seen_by
from pharmacies.models import HandOver, Offer, Order, OrderLine, PickUpCode
from pharmacies.services.codes import code_create, codes_void, latest_end
from pharmacies.services.desk import (
    order_locked,
    order_move,
    order_refuses,
    orders_tell,
    pending_check,
    state_check,
)
from pharmacies.services.dispatch import offer_on
from pharmacies.services.shelves import order_free, order_reserve
from pharmacies.states import CodeState, HandOverState, OrderState, RefusalReason
from registry.selectors.shops import shop_prices

O = OrderState  # noqa: E741
NOTE_CHARACTERS: Final = 200


class AnswerTooLate(Conflict):
    code = "answer_too_late"
    title = "The order is not this shop's any more"
    detail = "Order {order_no} was to be answered by {answer_by:%Y-%m-%d %H:%M} UTC."
    detail_zh = "订单 {order_no} 须在 {answer_by:%Y-%m-%d %H:%M}（UTC）前答复。"
    fix = "Nothing is to be done: it is offered to another shop."
    fix_zh = "无需处理：订单将转派其他门店。"


class MaterialsUnseen(Problem):
    code = "materials_unseen"
    status = 422
    title = "Look at the materials first"
    detail = "Order {order_no} is accepted once its prescription and materials have been looked at."
    detail_zh = "订单 {order_no} 须先核对处方和材料才能接单。"
    fix = "Go through the checklist and say so, or refuse as MATERIALS_UNCLEAR or PRESCRIPTION_DOUBTED."
    fix_zh = "请核对清单后确认，或以材料不清、处方存疑为由拒单。"


class ShopHasNoPrice(Conflict):
    code = "shop_has_no_price"
    title = "The shop has no price for this drug"
    detail = "{drug} has no price in this shop."
    detail_zh = "本门店没有 {drug} 的价格。"
    fix = "Have the chain set the price and its source, then accept."
    fix_zh = "请由连锁总部维护价格及来源后再接单。"


class FetchTimeOver(Conflict):
    code = "fetch_time_over"
    title = "There is no time left to fetch it"
    detail = "Order {order_no} could be fetched until {until:%Y-%m-%d %H:%M} UTC at the latest: {why}."
    detail_zh = "订单 {order_no} 最晚可取至 {until:%Y-%m-%d %H:%M}（UTC），原因：{why}。"
    fix = "A new prescription or policy is needed before it can be made ready."
    fix_zh = "须先更新处方或保单。"


class RefusalUnclear(Problem):
    code = "refusal_unclear"
    status = 422
    title = "Why is it refused?"
    detail = "{reason} is no reason of ours, or the note is longer than {most} characters."
    detail_zh = "{reason} 不是有效的拒单原因，或备注超过 {most} 个字符。"
    fix = "Choose one of the reasons; the note is optional."
    fix_zh = "请选择列表中的原因；备注可不填。"


def order_accept(*, order_id: UUID, version: int, materials_seen: bool, by: str, now: datetime, trace_id: str) -> Order:
    """The shop takes it: stock is reserved first to expire first, the price is the shop's of this moment.

    Raises NotFound, OrderMoved, OrderStateRefuses, AnswerTooLate, MaterialsUnseen, ShopHasNoPrice, StockGone.
    """
    with order_locked(order_id=order_id, version=version) as order:
        state_check(order, O.OFFERED, act="order.accept")
        if now >= order.answer_by:
            raise AnswerTooLate(order_no=order.order_no, answer_by=order.answer_by)
        if not materials_seen:
            raise MaterialsUnseen(order_no=order.order_no)
        lines = list(order.lines.order_by("line_no"))
        order.total_minor = _priced(order, lines)
        order_reserve(order, lines, days_left=order.claim.days_of_supply, by=by, now=now)
        order.accepted_at = now
        order_move(order, order.accept, act="order.accept", by=by, now=now, trace_id=trace_id, reason="materials_seen")
        _offer_ends(order, O.ACCEPTED, by=by, now=now)
    return order


def order_ready(
    *, order_id: UUID, usable: bool, fetch_by: datetime, by: str, now: datetime, trace_id: str
) -> PickUpCode:
    """Money is held: the patient gets his code, which ends at `fetch_by` or before with prescription, authorisation,
    policy or stock. Again it is the same code. Raises NotFound, OrderStateRefuses, FetchTimeOver."""
    with order_locked(order_id=order_id) as order:
        live = order.codes.filter(outcome=CodeState.ACTIVE).first()
        if order.state == O.READY and live is not None:
            return live
        state_check(order, O.ACCEPTED, act="order.ready")
        last, why = latest_end(order=order)
        order.fetch_by = min(fetch_by, last)
        if order.fetch_by <= now:
            raise FetchTimeOver(order_no=order.order_no, until=order.fetch_by, why=why)
        order_move(order, order.make_ready, act="order.ready", by=by, now=now, trace_id=trace_id)
        return code_create(order=order, usable=usable, now=now)


def order_refuse(
    *, order_id: UUID, version: int, reason: RefusalReason, note: str = "", by: str, now: datetime, trace_id: str
) -> Order:
    """The shop does not hand it over; the order is offered on in the same commit, or stays REFUSED when nobody is left.

    Raises NotFound, OrderMoved, OrderStateRefuses, HandOverPending, RefusalUnclear.
    """
    if reason not in RefusalReason.values or len(note) > NOTE_CHARACTERS:
        raise RefusalUnclear(reason=str(reason)[:40], most=NOTE_CHARACTERS)
    with order_locked(order_id=order_id, version=version) as order:
        _partly_handed_check(order, act="order.refuse")
        _given_back(order, by=by, now=now)
        order_move(order, order.refuse, act="order.refuse", by=by, now=now, trace_id=trace_id, reason=reason)
        _offer_ends(order, O.REFUSED, by=by, now=now, reason=reason, note=note)
        orders_tell([order], now=now)
        offer_on(order, by=by, now=now, trace_id=trace_id)
    return order


def order_cancel(*, order_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Order:
    """Nothing more will be handed over. One that was handed over in part keeps that part and gives up the rest.

    Again changes nothing. Raises NotFound, OrderStateRefuses, HandOverPending.
    """
    with order_locked(order_id=order_id) as order:
        if order.state == O.CANCELLED:
            return order
        if _anything_handed(order):
            state_check(order, O.READY, act="order.cancel")
            order_rest_give_up(order, reason=reason, by=by, now=now, trace_id=trace_id)
            return order
        _given_back(order, by=by, now=now)
        order_move(order, order.cancel, act="order.cancel", by=by, now=now, trace_id=trace_id, reason=reason)
        _offer_ends(order, O.CANCELLED, by=by, now=now)
        claim_pharmacy_set(claim_id=order.claim_id, organisation_id=None, now=now)
        orders_tell([order], now=now)
    return order


@transaction.atomic
def orders_expire(*, now: datetime, limit: int) -> int:
    """Offers without an answer and boxes that nobody fetched end, and are offered on where somebody is left.

    Chore; returns how many orders ended. At its very end an offer or a code is over.
    """
    with seen_by(EVERYTHING):
        unanswered = Order.objects.filter(state=O.OFFERED, answer_by__lte=now).order_by("answer_by")
        unfetched = Order.objects.filter(state=O.READY, fetch_by__lte=now).order_by("fetch_by")
        due = [*unanswered.values_list("pk", flat=True)[:limit], *unfetched.values_list("pk", flat=True)[:limit]]
        return sum(_expire(order_id, now) for order_id in due[:limit])


def order_rest_give_up(order: Order, *, reason: str, by: str, now: datetime, trace_id: str) -> None:
    """The locked order, handed over in part: its open rest never will be."""
    pending_check(order)
    order_free(order, by=by, now=now)
    codes_void(order=order, now=now)
    lines_give_up(order)
    order_move(order, order.hand_over, act="order.give_up", by=by, now=now, trace_id=trace_id, reason=reason)
    orders_tell([order], now=now)


def lines_give_up(order: Order) -> None:
    for line in order.lines.all():
        line.given_up = line.ordered - line.handed
        line.save(update_fields=["given_up"])


def _expire(order_id: UUID, now: datetime) -> bool:
    by, trace_id = "sweeper", ""
    with order_locked(order_id=order_id) as order:
        over = order.answer_by if order.state == O.OFFERED else order.fetch_by
        if order.state not in (O.OFFERED, O.READY) or over is None or over > now or _pending(order):
            return False
        trace_id = order.trace_id
        if _anything_handed(order):
            order_rest_give_up(order, reason="not_fetched", by=by, now=now, trace_id=trace_id)
            return True
        why = "no_answer" if order.state == O.OFFERED else "not_fetched"
        _given_back(order, by=by, now=now)
        order_move(order, order.expire, act="order.expire", by=by, now=now, trace_id=trace_id, reason=why)
        _offer_ends(order, O.EXPIRED, by=by, now=now)
        orders_tell([order], now=now)
        if why == "no_answer":
            offer_on(order, by=by, now=now, trace_id=trace_id)
        return True


def _priced(order: Order, lines: list[OrderLine]) -> int:
    prices = shop_prices(shop_ids=[order.shop_id], drug_codes={line.drug_id for line in lines})
    for line in lines:
        price = prices.get((order.shop_id, line.drug_id))
        if price is None:
            raise ShopHasNoPrice(drug=line.drug_id)
        line.unit_price_minor, line.price_source = price.price_minor, price.price_source
        line.save(update_fields=["unit_price_minor", "price_source"])
    return sum(line.ordered * line.unit_price_minor for line in lines)


def _given_back(order: Order, *, by: str, now: datetime) -> None:
    """Whatever was kept for the order in this shop: stock and code."""
    pending_check(order)
    order_free(order, by=by, now=now)
    codes_void(order=order, now=now)


def _offer_ends(order: Order, outcome: str, *, by: str, now: datetime, reason: str = "", note: str = "") -> None:
    """What the shop asked last said, written once; an accepted offer that is given back later keeps its first word."""
    Offer.objects.filter(order=order, round=order.round, outcome="").update(
        outcome=outcome, reason=reason, note=note, ended_at=now, ended_by=by
    )


def _anything_handed(order: Order) -> bool:
    return order.lines.filter(handed__gt=0).exists()


def _partly_handed_check(order: Order, act: str) -> None:
    if _anything_handed(order):
        raise order_refuses(order, act)


def _pending(order: Order) -> bool:
    return HandOver.objects.filter(order=order, outcome=HandOverState.PENDING).exists()
