"""What whoever pays for goods has to know of orders and hand-overs. With the sight of the caller's transaction."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Sum

from pharmacies.models import GoodsReturn, HandOver, Order, PickUpCode
from pharmacies.states import CodeState, HandOverState, OrderState


def order_by_id(*, order_id: UUID) -> Order | None:
    """The order with its shop and claim."""
    return Order.objects.select_related("shop", "claim").filter(pk=order_id).first()


def order_running(*, claim_id: UUID) -> Order | None:
    """The claim's order that has neither been cancelled nor come back whole."""
    over = (OrderState.CANCELLED, OrderState.RETURNED)
    return Order.objects.select_related("shop").filter(claim_id=claim_id).exclude(state__in=over).first()


def handover_by_id(*, handover_id: UUID) -> HandOver | None:
    """The hand-over with its order."""
    return HandOver.objects.select_related("order", "order__shop").filter(pk=handover_id).first()


def goods_return_by_id(*, return_id: UUID) -> GoodsReturn | None:
    return GoodsReturn.objects.select_related("handover", "handover__order").filter(pk=return_id).first()


def handovers_pending(*, order_id: UUID) -> list[HandOver]:
    return list(HandOver.objects.filter(order_id=order_id, outcome=HandOverState.PENDING))


def open_minor(*, order: Order) -> int:
    """What is still to be handed over of the order, at its prices; minor units."""
    return sum((line.ordered - line.handed - line.given_up) * line.unit_price_minor for line in order.lines.all())


def handed_minor(*, order: Order) -> int:
    """What was handed over and neither undone nor returned, at the order's prices; minor units."""
    done = HandOver.objects.filter(order=order, outcome=HandOverState.DONE)
    return done.aggregate(minor=Sum("amount_minor"))["minor"] or 0


def code_live(*, order_id: UUID) -> PickUpCode | None:
    return PickUpCode.objects.filter(order_id=order_id, outcome=CodeState.ACTIVE).first()
