"""What a hospital says of its wishes: booked, paid in cash, never booked, cash given back, service not given."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from accounts.services import KeyHolder
from accounts.states import Scope
from core.errors import NotFound
from core.money import EXPONENTS
from exchange.services.acts import ActDraft
from exchange.states import VerdictWord
from hospitals.listener import database
from hospitals.listener.api import (
    HIS_NO_IN_PATH,
    HIS_NO_PARAMETER,
    KEY_PARAMETER,
    ListenerView,
    header,
    key_of,
    problems,
    told,
    trace_of,
    with_answer,
)
from hospitals.listener.examples import ACTS
from hospitals.listener.parsing import canonical, digest_of, object_of
from hospitals.listener.shapes import (
    VISIT_NO,
    VISIT_NO_SAYS,
    Choice,
    Identifier,
    MinorField,
    Moment,
    TransactionAnswer,
    optional_identifier,
    optional_text,
    text,
)


class AbandonRequest(serializers.Serializer[Any]):
    """The cashier took cash because no verdict came; we own the reversal."""

    self_paid_minor = MinorField(min_value=1, help_text="Cash taken, minor units.")
    collected_at = Moment(required=False, allow_null=True, help_text="Default: now.")
    tender = optional_text(40)
    receipt_no = optional_identifier(64)
    operator_no = optional_text(40)
    shift_no = optional_text(40)
    visit_no = Identifier(
        form=VISIT_NO, says=VISIT_NO_SAYS, max_length=64, required=False, allow_null=True, allow_blank=True
    )
    bill_no = optional_identifier(64)
    total_minor = MinorField(required=False, allow_null=True, min_value=1)
    currency = Choice(choices=sorted(EXPONENTS), required=False)


class AcknowledgeRequest(serializers.Serializer[Any]):
    """The hospital has booked the verdict; another one than the current one is refused."""

    verdict = Choice(choices=VerdictWord.values, required=False, allow_null=True)


class DisownRequest(serializers.Serializer[Any]):
    """The hospital never booked this success: reverse it."""

    reason = text(500)


class RefundedRequest(serializers.Serializer[Any]):
    """The patient got his money back."""

    amount_minor = MinorField(min_value=1)
    refund_no = Identifier(max_length=64, help_text="Makes a refund that is told twice count once.")
    tender = optional_text(40)
    original_tender_ref = optional_text(100)
    red_receipt_no = optional_text(100)
    operator_no = optional_text(40)
    shift_no = optional_text(40)


class ServiceCancelledRequest(serializers.Serializer[Any]):
    """The service will not be given: all cash is due back."""


class ActView(ListenerView):
    """One kind of act on one transaction. The body may be empty where nothing is needed."""

    act: ClassVar[str]
    shape: ClassVar[type[serializers.Serializer[Any]]]

    async def apply(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        holder.require(Scope.TRANSACTIONS_WRITE)
        if not HIS_NO_IN_PATH.fullmatch(his_no):
            raise NotFound(noun="transaction", noun_zh="交易", key=his_no[:80])
        key = key_of(request)
        content_type = request.headers.get("Content-Type", "")
        raw = object_of(request.raw_body, content_type=content_type) if request.raw_body else {}
        values = self.shape().run_validation(raw)
        draft = ActDraft(
            organisation_id=holder.organisation_id,
            by=holder.actor,
            idempotency_key=key,
            digest=digest_of(f"{self.act}/{his_no}/".encode() + canonical(raw)),
            act=self.act,
            his_no=his_no,
            values=values,
            trace_id=trace_of(request),
        )
        acted, answer = await database.acts.do(draft)
        if acted.problem is not None:
            raise await with_answer(acted.problem, holder)
        response = told(answer, status=200)
        if acted.replayed:
            response["Idempotent-Replayed"] = "true"
        return response


def _documented(act: str, shape: type[serializers.Serializer[Any]]) -> Any:
    return extend_schema(
        operation_id=f"transactions_{act.replace('-', '_')}",
        request=shape,
        examples=ACTS[act],
        parameters=[HIS_NO_PARAMETER, KEY_PARAMETER, header("Idempotent-Replayed", "`true`: told before.", on=[200])],
        responses={200: TransactionAnswer} | problems(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 500, 503),
    )


class Abandon(ActView):
    act, shape = "abandon", AbandonRequest

    @_documented("abandon", AbandonRequest)
    async def post(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """Cash was taken; never dropped, also for a his_no that never came. 409 with the verdict once it has ended."""
        return await self.apply(request, holder, his_no)


class Acknowledge(ActView):
    act, shape = "acknowledge", AcknowledgeRequest

    @_documented("acknowledge", AcknowledgeRequest)
    async def post(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """The hospital has booked the verdict."""
        return await self.apply(request, holder, his_no)


class Disown(ActView):
    act, shape = "disown", DisownRequest

    @_documented("disown", DisownRequest)
    async def post(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """The hospital never booked this success: it is reversed."""
        return await self.apply(request, holder, his_no)


class Refunded(ActView):
    act, shape = "refunded", RefundedRequest

    @_documented("refunded", RefundedRequest)
    async def post(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """The patient got his money back: at most what is due."""
        return await self.apply(request, holder, his_no)


class ServiceCancelled(ActView):
    act, shape = "service-cancelled", ServiceCancelledRequest

    @_documented("service-cancelled", ServiceCancelledRequest)
    async def post(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """The service will not be given: all cash is due back once nothing is live."""
        return await self.apply(request, holder, his_no)
