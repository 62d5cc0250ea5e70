"""The door: authenticate, validate, store, hand to Celery, wait for the result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from celery.exceptions import TimeoutError as NoResultInTime
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.services import client_key_check
from accounts.states import Scope
from bench.baseline.receive import wish_receive
from bench.baseline.tasks import settle
from core.errors import Problem
from core.ids import new_trace_id
from core.row_security import seen_by
from hospitals.listener.shapes import TransactionRequest


class IdempotencyKeyMissing(Problem):
    code = "idempotency_key_missing"
    status = 400
    title = detail = detail_zh = fix = "Idempotency-Key is required"


class Transactions(APIView):
    def post(self, request: Request) -> Response:
        """Store a wish, have it sent, and wait up to `wait_seconds` for its verdict."""
        holder = client_key_check(request.headers.get("Authorization", "").removeprefix("Bearer "), datetime.now(UTC))
        holder.require(Scope.TRANSACTIONS_WRITE)
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            raise IdempotencyKeyMissing
        shape = TransactionRequest(data=request.data)
        shape.is_valid(raise_exception=True)
        wish: dict[str, Any] = shape.validated_data
        with seen_by([holder.organisation_id]):
            row, known_answer = wish_receive(
                holder=holder, key=key, wish=wish, raw=cast(dict[str, Any], request.data), trace_id=new_trace_id()
            )
        if known_answer is not None:
            return Response(known_answer, headers={"Idempotent-Replayed": "true"})
        try:
            return Response(settle.delay(str(row.pk)).get(timeout=wish["wait_seconds"]))
        except NoResultInTime:
            return Response({"his_no": row.his_no, "verdict": "pending", "state": row.state}, status=202)
