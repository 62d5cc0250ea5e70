"""The claims' interface for programs of insurers and administrators: what they are a party of, to read.

Decisions come through the SPI (insurers) and the portals; patients have an interface of their own.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import DictField, Serializer
from rest_framework.views import APIView

from accounts.services import KeyHolder, client_key_check
from accounts.states import Scope
from claims.models import Claim
from claims.selectors.claims import claims_of_organisation
from claims.selectors.documents import documents_visible, page_visible
from claims.selectors.timeline import next_step, timeline_of
from claims.services.documents import page_read
from claims.shapes import (
    ClaimAnswer,
    ClaimsPage,
    ClaimsRequest,
    DocumentShape,
    LineShape,
    PartyShape,
    TimelineAnswer,
    claim_shown,
    entry_shown,
    next_step_shown,
)
from claims.states import Audience
from core.clock import database_now
from core.errors import NotFound
from core.problems import CONTENT_TYPE
from core.row_security import seen_by

BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
BASE = "/api/claims/v1"


class ProblemOfClaims(Serializer[Any]):
    """What went wrong, and who must do what (RFC 9457)."""

    def to_representation(self, instance: Any) -> Any:
        return DictField().to_representation(instance)


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    told = OpenApiResponse(ProblemOfClaims, description="problem+json: what went wrong, and who must do what.")
    return {(status, CONTENT_TYPE): told for status in statuses}


class Claims(APIView):
    @extend_schema(
        operation_id="claims_list",
        parameters=[ClaimsRequest],
        responses={200: ClaimsPage} | problems(401, 403, 422),
    )
    def get(self, request: Request) -> Response:
        """The claims that the key's organisation is a party of, the latest first."""
        holder = _reader(request)
        form = ClaimsRequest(data=request.query_params)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        with seen_by([holder.organisation_id]):
            rows = claims_of_organisation(organisation_id=holder.organisation_id).order_by("-id")
            if asked["state"]:
                rows = rows.filter(state=asked["state"])
            if asked["after"]:
                rows = rows.filter(id__lt=asked["after"])
            found = list(rows[: asked["limit"] + 1])
            page = found[: asked["limit"]]
            following = page[-1].pk if len(found) > len(page) else None
            return Response({"items": [claim_shown(claim) for claim in page], "next": following})


class OneClaim(APIView):
    @extend_schema(operation_id="claims_read", responses={200: ClaimAnswer} | problems(401, 403, 404))
    def get(self, request: Request, claim_no: str) -> Response:
        """A claim with its arithmetic line by line, its parties, papers and next step."""
        holder = _reader(request)
        with seen_by([holder.organisation_id]):
            claim = _claim(holder, claim_no)
            documents = documents_visible(claim=claim, role=Audience.INSURER)
            # Row security shows each party its own line of the table only.
            parties = claim.parties.select_related("organisation").order_by("id")
            return Response(
                {
                    **claim_shown(claim),
                    "lines": LineShape(claim.lines.order_by("line_no"), many=True).data,
                    "parties": PartyShape(parties, many=True).data,
                    "documents": DocumentShape(documents, many=True).data,
                    "next_step": next_step_shown(next_step(claim=claim, now=database_now())),
                }
            )


class Timeline(APIView):
    @extend_schema(operation_id="claims_timeline", responses={200: TimelineAnswer} | problems(401, 403, 404))
    def get(self, request: Request, claim_no: str) -> Response:
        """What happened, oldest first, through an insurer's lens."""
        holder = _reader(request)
        with seen_by([holder.organisation_id]):
            entries = timeline_of(claim=_claim(holder, claim_no), audience=Audience.INSURER)
            return Response({"items": [entry_shown(entry) for entry in entries]})


class Page(APIView):
    @extend_schema(
        operation_id="claims_page",
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY} | problems(401, 403, 404),
    )
    def get(self, request: Request, claim_no: str, document_id: UUID, number: int) -> HttpResponse:
        """A page of a paper, as its reviewers see it."""
        holder = _reader(request)
        with seen_by([holder.organisation_id]):
            claim = _claim(holder, claim_no)
            page = page_visible(claim=claim, document_id=document_id, number=number, role=Audience.INSURER)
            if page is None:
                raise NotFound(noun="page", noun_zh="材料页", key=number)
            return HttpResponse(page_read(page=page), content_type="image/jpeg", headers=NEVER_KEPT)


NEVER_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _reader(request: Request) -> KeyHolder:
    match = BEARER.fullmatch(request.headers.get("Authorization", ""))
    holder = client_key_check(match[1] if match else "", database_now())
    holder.require(Scope.CLAIMS_READ)
    return holder


def _claim(holder: KeyHolder, claim_no: str) -> Claim:
    claim = claims_of_organisation(organisation_id=holder.organisation_id).filter(claim_no=claim_no).first()
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_no[:40])
    return claim


@cache
def _document() -> str:
    from claims import urls

    patterns = [one for one in urls.urlpatterns if "openapi" not in str(one.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["info"] = {
        "title": "MediSettle claims",
        "version": "1",
        "description": "Claims of specialty drugs, to read for the programs of insurers and administrators.",
    }
    schema["paths"] = {f"{BASE}{path}": operations for path, operations in schema["paths"].items()}
    schema.setdefault("components", {})["securitySchemes"] = {"clientKey": {"type": "http", "scheme": "bearer"}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["security"] = [{"clientKey": []}]
    return json.dumps(schema, ensure_ascii=False)


@require_GET
def schema_document(_: HttpRequest) -> HttpResponse:
    """The OpenAPI 3.1 document, made from the code once per process; needs no key."""
    return HttpResponse(_document(), content_type="application/json")
