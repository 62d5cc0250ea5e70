"""The back office's calls: a shift is closed, a day is listed."""

from __future__ import annotations

import asyncio
import re
from datetime import date, datetime
from typing import Any

from django.http import HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from accounts.services import KeyHolder
from accounts.states import Scope
from core.errors import NotFound
from exchange.services.days import DayDraft, day_give, day_list_put
from exchange.services.shifts import ShiftDraft, shift_close
from hospitals.listener import database
from hospitals.listener.api import KEY_PARAMETER, ListenerView, header, key_of, problems, trace_of
from hospitals.listener.database import Question
from hospitals.listener.desk_shapes import DayAnswer, DayListRequest, ShiftAnswer, ShiftCloseRequest, in_order_of
from hospitals.listener.parsing import canonical, digest_of, object_of
from hospitals.listener.reads import NUMBER_IN_PATH, number_parameter

SHIFT_NO_LIMIT = 40
LARGE_BYTES = 65_536
DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
DATE_PARAMETER = OpenApiParameter(
    "business_date", {"type": "string", "format": "date"}, OpenApiParameter.PATH, description="Like 2026-11-22."
)
DAY = DayAnswer()
SHIFT_CLOSE, SHIFT = ShiftCloseRequest(), ShiftAnswer()
REPLAYED = header("Idempotent-Replayed", "`true`: told before.", on=[200])


class CloseShift(ListenerView):
    @extend_schema(
        operation_id="shifts_close",
        request=ShiftCloseRequest,
        parameters=[number_parameter("shift_no", "Percent-encoded.", SHIFT_NO_LIMIT), KEY_PARAMETER, REPLAYED],
        responses={200: ShiftAnswer} | problems(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 500, 503),
    )
    async def post(self, request: Any, holder: KeyHolder, shift_no: str) -> HttpResponse:
        """The till's totals in; what we know of the shift, and the difference, out. Once per shift."""
        holder.require(Scope.TRANSACTIONS_WRITE)
        if len(shift_no) > SHIFT_NO_LIMIT or not NUMBER_IN_PATH.fullmatch(shift_no):
            raise NotFound(noun="shift", noun_zh="班次", key=shift_no[:80])
        key = key_of(request)
        raw = object_of(request.raw_body, content_type=request.headers.get("Content-Type", ""))
        values = SHIFT_CLOSE.run_validation(raw)
        draft = ShiftDraft(
            organisation_id=holder.organisation_id,
            by=holder.actor,
            idempotency_key=key,
            digest=digest_of(f"shifts/{shift_no}/close/".encode() + canonical(raw)),
            shift_no=shift_no,
            totals={one["tender"]: one["amount_minor"] for one in values["totals"]},
            currency=values["currency"],
        )

        def ask(now: datetime) -> dict[str, Any]:
            closed = shift_close(draft=draft, now=now)
            return {"result": closed.result, "replayed": closed.replayed}

        closed = await database.desk.do(Question(holder.organisation_id, ask))
        response = told(SHIFT, closed["result"], request)
        if closed["replayed"]:
            response["Idempotent-Replayed"] = "true"
        return response


class Day(ListenerView):
    @extend_schema(
        operation_id="days_read",
        parameters=[DATE_PARAMETER],
        responses={200: DayAnswer} | problems(401, 403, 404, 405, 408, 413, 500, 503),
    )
    async def get(self, request: Any, holder: KeyHolder, business_date: str) -> HttpResponse:
        """The day as it stands now: the hospital's list against ours."""
        holder.require(Scope.TRANSACTIONS_READ)
        day, organisation_id = _day(business_date), holder.organisation_id

        def ask(now: datetime) -> dict[str, Any]:
            return day_give(organisation_id=organisation_id, business_date=day, now=now)

        return told(DAY, await database.desk.do(Question(organisation_id, ask)), request)


class ListOfDay(ListenerView):
    @extend_schema(
        operation_id="days_list_put",
        request=DayListRequest,
        parameters=[DATE_PARAMETER],
        responses={200: DayAnswer} | problems(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 500, 503),
    )
    async def put(self, request: Any, holder: KeyHolder, business_date: str) -> HttpResponse:
        """The hospital's own list, signed or not; the same list again changes nothing."""
        holder.require(Scope.TRANSACTIONS_WRITE)
        day = _day(business_date)
        if len(request.raw_body) > LARGE_BYTES:
            # A whole day takes seconds to check: cashiers shall not wait for it.
            draft = await asyncio.to_thread(_list, request, holder, day)
        else:
            draft = _list(request, holder, day)

        def ask(now: datetime) -> dict[str, Any]:
            return day_list_put(draft=draft, now=now)

        return told(DAY, await database.desk.do(Question(holder.organisation_id, ask)), request)


def _day(business_date: str) -> date:
    try:
        if DATE.fullmatch(business_date):
            return date.fromisoformat(business_date)
    except ValueError:
        pass
    raise NotFound(noun="day", noun_zh="日期", key=business_date[:80])


def _list(request: Any, holder: KeyHolder, day: date) -> DayDraft:
    """Raises Problem or ValidationError."""
    raw = object_of(request.raw_body, content_type=request.headers.get("Content-Type", ""))
    values = DayListRequest().run_validation(raw)
    return DayDraft(
        organisation_id=holder.organisation_id,
        by=holder.actor,
        business_date=day,
        digest=digest_of(f"days/{day}/list/".encode() + canonical(raw)),
        rows=[dict(row) for row in values["rows"]],
        signed_by=values.get("signed_by") or "",
        second_by=values.get("second_by") or "",
        as_of=values.get("as_of"),
    )


def told(shape: serializers.Serializer[Any], answer: dict[str, Any], request: Any) -> JsonResponse:
    ordered = in_order_of(shape, answer)
    return JsonResponse({**ordered, "trace_id": trace_of(request)}, json_dumps_params={"ensure_ascii": False})
