"""The back office's calls: a shift is closed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse, JsonResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from accounts.services import KeyHolder
from accounts.states import Scope
from core.errors import NotFound
from exchange.services.shifts import ShiftDraft, shift_close
from hospitals.listener import database
from hospitals.listener.api import KEY_PARAMETER, ListenerView, header, key_of, problems, trace_of
from hospitals.listener.database import Question
from hospitals.listener.desk_shapes import ShiftAnswer, ShiftCloseRequest, in_order_of
from hospitals.listener.parsing import canonical, digest_of, object_of
from hospitals.listener.reads import NUMBER_IN_PATH, number_parameter

SHIFT_NO_LIMIT = 40
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


def told(shape: serializers.Serializer[Any], answer: dict[str, Any], request: Any) -> JsonResponse:
    ordered = in_order_of(shape, answer)
    return JsonResponse({**ordered, "trace_id": trace_of(request)}, json_dumps_params={"ensure_ascii": False})
