"""What whoever pays for goods has to know of orders and hand-overs. With the sight of the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db.models import Sum

from pharmacies.models import GoodsReturn, HandOver, Order, OrderLine, PickUpCode
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


def boxes_of(*, handover: HandOver) -> list[tuple[OrderLine, int]]:
    """Each line of which something is handed over, and how many boxes of it, in the order of the lines."""
    counts: dict[UUID, int] = defaultdict(int)
    lines = {}
    for box in handover.boxes.select_related("line__drug").order_by("line__line_no", "pk"):
        lines[box.line_id] = box.line
        counts[box.line_id] += box.quantity
    return [(line, counts[key]) for key, line in lines.items()]


def returns_waiting(*, order_id: UUID) -> list[GoodsReturn]:
    """Returns that wait for a payer to be undone."""
    rows = GoodsReturn.objects.select_related("handover").filter(handover__order_id=order_id, ended_at__isnull=True)
    return list(rows.exclude(waits_for="").order_by("pk"))


def open_minor(*, order: Order) -> int:
    """What is still to be handed over of the order, at its prices; minor units."""
    return sum((line.ordered - line.handed - line.given_up) * line.unit_price_minor for line in order.lines.all())


def handed_minor(*, order: Order) -> int:
    """What was handed over and neither undone nor returned, at the order's prices; minor units."""
    done = HandOver.objects.filter(order=order, outcome=HandOverState.DONE)
    return done.aggregate(minor=Sum("amount_minor"))["minor"] or 0


def code_live(*, order_id: UUID) -> PickUpCode | None:
    return PickUpCode.objects.filter(order_id=order_id, outcome=CodeState.ACTIVE).first()
