"""A shift is closed: the till's totals are held against ours, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from core.bulk import rows_insert_new
from core.errors import Conflict
from core.ids import uuid7
from exchange.models import IdempotencyKey, ShiftClose
from exchange.selectors.shifts import shift_report
from exchange.services.receive import KeyReused


class ShiftIsClosed(Conflict):
    code = "shift_is_closed"
    title = "The shift was closed with other totals"
    detail = "Shift {shift_no} was closed at {closed_at} with other totals; its result is in `shift`."
    detail_zh = "班次 {shift_no} 已于 {closed_at} 以不同的金额结班，结果见 shift。"
    fix = "A shift is closed once. Carry what was forgotten into the next shift, with a note."
    fix_zh = "一个班次只能结班一次；遗漏的金额请计入下一班次并注明。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftDraft:
    """`totals` are what the till holds for the shift, by tender, minor units. `digest` is of path and body."""

    organisation_id: int
    by: str
    idempotency_key: str
    digest: bytes
    shift_no: str
    totals: Mapping[str, int]
    currency: str


@dataclass(frozen=True, slots=True)
class ShiftClosed:
    result: dict[str, Any]
    replayed: bool


def shift_close(*, draft: ShiftDraft, now: datetime) -> ShiftClosed:
    """Close a shift, once; told again with the same body, the stored result. Raises KeyReused, ShiftIsClosed.

    The caller has said whom it sees. Nothing is refused because the till and we differ: the difference is the result.
    """
    with transaction.atomic():
        _claim(draft, now)
        closed = ShiftClose(
            id=uuid7(now),
            organisation_id=draft.organisation_id,
            shift_no=draft.shift_no,
            digest=draft.digest,
            totals=dict(draft.totals),
            result=_result(draft, now),
            closed_at=now,
            by=draft.by,
        )
        if rows_insert_new([closed], returning="id"):
            return ShiftClosed(closed.result, replayed=False)
    stored = ShiftClose.objects.get(organisation_id=draft.organisation_id, shift_no=draft.shift_no)
    if bytes(stored.digest) != draft.digest:
        shown = {"shift": stored.result}
        raise ShiftIsClosed(extra=shown, shift_no=draft.shift_no, closed_at=stored.closed_at.isoformat())
    return ShiftClosed(stored.result, replayed=True)


def _claim(draft: ShiftDraft, now: datetime) -> None:
    """The request's key belongs to this request. Raises KeyReused."""
    claim = IdempotencyKey(
        organisation_id=draft.organisation_id, key=draft.idempotency_key, digest=draft.digest, created_at=now
    )
    if not rows_insert_new([claim], returning="key"):
        known = IdempotencyKey.objects.get(organisation_id=draft.organisation_id, key=draft.idempotency_key)
        if bytes(known.digest) != draft.digest:
            other = known.transaction.his_no if known.transaction else "another shift"
            raise KeyReused(key=draft.idempotency_key, his_no=other)


def _result(draft: ShiftDraft, now: datetime) -> dict[str, Any]:
    report = shift_report(organisation_id=draft.organisation_id, shift_no=draft.shift_no, currency=draft.currency)
    known = {one["tender"]: one for one in report["tenders"]}
    nothing = {"taken_minor": 0, "refunded_minor": 0}
    told = sum(draft.totals.values())
    tenders = [
        {"tender": tender, "told_minor": draft.totals.get(tender, 0), **nothing, **known.get(tender, {})}
        for tender in sorted(draft.totals.keys() | known.keys())
    ]
    return {
        **report,
        "tenders": tenders,
        "told_minor": told,
        "difference_minor": told - report["till_minor"],
        "closed_at": now.isoformat().replace("+00:00", "Z"),
    }
