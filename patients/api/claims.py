"""Applications: draft, materials, filing, tracking, answer, withdrawal, appeal; policies and what they rest on."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from claims.papers import BYTES, PaperTooLarge
from claims.selectors.claims import claim_by_id, claims_of_persons
from claims.selectors.documents import page_visible
from claims.services.documents import page_read
from claims.services.drafts import ClaimDraft, LineDraft
from claims.states import Audience
from core.clock import database_now
from core.errors import NotFound
from patients.api.answers import (
    AuthorisationsAnswer,
    PoliciesAnswer,
    PrescriptionAnswer,
    PrescriptionsAnswer,
)
from patients.api.base import PatientView, asked, page, problems, standing_in, trace_of
from patients.api.claim_answers import (
    DocumentAnswer,
    MyClaimAnswer,
    MyClaimsPage,
    ReadinessAnswer,
    WholeClaimAnswer,
    claim_shown,
    readiness_shown,
    whole_claim_shown,
)
from patients.api.session import whose
from patients.api.shapes import (
    AnswerRequest,
    AppealRequest,
    ChangeRequest,
    CourierRequest,
    DraftRequest,
    PersonRequest,
    PrescriptionRequest,
    UploadRequest,
)
from patients.services.applications import (
    application_answer,
    application_appeal,
    application_change,
    application_draft,
    application_paper,
    application_submit,
    application_take_back,
    application_upload,
    application_withdraw,
    prescription_add,
)
from registry.selectors.authorisations import authorisations_of
from registry.selectors.policies import cover_on, policies_of
from registry.selectors.prescriptions import prescriptions_of
from registry.selectors.products import product_day
from registry.selectors.terms import terms_on, terms_read
from registry.services.prescriptions import PrescriptionDraft
from registry.states import DocumentKind

if TYPE_CHECKING:
    from claims.models import Claim

ACTS = problems(404, 409, 422)


class Policies(PatientView):
    @extend_schema(
        operation_id="policies_list", parameters=[PersonRequest], responses={200: PoliciesAnswer} | problems(404, 422)
    )
    def get(self, request: Request) -> Response:
        """The person's policies, and what each is today."""
        wished = asked(PersonRequest, request.query_params)
        act = standing_in(request).act_for(person_id=whose(request, wished["person_id"]))
        items = [_policy(policy, record) for record in act.records for policy in policies_of(person_id=record)]
        return Response(PoliciesAnswer({"items": items}).data)


class Authorisations(PatientView):
    @extend_schema(
        operation_id="authorisations_list",
        parameters=[PersonRequest],
        responses={200: AuthorisationsAnswer} | problems(404, 422),
    )
    def get(self, request: Request) -> Response:
        """What the person may get for how long: the next cycle is asked for with it."""
        wished = asked(PersonRequest, request.query_params)
        act = standing_in(request).act_for(person_id=whose(request, wished["person_id"]))
        items = [one for record in act.records for one in authorisations_of(person_id=record)]
        return Response(AuthorisationsAnswer({"items": items}).data)


class Prescriptions(PatientView):
    @extend_schema(
        operation_id="prescriptions_list",
        parameters=[PersonRequest],
        responses={200: PrescriptionsAnswer} | problems(404, 422),
    )
    def get(self, request: Request) -> Response:
        """What doctors prescribed to the person."""
        wished = asked(PersonRequest, request.query_params)
        act = standing_in(request).act_for(person_id=whose(request, wished["person_id"]))
        items = [one for record in act.records for one in prescriptions_of(person_id=record)]
        return Response(PrescriptionsAnswer({"items": items}).data)

    @extend_schema(
        operation_id="prescriptions_add", request=PrescriptionRequest, responses={201: PrescriptionAnswer} | ACTS
    )
    def post(self, request: Request) -> Response:
        """Tell of a prescription; the paper itself is a document of the application."""
        draft = PrescriptionDraft(**asked(PrescriptionRequest, request.data))
        stored = prescription_add(standing=standing_in(request), draft=draft, now=database_now())
        return Response(PrescriptionAnswer(stored).data, status=201)


class Claims(PatientView):
    @extend_schema(
        operation_id="my_claims_list", parameters=[PersonRequest], responses={200: MyClaimsPage} | problems(404, 422)
    )
    def get(self, request: Request) -> Response:
        """The person's applications, drafts too, the latest first."""
        wished, now = asked(PersonRequest, request.query_params), database_now()
        act = standing_in(request).act_for(person_id=whose(request, wished["person_id"]))
        rows, following = page(claims_of_persons(person_ids=act.records), request)
        return Response({"items": [claim_shown(row, now=now) for row in rows], "next": following})

    @extend_schema(operation_id="claims_draft", request=DraftRequest, responses={201: MyClaimAnswer} | ACTS)
    def post(self, request: Request) -> Response:
        """Begin an application: it stays on the server, incomplete as long as one likes."""
        now = database_now()
        draft = _draft(asked(DraftRequest, request.data))
        claim = application_draft(standing=standing_in(request), draft=draft, now=now, trace_id=trace_of(request))
        return Response(claim_shown(claim, now=now), status=201)


class OneClaim(PatientView):
    @extend_schema(operation_id="my_claim_read", responses={200: WholeClaimAnswer} | problems(404))
    def get(self, request: Request, claim_id: UUID) -> Response:
        """Where it stands: whose turn until when, documents, decisions with their clauses, the timeline."""
        return Response(whole_claim_shown(_claim(request, claim_id), now=database_now()))

    @extend_schema(operation_id="claims_change", request=ChangeRequest, responses={200: MyClaimAnswer} | ACTS)
    def put(self, request: Request, claim_id: UUID) -> Response:
        """Another content for the draft that was read at `version`."""
        now, wished = database_now(), asked(ChangeRequest, request.data)
        version = wished.pop("version")
        claim = application_change(
            standing=standing_in(request),
            claim_id=claim_id,
            draft=_draft(wished),
            version=version,
            now=now,
            trace_id=trace_of(request),
        )
        return Response(claim_shown(claim, now=now))


class Readiness(PatientView):
    @extend_schema(operation_id="claims_readiness", responses={200: ReadinessAnswer} | problems(404))
    def get(self, request: Request, claim_id: UUID) -> Response:
        """The checklist and everything that stands against filing, at once."""
        return Response(readiness_shown(_claim(request, claim_id), now=database_now()))


class Documents(PatientView):
    parser_classes = (MultiPartParser,)
    most_bytes = BYTES + 64 * 1024  # The form around the file.

    @extend_schema(
        operation_id="documents_add",
        request={"multipart/form-data": UploadRequest},
        responses={201: DocumentAnswer} | problems(404, 409, 413, 415, 422),
    )
    def post(self, request: Request, claim_id: UUID) -> Response:
        """Hand in a photo or PDF. The same file again changes nothing."""
        wished = asked(UploadRequest, request.data)
        if wished["file"].size > BYTES:
            raise PaperTooLarge(what="The file", what_zh="文件", most=f"{BYTES // 1024**2} MB")
        document = application_upload(
            standing=standing_in(request),
            claim_id=claim_id,
            kind=DocumentKind(wished["kind"]),
            content=wished["file"].read(),
            file_name=wished["file"].name,
            issued_on=wished["issued_on"],
            now=database_now(),
            trace_id=trace_of(request),
        )
        return Response(DocumentAnswer(document).data, status=201)


class OneDocument(PatientView):
    @extend_schema(operation_id="documents_take_back", responses={204: None} | problems(404, 409))
    def delete(self, request: Request, claim_id: UUID, document_id: UUID) -> Response:
        """Take a file back, as long as nobody has reviewed it."""
        application_take_back(
            standing=standing_in(request),
            claim_id=claim_id,
            document_id=document_id,
            now=database_now(),
            trace_id=trace_of(request),
        )
        return Response(status=204)


class PageImage(PatientView):
    @extend_schema(operation_id="documents_page", responses={(200, "image/jpeg"): OpenApiTypes.BINARY} | problems(404))
    def get(self, request: Request, claim_id: UUID, document_id: UUID, number: int) -> HttpResponse:
        """One page as reviewers see it."""
        claim = _claim(request, claim_id)
        found = page_visible(claim=claim, document_id=document_id, number=number, role=Audience.PATIENT)
        if found is None:
            raise NotFound(noun="page", noun_zh="页面", key=number)
        response = HttpResponse(page_read(page=found), content_type="image/jpeg")
        response["X-Content-Type-Options"] = "nosniff"
        return response


class Submit(PatientView):
    @extend_schema(operation_id="claims_submit", request=None, responses={200: MyClaimAnswer} | ACTS)
    def post(self, request: Request, claim_id: UUID) -> Response:
        """File it. Whatever is missing is told at once, under `faults`."""
        return _done(request, claim_id, application_submit)


class Answer(PatientView):
    @extend_schema(operation_id="claims_answer", request=AnswerRequest, responses={200: MyClaimAnswer} | ACTS)
    def post(self, request: Request, claim_id: UUID) -> Response:
        """What was asked for is there, or why it cannot be had."""
        return _done(request, claim_id, application_answer, **asked(AnswerRequest, request.data))


class Paper(PatientView):
    @extend_schema(operation_id="claims_paper", request=CourierRequest, responses={200: MyClaimAnswer} | ACTS)
    def post(self, request: Request, claim_id: UUID) -> Response:
        """The paper originals are on their way, with this courier's number."""
        return _done(request, claim_id, application_paper, **asked(CourierRequest, request.data))


class Withdraw(PatientView):
    @extend_schema(operation_id="claims_withdraw", request=None, responses={200: MyClaimAnswer} | ACTS)
    def post(self, request: Request, claim_id: UUID) -> Response:
        """One does not want it any more."""
        return _done(request, claim_id, application_withdraw)


class Appeal(PatientView):
    @extend_schema(operation_id="claims_appeal", request=AppealRequest, responses={200: MyClaimAnswer} | ACTS)
    def post(self, request: Request, claim_id: UUID) -> Response:
        """Another person shall look at a refusal."""
        return _done(request, claim_id, application_appeal, **asked(AppealRequest, request.data))


def _done(request: Request, claim_id: UUID, act: Any, **values: Any) -> Response:
    now = database_now()
    claim = act(standing=standing_in(request), claim_id=claim_id, now=now, trace_id=trace_of(request), **values)
    return Response(claim_shown(claim, now=now))


def _claim(request: Request, claim_id: UUID) -> Claim:
    claim = claim_by_id(claim_id=claim_id)
    if claim is None or claim.person_id not in standing_in(request).sees:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    return claim


def _draft(values: dict[str, Any]) -> ClaimDraft:
    lines = tuple(LineDraft(**line) for line in values.pop("lines"))
    return ClaimDraft(lines=lines, **values)


def _policy(policy: Any, person_id: UUID) -> dict[str, Any]:
    today = product_day(product=policy.product, now=database_now())
    terms = terms_on(product_code=policy.product_id, on=today)
    cover = cover_on(policy=policy, person_id=person_id, on=today, terms=terms_read(terms=terms)) if terms else None
    waiting: date | None = cover.waiting_until if cover is not None else None
    return {
        "id": policy.pk,
        "policy_no": policy.policy_no,
        "product": policy.product_id,
        "product_name": policy.product.name,
        "product_name_zh": policy.product.name_zh,
        "starts_on": policy.starts_on,
        "ends_on": policy.ends_on,
        "covered_today": cover is not None and cover.covers,
        "waiting_until": waiting,
    }
