"""A refill: the next cycle of an authorisation in one step."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from claims.papers import BYTES, PaperTooLarge
from core.clock import database_now
from patients.api.base import PatientView, asked, problems, standing_in, trace_of
from patients.api.claim_answers import MyClaimAnswer, claim_shown
from patients.api.shapes import RenewRequest
from patients.services.renewals import NewPrescription, application_renew


class Renew(PatientView):
    parser_classes = (MultiPartParser,)
    most_bytes = BYTES + 64 * 1024  # The form around the file.

    @extend_schema(
        operation_id="authorisations_renew",
        request={"multipart/form-data": RenewRequest},
        responses={201: MyClaimAnswer} | problems(404, 409, 413, 415, 422),
    )
    def post(self, request: Request, authorisation_id: UUID) -> Response:
        """File the next cycle: nothing but the new prescription and its photograph is needed."""
        wished, now = asked(RenewRequest, request.data), database_now()
        paper = wished.pop("file")
        if paper.size > BYTES:
            raise PaperTooLarge(what="The file", what_zh="文件", most=f"{BYTES // 1024**2} MB")
        claim = application_renew(
            standing=standing_in(request),
            authorisation_id=authorisation_id,
            brought=NewPrescription(content=paper.read(), file_name=paper.name, **wished),
            now=now,
            trace_id=trace_of(request),
        )
        return Response(claim_shown(claim, now=now), status=201)
