"""Giving goods away: opened with everything that has to be right, finished when money says so, or given up.

While a hand-over is PENDING its code is used and its trace codes are taken, and no goods leave: stock stays reserved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from claims.services.facts import claim_came_back, claim_handed_over
from core.clock import local_day
from core.errors import Conflict, NotFound
from core.ids import uuid7
from pharmacies.models import HandedBox, HandOver, Order, OrderLine
from pharmacies.services.basic import basic_of
from pharmacies.services.codes import code_back, code_create, code_use
from pharmacies.services.counter import HandOverDraft, boxes_check, draft_check, proof_seal, signed_by
from pharmacies.services.desk import (
    HandOverPending,
    OrderMoved,
    order_locked,
    order_move,
    order_write,
    state_check,
)
from pharmacies.services.orders import lines_give_up
from pharmacies.services.shelves import boxes_move, lots_locked, order_free
from pharmacies.services.traces import traces_end, traces_take
from pharmacies.states import Handing, HandOverState, OrderState, StockMoveKind
from registry.selectors.authorisations import authorisation_by_id
from registry.services.authorisations import supply_recorded, supply_taken_back
from registry.services.prescriptions import prescription_filled, prescription_given_back

O = OrderState  # noqa: E741
H = HandOverState
UNDO_WITHIN: Final = timedelta(minutes=15)

__all__ = [
    "HandOverDraft",
    "handover_abort",
    "handover_finish",
    "handover_goods_lock",
    "handover_locked",
    "handover_open",
    "handover_undo",
]


class HandOverEnded(Conflict):
    code = "handover_ended"
    title = "This hand-over has ended"
    detail = "Hand-over {number} of order {order_no} is {outcome}."
    detail_zh = "订单 {order_no} 的第 {number} 次交付状态为 {outcome}。"
    fix = "Look at the order as it is now."
    fix_zh = "请查看订单当前状态。"


class NotOnTheCounter(Conflict):
    code = "not_on_the_counter"
    title = "It cannot be undone any more"
    detail = "Hand-over {number} of order {order_no}: {why}."
    detail_zh = "订单 {order_no} 的第 {number} 次交付不能撤销：{why_zh}。"
    fix = "Take the goods back as a return, with its reason."
    fix_zh = "请按退货办理并注明原因。"


def handover_open(
    *, order_id: UUID, version: int, draft: HandOverDraft, by: str, now: datetime, trace_id: str
) -> HandOver:
    """Everything of the counter is right, and nothing has left it: PENDING. The same key again is the same hand-over.

    Raises NotFound, OrderMoved, OrderStateRefuses, HandOverPending, CodeMissing, RecordUnclear, PharmacistMayNot,
    LotNotGood, TraceCodeSold, ColdChainBroken, TooManyBoxes.
    """
    with order_locked(order_id=order_id) as order:
        known = order.handovers.filter(idempotency_key=draft.idempotency_key).first()
        if known is not None:
            return known
        _version_check(order, version)
        state_check(order, O.READY, act="handover.open")
        pending = order.handovers.filter(outcome=H.PENDING).first()
        if pending is not None:
            raise HandOverPending(order_no=order.order_no, number=pending.number)
        lines = {line.line_no: line for line in order.lines.select_related("drug")}
        draft_check(order, draft, lines, now=now)
        code_use(order=order, now=now)
        signed = signed_by(order, draft, on=local_day(now))
        lots = boxes_check(order, draft, lines, by=by, now=now)
        number = order.handovers.count() + 1
        handover_id = uuid7(now)
        handover = HandOver.objects.create(
            id=handover_id,
            order=order,
            organisation_id=order.organisation_id,
            number=number,
            handing=order.handing,
            amount_minor=sum(box.quantity * lines[box.line_no].unit_price_minor for box in draft.boxes),
            idempotency_key=draft.idempotency_key,
            cold_chain_log=[dict(reading) for reading in draft.cold_chain_log],
            courier_no=draft.courier_no,
            proof_sealed=proof_seal(order, draft, handover_id, now=now),
            give_up_rest=draft.give_up_rest,
            waits_for="advance",
            opened_at=now,
            opened_by=by,
            **signed,
        )
        for box in draft.boxes:
            row = HandedBox.objects.create(
                id=uuid7(now),
                handover=handover,
                line=lines[box.line_no],
                lot=lots[box.lot_no, box.line_no],
                quantity=box.quantity,
            )
            traces_take(row, box.trace_codes, organisation_id=order.organisation_id, now=now)
        order_write(order, by=by, now=now, trace_id=trace_id, reason="handover_opened")
    return handover


def handover_goods_lock(*, handover_id: UUID) -> None:
    """Lock a hand-over's lots before money is locked, as acceptance does: nobody waits in a ring. Needs an open
    transaction with the platform's sight."""
    lots_locked(HandedBox.objects.filter(handover_id=handover_id).values_list("lot_id", flat=True))


def handover_finish(*, handover_id: UUID, by: str, now: datetime, trace_id: str) -> HandOver:
    """Money is drawn: the goods leave, in the same commit. Again changes nothing.

    What is still open of the order gets a new code, unless the rest was given up. Raises NotFound, HandOverEnded, and
    what claims and registry refuse: a claim withdrawn, a prescription spent.
    """
    with handover_locked(handover_id) as (order, handover):
        if handover.outcome == H.DONE:
            return handover
        _outcome_check(order, handover, H.PENDING)
        claim_handed_over(claim_id=order.claim_id, by=by, now=now, trace_id=trace_id)
        boxes = _boxes(handover)
        boxes_move(boxes, StockMoveKind.OUT, by=by, now=now)
        _count(boxes, +1)
        handover.supply = _supply(order, handover, boxes, now=now)
        _end(handover, H.DONE, now=now)
        if handover.give_up_rest:
            order_free(order, by=by, now=now)
            lines_give_up(order)
        if any(line.ordered > line.handed + line.given_up for line in order.lines.all()):
            code_create(order=order, usable=True, now=now)
            order_write(order, by=by, now=now, trace_id=trace_id, reason="handed_over_in_part")
        else:
            order_move(order, order.hand_over, act="handover.finish", by=by, now=now, trace_id=trace_id)
    return handover


def handover_abort(*, handover_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> HandOver:
    """Nothing is handed over after all: the code opens again, trace codes are free. Again changes nothing.

    Raises NotFound, HandOverEnded.
    """
    with handover_locked(handover_id) as (order, handover):
        if handover.outcome == H.ABORTED:
            return handover
        _outcome_check(order, handover, H.PENDING)
        traces_end(handover)
        _end(handover, H.ABORTED, now=now)
        code_back(order=order, now=now)
        order_write(order, by=by, now=now, trace_id=trace_id, reason=reason)
    return handover


def handover_undo(*, handover_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> HandOver:
    """The box is still on the counter: it is reserved again and the order is READY with a new code.

    Only the last hand-over, within UNDO_WITHIN, not one that a courier took, and with nothing settled by basic
    insurance. Again changes nothing. Raises NotFound, HandOverEnded, NotOnTheCounter.
    """
    with handover_locked(handover_id) as (order, handover):
        if handover.outcome == H.UNDONE:
            return handover
        _outcome_check(order, handover, H.DONE)
        _on_the_counter_check(order, handover, now)
        boxes = _boxes(handover)
        boxes_move(boxes, StockMoveKind.UNDO, by=by, now=now)
        _count(boxes, -1)
        traces_end(handover)
        supply_back(order, handover, now=now)
        _end(handover, H.UNDONE, now=now)
        if order.state == O.HANDED_OVER:
            order_move(order, order.undo, act="handover.undo", by=by, now=now, trace_id=trace_id, reason=reason)
        else:
            order_write(order, by=by, now=now, trace_id=trace_id, reason=reason)
        code_create(order=order, usable=True, now=now)
        goods_back_told(order, by=by, now=now, trace_id=trace_id)
    return handover


def supply_back(order: Order, handover: HandOver, *, now: datetime) -> None:
    """What the registry was told of the boxes is taken back."""
    supply, claim = handover.supply, order.claim
    if "supplied" in supply and claim.authorisation_id is not None:
        supplied, before = supply["supplied"], supply["supplied_before"]
        supply_taken_back(
            authorisation_id=claim.authorisation_id,
            of=(date.fromisoformat(supplied[0]), supplied[1]),
            back_to=(date.fromisoformat(before[0]) if before[0] else None, before[1]),
            now=now,
        )
    fills = "filled_before" in supply and not _others_done(order, handover)
    if fills and claim.prescription_id is not None:
        last = supply["filled_before"]
        prescription_given_back(
            prescription_id=claim.prescription_id,
            last_filled_on=date.fromisoformat(last) if last else None,
            now=now,
        )


def goods_back_told(order: Order, *, by: str, now: datetime, trace_id: str) -> None:
    """The claim may be withdrawn again once nothing of it is with the patient."""
    if not order.handovers.filter(outcome=H.DONE).exists():
        claim_came_back(claim_id=order.claim_id, by=by, now=now, trace_id=trace_id)


@contextmanager
def handover_locked(handover_id: UUID) -> Iterator[tuple[Order, HandOver]]:
    """One commit with claim, order and hand-over locked; see `order_locked`. Raises NotFound."""
    order_id = HandOver.objects.filter(pk=handover_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise NotFound(noun="hand-over", noun_zh="交付记录", key=handover_id)
    with order_locked(order_id=order_id) as order:
        yield order, HandOver.objects.select_for_update().get(pk=handover_id)


def _version_check(order: Order, version: int) -> None:

    if order.version != version:
        raise OrderMoved(order_no=order.order_no, seen=version, current=order.version)


def _outcome_check(order: Order, handover: HandOver, outcome: str) -> None:
    if handover.outcome != outcome:
        raise HandOverEnded(order_no=order.order_no, number=handover.number, outcome=handover.outcome)


def _on_the_counter_check(order: Order, handover: HandOver, now: datetime) -> None:
    why = None
    if handover.handing == Handing.COURIER:
        why = ("a courier took it", "已由快递取走")
    elif handover.ended_at is None or now - handover.ended_at >= UNDO_WITHIN:
        why = ("it was handed over more than a quarter of an hour ago", "交付已超过 15 分钟")
    elif order.handovers.filter(number__gt=handover.number).exclude(outcome=H.ABORTED).exists():
        why = ("another hand-over followed", "其后已有新的交付")
    elif basic_of(handover=handover) is not None:
        why = ("basic insurance has settled it", "基本医保已结算")
    if why is not None:
        raise NotOnTheCounter(order_no=order.order_no, number=handover.number, why=why[0], why_zh=why[1])


def _boxes(handover: HandOver) -> list[HandedBox]:
    return list(handover.boxes.select_related("line").order_by("pk"))


def _count(boxes: Sequence[HandedBox], sign: int) -> None:
    lines: dict[UUID, OrderLine] = {}
    for box in boxes:
        line = lines.setdefault(box.line_id, box.line)
        line.handed += sign * box.quantity
    for line in lines.values():
        line.save(update_fields=["handed"])


def _end(handover: HandOver, outcome: HandOverState, *, now: datetime) -> None:
    handover.outcome, handover.ended_at, handover.waits_for = outcome, now, ""
    handover.save(update_fields=["outcome", "ended_at", "waits_for", "supply"])


def _supply(order: Order, handover: HandOver, boxes: Sequence[HandedBox], *, now: datetime) -> dict[str, Any]:
    """Tell the registry of the boxes; what it said before and after, to take it back by."""
    claim, today = order.claim, local_day(now)
    told: dict[str, Any] = {}
    if claim.prescription is not None and not _others_done(order, handover):
        before = claim.prescription.last_filled_on
        prescription_filled(prescription_id=claim.prescription.pk, on=today, now=now)
        told["filled_before"] = before.isoformat() if before else None
    if claim.authorisation_id is not None:
        lines = list(order.lines.all())
        ordered, so_far = sum(line.ordered for line in lines), sum(line.handed for line in lines)
        earlier = so_far - sum(box.quantity for box in boxes)
        # Of the whole, so that the parts' days sum to it.
        days = max(1, claim.days_of_supply * so_far // ordered - claim.days_of_supply * earlier // ordered)
        row = authorisation_by_id(authorisation_id=claim.authorisation_id)
        if row is not None:
            before = row.last_supply_on
            told["supplied_before"] = [before.isoformat() if before else None, row.last_supply_days]
            after = supply_recorded(authorisation_id=row.pk, on=today, days=days, now=now)
            told["supplied"] = [today.isoformat(), after.last_supply_days]
    return told


def _others_done(order: Order, handover: HandOver) -> bool:
    return order.handovers.filter(outcome=H.DONE).exclude(pk=handover.pk).exists()
