"""The door for insurers' systems: one address, to which they tell their decisions on claims."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core.clock import database_now
from core.ids import new_trace_id
from core.problems import problem_json
from insurers.services.inbound import BODY_LIMIT_BYTES, MessageTooLarge, message_receive


@csrf_exempt
@require_POST
def decisions(request: HttpRequest) -> HttpResponse:
    """202: stored and verified, worked in a moment. 200: this message was here before; its outcome is told.

    401, 409, 413 as problem+json. The contract is in the README of `insurers/sandbox`.
    """
    trace_id = new_trace_id()
    length = request.headers.get("Content-Length", "")
    if not length.isascii() or not length.isdigit() or int(length) > BODY_LIMIT_BYTES:
        return problem_json(MessageTooLarge(limit=BODY_LIMIT_BYTES), trace_id=trace_id)
    received = message_receive(
        path=request.path, headers=request.headers, body=request.body, now=database_now(), trace_id=trace_id
    )
    if received.problem is not None:
        return problem_json(received.problem, trace_id=trace_id)
    told = {"outcome": received.outcome, "code": received.outcome_code, "trace_id": trace_id}
    return JsonResponse(told, status=200 if received.replayed else 202)
