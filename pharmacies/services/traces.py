"""Trace codes: a box's own number, sold once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from core.errors import Conflict
from core.ids import uuid7
from pharmacies.models import HandedBox, HandOver, TraceCode


class TraceCodeSold(Conflict):
    code = "trace_code_sold"
    title = "That box was sold before"
    detail = "Trace code {trace_code} belongs to another hand-over."
    detail_zh = "追溯码 {trace_code} 已在其他交付中使用。"
    fix = "Do not hand it over. Scan the code again; if it is the same, put the box aside and report it."
    fix_zh = "请勿交付。请重新扫码；如仍相同，请隔离该盒并上报。"


def traces_take(box: HandedBox, codes: Sequence[str], *, organisation_id: int, now: datetime) -> None:
    """The codes are this box's from now on, in the order that keeps two takers from waiting for each other.

    Raises TraceCodeSold.
    """
    for code in sorted(one.strip() for one in codes):
        try:
            with transaction.atomic():
                TraceCode.objects.create(id=uuid7(now), code=code, box=box, organisation_id=organisation_id)
        except IntegrityError as error:
            if "a_box_is_sold_once" not in str(error):
                raise
            raise TraceCodeSold(trace_code=code) from None


def traces_end(handover: HandOver) -> None:
    """The boxes were not sold after all: their codes may be used again."""
    TraceCode.objects.filter(box__handover=handover, live=True).update(live=False)
