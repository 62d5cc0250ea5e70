"""Moves of stock: the only writers of lots, which are locked in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from core.errors import Conflict
from core.ids import uuid7
from pharmacies.models import HandedBox, Order, OrderLine, Reservation, StockLot, StockMove
from pharmacies.selectors.stock import lots_for_sale
from pharmacies.states import StockMoveKind

K = StockMoveKind


class StockGone(Conflict):
    code = "stock_gone"
    title = "There is not enough on the shelf"
    detail = "{drug}: {needed} are needed and {free} are free in lots that stay good for {days} days."
    detail_zh = "{drug}：需要 {needed}，有效期内（{days} 天）可用 {free}。"
    fix = "Count the shelf again, or refuse the order as out of stock: it is offered to another shop."
    fix_zh = "请重新盘点，或以缺货为由拒单：订单将转派其他门店。"


def lots_locked(lot_ids: Iterable[UUID]) -> dict[UUID, StockLot]:
    rows = StockLot.objects.select_for_update().filter(pk__in=set(lot_ids)).order_by("pk")
    return {row.pk: row for row in rows}


def stock_move(
    lot: StockLot, kind: StockMoveKind, quantity: int, *, cause_id: UUID, by: str, now: datetime
) -> StockMove:
    """One move of a locked lot. The trigger counts; the row in hand is counted along."""
    same = StockMove.objects.filter(lot=lot, cause_id=cause_id, kind=kind)
    episode = (same.aggregate(last=Max("episode"))["last"] or 0) + 1
    move = StockMove.objects.create(
        id=uuid7(now),
        lot=lot,
        organisation_id=lot.organisation_id,
        kind=kind,
        quantity=quantity,
        cause_id=cause_id,
        episode=episode,
        at=now,
        by=by,
    )
    lot.refresh_from_db(fields=["on_hand", "reserved", "quarantined"])
    return move


def order_reserve(order: Order, lines: Sequence[OrderLine], *, days_left: int, by: str, now: datetime) -> None:
    """Boxes for what is open of the lines, the first to expire first. All of it or nothing. Raises StockGone."""
    drugs = {line.drug_id for line in lines}
    good = lots_for_sale(now=now, days_left=days_left).filter(shop_id=order.shop_id, drug_id__in=drugs)
    # Locked first and looked at then: a lot that was free a moment ago may be another order's by now.
    lots = lots_locked(good.values_list("pk", flat=True))
    shelf = sorted(lots.values(), key=lambda lot: (lot.expires_on, lot.pk))
    for line in lines:
        needed = line.ordered - line.handed - line.given_up
        mine = [lot for lot in shelf if lot.drug_id == line.drug_id]
        free = sum(lot.on_hand - lot.reserved for lot in mine)
        if free < needed:
            raise StockGone(drug=line.drug_id, needed=needed, free=free, days=days_left)
        for lot in mine:
            taken = min(needed, lot.on_hand - lot.reserved)
            if taken > 0:
                reserve(line, lot, taken, by=by, now=now)
                needed -= taken


def reserve(line: OrderLine, lot: StockLot, quantity: int, *, by: str, now: datetime) -> None:
    stock_move(lot, K.RESERVE, quantity, cause_id=line.pk, by=by, now=now)
    _kept(line, lot.pk, quantity, now)


def order_free(order: Order, *, by: str, now: datetime) -> None:
    """What is still reserved for the order is free again."""
    rows = list(Reservation.objects.filter(line__order=order, quantity__gt=0).select_related("line"))
    lots = lots_locked(row.lot_id for row in rows)
    for row in rows:
        free(row.line, lots[row.lot_id], row.quantity, by=by, now=now)


def free(line: OrderLine, lot: StockLot, quantity: int, *, by: str, now: datetime) -> None:
    stock_move(lot, K.RELEASE, quantity, cause_id=line.pk, by=by, now=now)
    _kept(line, lot.pk, -quantity, now)


def boxes_move(boxes: Sequence[HandedBox], kind: StockMoveKind, *, by: str, now: datetime) -> None:
    """Boxes of a hand-over go out, come back onto the counter, or into quarantine."""
    lots = lots_locked(box.lot_id for box in boxes)
    for box in boxes:
        stock_move(lots[box.lot_id], kind, box.quantity, cause_id=box.pk, by=by, now=now)
        if kind == K.OUT:
            _kept(box.line, box.lot_id, -box.quantity, now)
        elif kind == K.UNDO:
            _kept(box.line, box.lot_id, box.quantity, now)


def _kept(line: OrderLine, lot_id: UUID, change: int, now: datetime) -> None:
    row = Reservation.objects.filter(line=line, lot_id=lot_id).first()
    if row is None:
        Reservation.objects.create(id=uuid7(now), line=line, lot_id=lot_id, quantity=change)
    else:
        row.quantity += change
        row.save(update_fields=["quantity"])
