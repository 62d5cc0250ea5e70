"""The doors of the listener: parse in, one service or selector call, render out."""

from __future__ import annotations

import asyncio
import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

from adrf.views import APIView
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from accounts.services import KeyHolder
from accounts.states import Scope
from core.errors import NotFound, Problem, ServiceUnavailable
from core.faults import fault_told
from core.ids import HIS_NO
from core.problems import CONTENT_TYPE, MethodNotAllowed, as_problem, problem_json
from exchange.services.receive import Received, WishDraft
from hospitals.listener import database, examples
from hospitals.listener.batching import Overloaded
from hospitals.listener.parsing import canonical, digest_of, object_of
from hospitals.listener.shapes import ProblemShape, ShareShape, TransactionAnswer, TransactionRequest
from hospitals.listener.waiters import waiters

RETRY_AFTER_SECONDS = 2
LARGE_BYTES = 65_536
METHODS = ("GET", "POST", "PUT")
BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
KEY = re.compile(r"[\x21-\x7e]{1,255}")
# `~` is ours: the second half of a resettle.
HIS_NO_IN_PATH = re.compile(rf"{HIS_NO.pattern}(?:~[0-9]{{1,2}})?")
# Made once: building the fields costs as much as checking a wish.
WISH = TransactionRequest()
ANSWER_MEMBERS = tuple(TransactionAnswer().fields)
PART_MEMBERS = {
    name: tuple(field.fields) for name, field in TransactionAnswer().fields.items() if isinstance(field, Serializer)
}
SHARE_MEMBERS = tuple(ShareShape().fields)
PROBLEM = OpenApiResponse(ProblemShape, description="What went wrong, and who must do what.")


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    return {(status, CONTENT_TYPE): PROBLEM for status in statuses}


def header(name: str, description: str, *, on: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=on)


KEY_PARAMETER = OpenApiParameter(
    "Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,255}$"}, OpenApiParameter.HEADER, required=True
)
HIS_NO_PARAMETER = OpenApiParameter(
    "his_no", {"type": "string", "pattern": f"^{HIS_NO_IN_PATH.pattern}$"}, OpenApiParameter.PATH
)


class IdempotencyKeyMissing(Problem):
    code = "idempotency_key_missing"
    status = 400
    title = "No usable Idempotency-Key"
    detail = "This request acts, so it needs the header Idempotency-Key: 1 to 255 visible ASCII characters."
    detail_zh = "该请求会产生业务动作，必须携带 Idempotency-Key 请求头（1 至 255 个可见 ASCII 字符）。"
    fix = "Make one random key per new request and repeat it whenever you repeat the request."
    fix_zh = "请为每个新请求生成一个随机的 Idempotency-Key，重发时保持不变。"


class ListenerView(APIView):
    """Base of the doors: who asks, and failures as problem+json.

    DRF's own `initial` would hop to a thread for every request; there is nothing in it that we use.
    """

    authentication_classes: ClassVar[list[Any]] = []
    permission_classes: ClassVar[list[Any]] = []
    # For the OpenAPI document only: bodies are read by `object_of`.
    parser_classes: ClassVar[list[Any]] = [JSONParser]

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        method = getattr(self, (request.method or "").lower(), None)
        try:
            if request.method not in METHODS or method is None:
                return self._not_allowed(request)
            holder = await _holder(request)
            values = {name: _decoded(value) for name, value in kwargs.items()}
            answer: HttpResponse = await method(request, holder, *args, **values)
            return answer
        except Overloaded:
            return problem_json(ServiceUnavailable(cause="too many requests are waiting"), trace_id=trace_of(request))
        except Exception as error:
            problem = as_problem(error)
            if problem.status >= 500:
                database.logger.error("trace %s: %s", trace_of(request), fault_told(error))
            return problem_json(problem, trace_id=trace_of(request))

    def _not_allowed(self, request: HttpRequest) -> HttpResponse:
        response = problem_json(MethodNotAllowed(method=request.method), trace_id=trace_of(request))
        response["Allow"] = ", ".join(name for name in METHODS if hasattr(self, name.lower()))
        return response


class Transactions(ListenerView):
    @extend_schema(
        operation_id="transactions_create",
        request=TransactionRequest,
        examples=examples.WISHES,
        parameters=[
            KEY_PARAMETER,
            header("Idempotent-Replayed", "`true`: this request was here before.", on=[200, 202]),
            header("Location", "Where the verdict will be.", on=[202]),
            header("Retry-After", "Seconds.", on=[202]),
        ],
        responses={200: TransactionAnswer, 202: TransactionAnswer}
        | problems(400, 401, 403, 405, 408, 409, 413, 415, 422, 500, 503),
    )
    async def post(self, request: Any, holder: KeyHolder) -> HttpResponse:
        """Store a wish, send it, and wait up to `wait_seconds` for its verdict: 200 when final, else 202 `pending`."""
        holder.require(Scope.TRANSACTIONS_WRITE)
        if len(request.raw_body) > LARGE_BYTES:
            # A long inpatient bill takes a third of a second to check: the others shall not wait for it.
            draft, wait_seconds = await asyncio.to_thread(_draft, request, holder, TransactionRequest())
        else:
            draft, wait_seconds = _draft(request, holder, WISH)
        received = await database.intake.do(draft)
        if received.problem is not None:
            raise await with_answer(received.problem, holder)
        return await _verdict(received, holder, wait_seconds)


class OneTransaction(ListenerView):
    @extend_schema(
        operation_id="transactions_read",
        parameters=[HIS_NO_PARAMETER],
        examples=examples.VERDICTS,
        responses={200: TransactionAnswer} | problems(401, 403, 404, 405, 408, 413, 500, 503),
    )
    async def get(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """The current verdict; 200 also while it is pending."""
        holder.require(Scope.TRANSACTIONS_READ)
        if not HIS_NO_IN_PATH.fullmatch(his_no):
            raise NotFound(noun="transaction", noun_zh="交易", key=his_no[:80])
        answer = await database.answers.do((holder.organisation_id, his_no))
        return told(answer, status=200)


async def with_answer(problem: Problem, holder: KeyHolder) -> Problem:
    """`problem` with the whole current answer of the transaction that it names."""
    named = problem.extra.get("transaction")
    if named is not None:
        # One that was told nothing yet is only named.
        whole = named if "id" in named else await database.answers.do((holder.organisation_id, named["his_no"]))
        problem.extra["transaction"] = in_order(whole)
    return problem


def _decoded(value: str) -> str:
    """A value of the path as the hospital means it. Raises NotFound for bytes that are no text."""
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise NotFound(noun="text", noun_zh="文本", key=value[:80]) from None


def key_of(request: Any) -> str:
    """The request's Idempotency-Key. Raises IdempotencyKeyMissing."""
    key = str(request.headers.get("Idempotency-Key", ""))
    if not KEY.fullmatch(key):
        raise IdempotencyKeyMissing
    return key


async def _holder(request: HttpRequest) -> KeyHolder:
    match = BEARER.fullmatch(request.headers.get("Authorization", ""))
    now = datetime.now(UTC) + timedelta(seconds=settings.CLOCK_OFFSET_SECONDS)
    return await database.holder_of(match[1] if match else "", now=now)


def _draft(request: Any, holder: KeyHolder, shape: TransactionRequest) -> tuple[WishDraft, float]:
    """The validated wish and how long its sender would wait. Raises Problem or ValidationError."""
    key = key_of(request)
    raw = object_of(request.raw_body, content_type=request.headers.get("Content-Type", ""))
    wish = shape.run_validation(raw)
    body = canonical(raw)
    bill, insurance, operator = wish.get("bill") or {}, wish.get("insurance") or {}, wish.get("operator") or {}
    draft = WishDraft(
        organisation_id=holder.organisation_id,
        by=holder.actor,
        idempotency_key=key,
        his_no=wish["his_no"],
        operation=wish["operation"],
        scheme=insurance.get("scheme") or "",
        region=insurance.get("region") or "",
        visit_no=wish["visit"]["visit_no"],
        bill_no=bill.get("bill_no") or "",
        batch_no=bill.get("batch_no") or "",
        inpatient=wish["visit"].get("kind") == "inpatient",
        total_minor=wish.get("total_minor"),
        currency=wish["currency"],
        body=json.loads(body),
        digest=digest_of(body),
        trace_id=trace_of(request),
        of=wish.get("of") or "",
        replaces=wish.get("replaces") or "",
        retry_of=wish.get("retry_of") or "",
        presettle_of=wish.get("presettle_of") or "",
        expect_cash_minor=wish.get("expect_cash_minor"),
        operator_no=operator.get("no") or "",
        shift_no=operator.get("shift_no") or "",
    )
    return draft, wish["wait_seconds"]


async def _verdict(received: Received, holder: KeyHolder, wait_seconds: float) -> HttpResponse:
    """Wait for the verdict; without one, what is stored as `pending` is what is told."""
    assert received.transaction_id is not None  # noqa: S101 - it is set wherever there is no problem
    answer = await waiters.verdict(received.transaction_id, wait_seconds=wait_seconds, look_first=received.replayed)
    if answer is None:
        answer = await database.answers.do((holder.organisation_id, received.his_no))
    pending = answer["verdict"] == "pending"
    response = told(answer, status=202 if pending else 200)
    if pending:
        response["Location"] = f"/api/his/v1/transactions/{received.his_no}"
        response["Retry-After"] = str(math.ceil(RETRY_AFTER_SECONDS))
    if received.replayed:
        response["Idempotent-Replayed"] = "true"
    return response


def told(answer: dict[str, Any], *, status: int) -> JsonResponse:
    return JsonResponse(in_order(answer), status=status, json_dumps_params={"ensure_ascii": False})


def in_order(answer: dict[str, Any]) -> dict[str, Any]:
    """A stored answer as its shape lists it: jsonb forgets the order of members."""
    ordered = _ordered(answer, ANSWER_MEMBERS)
    for name, members in PART_MEMBERS.items():
        if part := answer.get(name):
            ordered[name] = _ordered(part, members)
    if amounts := ordered.get("amounts"):
        amounts["shares"] = [_ordered(share, SHARE_MEMBERS) for share in amounts.get("shares", ())]
    return ordered


def _ordered(part: dict[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    """`part` with `members` first, in their order."""
    return {name: part[name] for name in members if name in part} | part


def trace_of(request: HttpRequest | Request) -> str:
    return str(request.trace_id)  # type: ignore[union-attr]
