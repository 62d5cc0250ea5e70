"""Goods that come back: into quarantine, never to be sold again, once each payer was undone in reverse order."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from core.errors import Problem
from core.ids import uuid7
from pharmacies.models import GoodsReturn
from pharmacies.services.basic import basic_of
from pharmacies.services.desk import order_move, order_write
from pharmacies.services.handovers import HandOverEnded, goods_back_told, handover_locked, supply_back
from pharmacies.services.shelves import boxes_move
from pharmacies.states import HandOverState, OrderState, ReturnReason, StockMoveKind

H = HandOverState
NOTE_CHARACTERS: Final = 200


class ReturnUnclear(Problem):
    code = "return_unclear"
    status = 422
    title = "Why did it come back?"
    detail = "{reason} is no reason of ours, or the note is longer than {most} characters."
    detail_zh = "{reason} 不是有效的退货原因，或备注超过 {most} 个字符。"
    fix = "Choose quality, recall, wrong item or wrong person. Other boxes are not taken back."
    fix_zh = "请选择质量、召回、错发药品或错发人员；其他情况不予退药。"


def goods_return_open(
    *, handover_id: UUID, reason: ReturnReason, note: str = "", by: str, now: datetime, trace_id: str
) -> GoodsReturn:
    """The boxes of a hand-over lie on the counter again. Again it is the same return.

    `waits_for` names the payer that has to be undone first. Raises NotFound, HandOverEnded, ReturnUnclear.
    """
    if reason not in ReturnReason.values or len(note) > NOTE_CHARACTERS:
        raise ReturnUnclear(reason=str(reason)[:40], most=NOTE_CHARACTERS)
    with handover_locked(handover_id) as (order, handover):
        known = GoodsReturn.objects.filter(handover=handover).first()
        if known is not None:
            return known
        if handover.outcome != H.DONE:
            raise HandOverEnded(order_no=order.order_no, number=handover.number, outcome=handover.outcome)
        order_write(order, by=by, now=now, trace_id=trace_id, reason=f"return_{reason}")
        return GoodsReturn.objects.create(
            id=uuid7(now),
            handover=handover,
            organisation_id=handover.organisation_id,
            reason=reason,
            note=note,
            waits_for="basic_insurance" if basic_of(handover=handover) is not None else "",
            opened_at=now,
            opened_by=by,
        )


def goods_return_finish(*, return_id: UUID, by: str, now: datetime, trace_id: str) -> GoodsReturn:
    """Every payer is undone: the boxes go into quarantine, the order is RETURNED when all of it is back.

    Their trace codes stay taken. Again changes nothing. Raises NotFound, HandOverEnded.
    """
    handover_id = GoodsReturn.objects.filter(pk=return_id).values_list("handover_id", flat=True).first()
    with handover_locked(handover_id or return_id) as (order, handover):
        row = GoodsReturn.objects.select_for_update().get(pk=return_id)
        if row.ended_at is not None:
            return row
        if handover.outcome != H.DONE:
            raise HandOverEnded(order_no=order.order_no, number=handover.number, outcome=handover.outcome)
        boxes = list(handover.boxes.select_related("line").order_by("pk"))
        boxes_move(boxes, StockMoveKind.QUARANTINE, by=by, now=now)
        supply_back(order, handover, now=now)
        handover.outcome = H.RETURNED
        handover.save(update_fields=["outcome"])
        row.waits_for, row.ended_at = "", now
        row.save(update_fields=["waits_for", "ended_at"])
        rest = order.handovers.filter(outcome=H.DONE).exists()
        if order.state == OrderState.HANDED_OVER and not rest:
            order_move(
                order, order.give_back, act="goods_return.finish", by=by, now=now, trace_id=trace_id, reason=row.reason
            )
        else:
            order_write(order, by=by, now=now, trace_id=trace_id, reason=f"returned_{row.reason}")
        goods_back_told(order, by=by, now=now, trace_id=trace_id)
    return row
