"""What has to be right at the counter before anything is given away: record, pharmacists, lots, cold chain, proof."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from core.clock import local_day
from core.errors import Conflict, Problem
from pharmacies.models import Order, OrderLine, Pharmacist, Reservation, StockLot
from pharmacies.services.shelves import free, lots_locked, reserve
from pharmacies.states import Handing, PharmacistRole
from registry.services.persons import person_seal

TRACE_CHARACTERS: Final = 40
COLD_TENTHS: Final = (20, 80)  # 2 to 8 degrees Celsius.
PROOF_BYTES: Final = 2 * 1024 * 1024


class RecordUnclear(Problem):
    code = "handover_record_unclear"
    status = 422
    title = "The hand-over record is not complete"
    detail = "{field}: {explanation}"
    detail_zh = "交付记录不完整，{field}：{explanation_zh}"
    fix = "Correct what the detail names; nothing was handed over."
    fix_zh = "请按说明更正；药品尚未交付。"


class TooManyBoxes(Conflict):
    code = "too_many_boxes"
    title = "That is more than was ordered"
    detail = "Line {line_no}: {quantity} boxes, and {open} are still open."
    detail_zh = "第 {line_no} 行：录入 {quantity} 盒，未交付仅 {open} 盒。"
    fix = "Hand over what is open of the order and no more."
    fix_zh = "请按订单未交付数量办理。"


class PharmacistMayNot(Conflict):
    code = "pharmacist_may_not"
    title = "This pharmacist may not sign for that"
    detail = "{username} as {role}: {why}."
    detail_zh = "药师 {username}（{role}）不能签字：{why_zh}。"
    fix = "Have a pharmacist of this shop sign whose role and licence cover it."
    fix_zh = "请由本店具有相应职责且执业证有效的药师签字。"


class LotNotGood(Conflict):
    code = "lot_not_good"
    title = "That lot may not be handed over"
    detail = "Lot {lot_no} of {drug}: {why}."
    detail_zh = "{drug} 批号 {lot_no}：{why_zh}。"
    fix = "Take boxes of a lot that this shop has free and that stays good for the whole treatment."
    fix_zh = "请使用本店有货且有效期覆盖疗程的批号。"


class ColdChainBroken(Conflict):
    code = "cold_chain_broken"
    title = "The cold chain is not proven"
    detail = "{drug} is kept at 2 to 8 degrees: {why}."
    detail_zh = "{drug} 须在 2—8℃ 保存：{why_zh}。"
    fix = "Do not hand it over. Put the boxes aside and take others, or refuse the order as COLD_CHAIN_BROKEN."
    fix_zh = "请勿交付。请隔离该批药品并更换，或以冷链异常为由拒单。"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxDraft:
    """Boxes of one lot for a line of the order, each with its trace code."""

    line_no: int
    lot_no: str
    expires_on: date
    quantity: int
    trace_codes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverDraft:
    """What the counter says. Pharmacists by their names for sign-in; readings are {at, celsius_tenths}.

    `give_up_rest`: what is not handed over now never will be. Photo and signature are asked of a courier.
    """

    idempotency_key: str
    boxes: Sequence[BoxDraft]
    audited_by: str
    dispensed_by: str
    checked_by: str
    cold_chain_log: Sequence[Mapping[str, Any]] = ()
    courier_no: str = ""
    photo: bytes = b""
    signature: bytes = b""
    give_up_rest: bool = False


def draft_check(order: Order, draft: HandOverDraft, lines: Mapping[int, OrderLine], *, now: datetime) -> None:
    """Raises RecordUnclear, TooManyBoxes, ColdChainBroken."""
    _form_check(draft, lines)
    counted: dict[int, int] = {}
    for box in draft.boxes:
        counted[box.line_no] = counted.get(box.line_no, 0) + box.quantity
    for line_no, quantity in counted.items():
        line = lines[line_no]
        still_open = line.ordered - line.handed - line.given_up
        if quantity > still_open:
            raise TooManyBoxes(line_no=line_no, quantity=quantity, open=still_open)
        if line.drug.cold_chain:
            _cold_check(line, draft, now)
    _courier_check(order, draft)


def signed_by(order: Order, draft: HandOverDraft, *, on: date) -> dict[str, Pharmacist]:
    """The three who sign, each of this shop, in a role of his, with a licence on that day. Who dispenses does not check
    himself. Raises PharmacistMayNot."""
    if draft.dispensed_by == draft.checked_by:
        raise _may_not(draft.checked_by, PharmacistRole.CHECK, "who dispensed it cannot check it", "调配人不得同时核对")
    roles = {
        "audited_by": PharmacistRole.AUDIT,
        "dispensed_by": PharmacistRole.DISPENSE,
        "checked_by": PharmacistRole.CHECK,
    }
    return {field: _pharmacist(order, getattr(draft, field), role, on) for field, role in roles.items()}


def boxes_check(
    order: Order, draft: HandOverDraft, lines: Mapping[int, OrderLine], *, by: str, now: datetime
) -> dict[tuple[str, int], StockLot]:
    """The shop's lots that were named, by lot number and line; what is reserved for the order follows the boxes.

    Raises LotNotGood.
    """
    kept = list(Reservation.objects.filter(line__order=order, quantity__gt=0))
    named = StockLot.objects.filter(
        shop_id=order.shop_id,
        drug_id__in={line.drug_id for line in lines.values()},
        lot_no__in={box.lot_no for box in draft.boxes},
    )
    lots = lots_locked([*(row.lot_id for row in kept), *named.values_list("pk", flat=True)])
    by_number = {(lot.drug_id, lot.lot_no): lot for lot in lots.values()}
    found: dict[tuple[str, int], StockLot] = {}
    for box in draft.boxes:
        line = lines[box.line_no]
        lot = by_number.get((line.drug_id, box.lot_no))
        if lot is None:
            raise _not_good(line, box.lot_no, "this shop has no such lot", "本店没有该批号")
        if lot.expires_on != box.expires_on:
            raise _not_good(line, box.lot_no, f"it expires on {lot.expires_on}", f"有效期为 {lot.expires_on}")
        if lot.expires_on < local_day(now):
            raise _not_good(line, box.lot_no, "it has expired", "已过有效期")
        found[box.lot_no, box.line_no] = lot
    kept_for_boxes(draft, lines, found, lots, by=by, now=now)
    return found


def kept_for_boxes(
    draft: HandOverDraft,
    lines: Mapping[int, OrderLine],
    found: Mapping[tuple[str, int], StockLot],
    lots: Mapping[UUID, StockLot],
    *,
    by: str,
    now: datetime,
) -> None:
    """Where other lots lie on the counter than those reserved, the reservation moves to them. Raises LotNotGood."""
    wanted: dict[int, dict[UUID, int]] = {}
    for box in draft.boxes:
        wanted.setdefault(box.line_no, {})[found[box.lot_no, box.line_no].pk] = box.quantity
    for line_no, by_lot in wanted.items():
        line = lines[line_no]
        kept = {row.lot_id: row.quantity for row in line.reservations.filter(quantity__gt=0)}
        for lot_id, quantity in by_lot.items():
            missing = quantity - kept.get(lot_id, 0)
            if missing <= 0:
                continue
            lot = lots[lot_id]
            if lot.on_hand - lot.reserved < missing:
                raise _not_good(line, lot.lot_no, "not so many boxes of it are free", "可用数量不足")
            _give(line, lots, kept, by_lot, missing, by=by, now=now)
            reserve(line, lot, missing, by=by, now=now)


def _give(
    line: OrderLine,
    lots: Mapping[UUID, StockLot],
    kept: dict[UUID, int],
    wanted: Mapping[UUID, int],
    quantity: int,
    *,
    by: str,
    now: datetime,
) -> None:
    """Free so many boxes of lots that are not handed over now."""
    for lot_id in sorted(kept, key=lambda one: lots[one].expires_on, reverse=True):
        spare = min(quantity, kept[lot_id] - wanted.get(lot_id, 0))
        if spare > 0:
            free(line, lots[lot_id], spare, by=by, now=now)
            kept[lot_id] -= spare
            quantity -= spare


def proof_seal(order: Order, draft: HandOverDraft, handover_id: UUID, *, now: datetime) -> bytes | None:
    """Photo and signature of a delivery, under the key of the person whose door it was."""
    if not draft.photo and not draft.signature:
        return None
    proof = {name: base64.b64encode(getattr(draft, name)).decode() for name in ("photo", "signature")}
    context = f"handover:{handover_id}:proof"
    return person_seal(json.dumps(proof).encode(), person_id=order.person_id, context=context, now=now)


def _form_check(draft: HandOverDraft, lines: Mapping[int, OrderLine]) -> None:
    if not draft.boxes or not draft.idempotency_key:
        raise _unclear("boxes", "no box, or no key of the request", "没有药品或缺少请求编号")
    for box in draft.boxes:
        if box.line_no not in lines:
            raise _unclear("line_no", f"the order has no line {box.line_no}", f"订单没有第 {box.line_no} 行")
        if box.quantity < 1 or len(box.trace_codes) != box.quantity:
            raise _unclear("trace_codes", "one for each box, no more and no fewer", "每盒须有且仅有一个追溯码")
    codes = [code.strip() for box in draft.boxes for code in box.trace_codes]
    if any(not code or len(code) > TRACE_CHARACTERS for code in codes):
        raise _unclear("trace_codes", f"empty, or longer than {TRACE_CHARACTERS}", "追溯码为空或过长")
    if len(set(codes)) != len(codes):
        raise _unclear("trace_codes", "one of them is there twice", "追溯码重复")
    if len({(box.line_no, box.lot_no) for box in draft.boxes}) != len(draft.boxes):
        raise _unclear("boxes", "a lot is there twice for one line", "同一行的批号重复")


def _courier_check(order: Order, draft: HandOverDraft) -> None:
    if len(draft.photo) > PROOF_BYTES or len(draft.signature) > PROOF_BYTES:
        raise _unclear("photo", "more than 2 MB", "超过 2 MB")
    if order.handing == Handing.COURIER and not (draft.courier_no and draft.photo and draft.signature):
        raise _unclear(
            "courier_no, photo, signature", "a delivery is proven by all three", "配送须有运单号、照片和签名"
        )


def _cold_check(line: OrderLine, draft: HandOverDraft, now: datetime) -> None:
    if not draft.cold_chain_log:
        raise ColdChainBroken(drug=line.drug_id, why="there is no reading", why_zh="没有温度记录")
    for reading in draft.cold_chain_log:
        tenths, at = reading.get("celsius_tenths"), _moment(reading.get("at"))
        if type(tenths) is not int or at is None or at > now:
            raise _unclear("cold_chain_log", "a reading has a past time and tenths of a degree", "温度记录格式无效")
        if not COLD_TENTHS[0] <= tenths <= COLD_TENTHS[1]:
            degrees = f"{tenths / 10:.1f}"
            raise ColdChainBroken(
                drug=line.drug_id, why=f"{degrees} degrees were measured", why_zh=f"曾测得 {degrees}℃"
            )


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _pharmacist(order: Order, username: str, role: PharmacistRole, on: date) -> Pharmacist:
    row = Pharmacist.objects.filter(organisation_id=order.organisation_id, username=username).first()
    if row is None or row.left_at is not None:
        raise _may_not(username, role, "nobody of that name signs in this shop", "本店没有该药师")
    if role not in row.roles:
        raise _may_not(username, role, "that is none of his roles", "不具有该职责")
    if row.licence_until < on:
        raise _may_not(
            username, role, f"the licence ended on {row.licence_until}", f"执业证已于 {row.licence_until} 到期"
        )
    return row


def _may_not(username: str, role: PharmacistRole, why: str, why_zh: str) -> PharmacistMayNot:
    return PharmacistMayNot(username=username[:80], role=role.value, why=why, why_zh=why_zh)


def _unclear(field: str, explanation: str, explanation_zh: str) -> RecordUnclear:
    return RecordUnclear(field=field, explanation=explanation, explanation_zh=explanation_zh)


def _not_good(line: OrderLine, lot_no: str, why: str, why_zh: str) -> LotNotGood:
    return LotNotGood(drug=line.drug_id, lot_no=lot_no[:40], why=why, why_zh=why_zh)
