"""Where basic insurance comes before us: asked to settle what is handed over, or to take back what came back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pharmacies.selectors.goods import boxes_of
from pharmacies.services.basic import BasicItem, basic_ask, basic_cancel, basic_of
from pharmacies.states import BasicPurpose

if TYPE_CHECKING:
    from pharmacies.models import HandOver


def basic_first(*, handover: HandOver, now: datetime, trace_id: str) -> bool:
    """Ask basic insurance to settle these boxes, where the shop is dual-channel and the claim counts on it.

    Returns whether the hand-over waits for it; the answer comes by the job `settlement.order_moved`. Asked once.
    Raises what basic_ask raises.
    """
    order = handover.order
    if not order.shop.basic_insurance or order.claim.basic_minor == 0:
        return False
    items = [
        BasicItem(
            line_no=line.line_no,
            code=line.drug.national_code,
            name=line.drug.generic_name_zh,
            quantity=quantity,
            unit_price_minor=line.unit_price_minor,
        )
        for line, quantity in boxes_of(handover=handover)
    ]
    basic_ask(order=order, purpose=BasicPurpose.SETTLE, items=items, handover=handover, now=now, trace_id=trace_id)
    return True


def basic_back(*, handover: HandOver, now: datetime, trace_id: str) -> None:
    """Have basic insurance's settlement of the hand-over cancelled, whole; the answer comes by the same job."""
    settlement = basic_of(handover=handover)
    if settlement is not None:
        basic_cancel(settlement=settlement, now=now, trace_id=trace_id)
