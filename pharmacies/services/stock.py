"""What comes onto a shop's shelves and what is taken off them without being sold."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from core.clock import local_day
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from pharmacies.models import StockLot, StockMove
from pharmacies.services.shelves import lots_locked, stock_move
from pharmacies.states import StockMoveKind
from registry.selectors.shops import shop_by_id, shop_prices

UNITS_MOST: Final = 100_000
LOT_CHARACTERS: Final = 40


class StockInvalid(Problem):
    code = "stock_invalid"
    status = 422
    title = "The stock cannot be taken like this"
    detail = "{field}: {explanation}"
    detail_zh = "库存信息无效，{field}：{explanation_zh}"
    fix = "Correct that field; nothing was stored."
    fix_zh = "请更正该项；本次未保存任何内容。"


class StockReserved(Conflict):
    code = "stock_reserved"
    title = "These boxes are not free"
    detail = "Lot {lot_no}: {quantity} are to go, and {free} are neither sold nor reserved."
    detail_zh = "批号 {lot_no}：拟报损 {quantity}，可用仅 {free}。"
    fix = "Refuse or move the orders that reserve them first, then write them off."
    fix_zh = "请先处理占用库存的订单，再办理报损。"


@transaction.atomic
def stock_receive(
    *,
    shop_id: UUID,
    drug_code: str,
    lot_no: str,
    expires_on: date,
    quantity: int,
    cause_id: UUID | None = None,
    by: str,
    now: datetime,
) -> StockLot:
    """Units of a lot came in. The same `cause_id` for that lot again changes nothing. Raises NotFound, StockInvalid."""
    shop = shop_by_id(shop_id=shop_id)
    if shop is None:
        raise NotFound(noun="shop", noun_zh="门店", key=shop_id)
    number = lot_no.strip().upper()
    if type(quantity) is not int or not 0 < quantity <= UNITS_MOST:
        raise StockInvalid(field="quantity", explanation=f"not 1 to {UNITS_MOST}", explanation_zh="数量无效")
    if not number or len(number) > LOT_CHARACTERS:
        raise StockInvalid(field="lot_no", explanation="empty or too long", explanation_zh="批号为空或过长")
    if expires_on < local_day(now):
        raise StockInvalid(field="expires_on", explanation="it has expired", explanation_zh="已过有效期")
    if (shop_id, drug_code) not in shop_prices(shop_ids=[shop_id], drug_codes=[drug_code]):
        raise StockInvalid(field="drug", explanation="the shop does not sell it", explanation_zh="本店未经营该药品")
    lot, _ = StockLot.objects.get_or_create(
        shop_id=shop_id,
        drug_id=drug_code,
        lot_no=number,
        defaults={
            "id": uuid7(now),
            "organisation_id": shop.organisation_id,
            "expires_on": expires_on,
            "created_at": now,
        },
    )
    lot = lots_locked([lot.pk])[lot.pk]
    if lot.expires_on != expires_on:
        raise StockInvalid(
            field="expires_on",
            explanation=f"lot {number} expires on {lot.expires_on}",
            explanation_zh=f"批号 {number} 的有效期为 {lot.expires_on}",
        )
    cause = cause_id or uuid7(now)
    if not StockMove.objects.filter(lot=lot, cause_id=cause, kind=StockMoveKind.IN).exists():
        stock_move(lot, StockMoveKind.IN, quantity, cause_id=cause, by=by, now=now)
    return lot


@transaction.atomic
def stock_write_off(*, lot_id: UUID, quantity: int, reason: str, by: str, now: datetime) -> StockLot:
    """Broken, expired, or fewer than was thought. Never what an order has reserved. Raises NotFound, StockInvalid,
    StockReserved."""
    lot = lots_locked([lot_id]).get(lot_id)
    if lot is None:
        raise NotFound(noun="lot", noun_zh="批号", key=lot_id)
    if type(quantity) is not int or quantity < 1 or not reason.strip():
        raise StockInvalid(
            field="quantity, reason", explanation="no quantity or no reason", explanation_zh="缺少数量或原因"
        )
    free = lot.on_hand - lot.reserved
    if quantity > free:
        raise StockReserved(lot_no=lot.lot_no, quantity=quantity, free=free)
    # A count has no cause but itself.
    stock_move(lot, StockMoveKind.WRITE_OFF, quantity, cause_id=uuid7(now), by=f"{by}: {reason.strip()}"[:200], now=now)
    return lot
