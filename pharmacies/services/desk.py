"""What every act on an order shares: lock, check, signed move, and the word to whoever follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django_fsm import TransitionNotAllowed

from claims.services.desk import claim_lock
from core.errors import Conflict, NotFound
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from journal.selectors import platform_lane
from journal.services import JobDraft, jobs_ensure
from pharmacies.models import HandOver, Order
from pharmacies.services.basic import MOVED
from pharmacies.states import HandOverState

WRITTEN = (
    *("state", "organisation", "shop", "handing", "round", "offered_at", "answer_by", "accepted_at", "fetch_by"),
    *("total_minor", "currency", "asks_farther_metres", "trace_id"),
)


class OrderMoved(Conflict):
    code = "order_moved"
    title = "The order has moved on"
    detail = "Order {order_no} was changed since you opened it (version {seen}, now {current})."
    detail_zh = "订单 {order_no} 在您打开后已变更（您看到的版本 {seen}，当前版本 {current}）。"
    fix = "Open the order again, look at what changed, and act then."
    fix_zh = "请重新打开该订单，查看变更后再操作。"


class OrderStateRefuses(Conflict):
    code = "order_state_refuses"
    title = "Not possible with this order now"
    detail = "Order {order_no} is {state}: {act} is not possible."
    detail_zh = "订单 {order_no} 当前状态为 {state}，不能执行 {act}。"
    fix = "Look at the order as it is now; what can be done is offered there."
    fix_zh = "请查看订单当前状态，可执行的操作均已列出。"


class HandOverPending(Conflict):
    code = "handover_pending"
    title = "A hand-over is under way"
    detail = "Order {order_no} is at the counter: its hand-over {number} has neither been done nor given up."
    detail_zh = "订单 {order_no} 正在柜台交付：第 {number} 次交付尚未完成或放弃。"
    fix = "Wait for it to end, or give it up at the counter."
    fix_zh = "请等待其结束，或在柜台放弃该次交付。"


@contextmanager
def order_locked(*, order_id: UUID, version: int | None = None) -> Iterator[Order]:
    """One commit with the claim and then its order locked. Whoever cannot see the order does not come in; inside, all
    is seen. Raises NotFound, OrderMoved."""
    with transaction.atomic():
        claim_id = Order.objects.filter(pk=order_id).values_list("claim_id", flat=True).first()
        if claim_id is None:
            raise NotFound(noun="order", noun_zh="订单", key=order_id)
        with seen_by(EVERYTHING):
            claim_lock(claim_id=claim_id)
            order = Order.objects.select_for_update().get(pk=order_id)
            if version is not None and order.version != version:
                raise OrderMoved(order_no=order.order_no, seen=version, current=order.version)
            yield order


def order_move(
    order: Order, step: Callable[[], None], *, act: str, by: str, now: datetime, trace_id: str, reason: str = ""
) -> None:
    """One transition of the locked order, written with whatever was set before. Raises OrderStateRefuses."""
    try:
        step()
    except TransitionNotAllowed:
        raise order_refuses(order, act) from None
    order_write(order, by=by, now=now, trace_id=trace_id, reason=reason)


def order_write(order: Order, *, by: str, now: datetime, trace_id: str, reason: str = "") -> None:
    """The locked order's fields, without a move; its version counts up all the same."""
    order.trace_id = trace_id
    order.moved(now=now, by=by, reason=reason)
    write_many([order], fields=WRITTEN)


def order_refuses(order: Order, act: str) -> OrderStateRefuses:
    return OrderStateRefuses(order_no=order.order_no, state=order.state, act=act)


def state_check(order: Order, *states: str, act: str) -> None:
    """Raises OrderStateRefuses."""
    if order.state not in states:
        raise order_refuses(order, act)


def pending_check(order: Order) -> None:
    """Raises HandOverPending while a hand-over has not ended."""
    pending = HandOver.objects.filter(order=order, outcome=HandOverState.PENDING).first()
    if pending is not None:
        raise HandOverPending(order_no=order.order_no, number=pending.number)


def orders_tell(orders: Sequence[Order], *, now: datetime) -> None:
    """Whoever follows the orders' money looks at them: a job each, in the same commit."""
    lane_id = platform_lane()
    drafts = [
        JobDraft(
            kind=MOVED,
            lane_id=lane_id,
            organisation_id=order.organisation_id,
            subject_id=order.pk,
            run_at=now,
            trace_id=order.trace_id,
        )
        for order in orders
    ]
    jobs_ensure(drafts=drafts, now=now)
