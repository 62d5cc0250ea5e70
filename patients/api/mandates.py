"""The mandate: with it the platform lays the money out, claims and collects for the patient."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from claims.selectors.claims import claim_by_id
from core.clock import database_now
from core.errors import NotFound
from patients.api.base import PatientView, asked, problems, standing_in, trace_of
from patients.api.shapes import Shape
from patients.consent_texts import MANDATE_TEXTS
from patients.services.consents import ConsentTextMoved
from patients.states import Capacity
from settlement.services.mandates import mandate_of, mandate_sign


class MandateRequest(Shape):
    version = serializers.IntegerField(min_value=1)
    at_most_minor = serializers.IntegerField(min_value=1)


class MandateAnswer(serializers.Serializer[Any]):
    """What is to be signed, and what was: `signed_minor` null while nothing is."""

    version = serializers.IntegerField()
    text = serializers.CharField()
    text_zh = serializers.CharField()
    at_most_minor = serializers.IntegerField()
    currency = serializers.CharField()
    signed_minor = serializers.IntegerField(allow_null=True)
    signed_at = serializers.DateTimeField(allow_null=True)


class OneMandate(PatientView):
    @extend_schema(operation_id="claims_mandate", responses={200: MandateAnswer} | problems(404))
    def get(self, request: Request, claim_id: UUID) -> Response:
        """The text with the largest amount at risk."""
        return Response(_shown(request, claim_id))

    @extend_schema(
        operation_id="claims_mandate_sign",
        request=MandateRequest,
        responses={200: MandateAnswer} | problems(403, 404, 409, 422),
    )
    def post(self, request: Request, claim_id: UUID) -> Response:
        """Signed by the person himself or his guardian; a helper cannot."""
        wished, shown, standing = asked(MandateRequest, request.data), _shown(request, claim_id), standing_in(request)
        if wished["version"] != shown["version"]:
            raise ConsentTextMoved(code="MANDATE", seen=wished["version"], current=shown["version"])
        act = standing.owner_of(person_id=_person(request, claim_id))
        mandate_sign(
            claim_id=claim_id,
            at_most_minor=wished["at_most_minor"],
            text_version=wished["version"],
            signed_by=standing.by,
            on_behalf=act.capacity != Capacity.SELF,
            now=database_now(),
            trace_id=trace_of(request),
        )
        return Response(_shown(request, claim_id))


def _person(request: Request, claim_id: UUID) -> UUID:
    claim = claim_by_id(claim_id=claim_id)
    if claim is None or claim.person_id not in standing_in(request).sees:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    return claim.person_id


def _shown(request: Request, claim_id: UUID) -> dict[str, Any]:
    _person(request, claim_id)
    claim = claim_by_id(claim_id=claim_id)
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    text, signed = MANDATE_TEXTS[-1], mandate_of(claim_id=claim_id)
    return {
        "version": text.version,
        "text": text.text,
        "text_zh": text.text_zh,
        "at_most_minor": claim.payable_minor,
        "currency": claim.currency,
        "signed_minor": signed.at_most_minor if signed is not None else None,
        "signed_at": signed.signed_at if signed is not None else None,
    }
