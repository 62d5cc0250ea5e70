"""The interface of the money for programs of every party: paths of amounts, statements, remittance advices."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import DictField, Serializer
from rest_framework.views import APIView

from accounts.selectors import organisation_by_code
from accounts.services import KeyHolder, client_key_check
from accounts.states import OrganisationKind, Scope
from core.clock import database_now
from core.errors import Forbidden, NotFound
from core.problems import CONTENT_TYPE
from core.row_security import seen_by
from registry.policy_files import FILE_BYTES
from settlement.selectors.money_path import money_path_of
from settlement.selectors.statements import statement_lines, statement_visible, statements_visible
from settlement.services.remittances import AdviceDraft, AdvisedLine, advice_file_read, advice_take
from settlement.services.statement_answers import line_confirm, line_dispute
from settlement.services.statement_documents import statement_pdf, statement_workbook
from settlement.shapes import (
    JOB_A,
    AdviceAnswer,
    AdviceFileRequest,
    AdviceRequest,
    ConfirmRequest,
    DisputeRequest,
    MoneyAnswer,
    MoneyRequest,
    StatementAnswerShape,
    StatementLineShape,
    StatementShape,
    StatementsPage,
    StatementsRequest,
)

PDF, XLSX = "application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
BASE = "/api/money/v1"


class ProblemOfMoney(Serializer[Any]):
    """What went wrong, and who must do what (RFC 9457)."""

    def to_representation(self, instance: Any) -> Any:
        return DictField().to_representation(instance)


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    told = OpenApiResponse(ProblemOfMoney, description="problem+json: what went wrong, and who must do what.")
    return {(status, CONTENT_TYPE): told for status in statuses}


class Path(APIView):
    @extend_schema(
        operation_id="money_path",
        parameters=[MoneyRequest],
        responses={200: MoneyAnswer} | problems(401, 403, 404, 409, 422),
    )
    def get(self, request: Request) -> Response:
        """Every posting about an amount, oldest first, each with its evidence and the message behind it."""
        holder = _reader(request)
        form = MoneyRequest(data=request.query_params, context={"without": _closed_here()})
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        path = money_path_of(kind=asked["kind"], key=asked["key"], seen=[holder.organisation_id])
        return Response(MoneyAnswer(path.as_dict()).data)


class Statements(APIView):
    @extend_schema(
        operation_id="statements_list",
        parameters=[StatementsRequest],
        responses={200: StatementsPage} | problems(401, 403, 422),
    )
    def get(self, request: Request) -> Response:
        """The statements of the key's organisation, the latest first."""
        holder = _reader(request)
        form = StatementsRequest(data=request.query_params)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        with seen_by([holder.organisation_id]):
            rows = statements_visible(seen=[holder.organisation_id]).order_by("-statement_no")
            if asked["before"]:
                rows = rows.filter(statement_no__lt=asked["before"])
            found = list(rows[: asked["limit"] + 1])
            page = found[: asked["limit"]]
            following = page[-1].statement_no if len(found) > len(page) else None
            return Response({"items": StatementShape(page, many=True).data, "next": following})


class OneStatement(APIView):
    @extend_schema(operation_id="statements_read", responses={200: StatementAnswerShape} | problems(401, 403, 404))
    def get(self, request: Request, statement_no: str) -> Response:
        """A statement with its lines."""
        holder = _reader(request)
        return Response(_statement_shown(statement_no, holder))


class StatementFile(APIView):
    @extend_schema(
        operation_id="statements_file",
        responses={(200, XLSX): OpenApiTypes.BINARY, (200, PDF): OpenApiTypes.BINARY}
        | problems(401, 403, 404, 406, 503),
    )
    def get(self, request: Request, statement_no: str, ending: str) -> HttpResponse:
        """The same lines and sums to take away."""
        holder = _reader(request)
        make, media_type = {"xlsx": (statement_workbook, XLSX), "pdf": (statement_pdf, PDF)}[ending]
        content = make(statement_no=statement_no, seen=[holder.organisation_id])
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{statement_no}.{ending}"',
        }
        return HttpResponse(content, content_type=media_type, headers=headers)


class StatementConfirm(APIView):
    @extend_schema(
        operation_id="statements_confirm",
        request=ConfirmRequest,
        responses={200: StatementAnswerShape} | problems(401, 403, 404, 409, 422),
    )
    def post(self, request: Request, statement_no: str) -> Response:
        """The counterparty agrees with these lines, or with all that are open."""
        holder = _holder(request, Scope.MONEY_WRITE)
        form = ConfirmRequest(data=request.data)
        form.is_valid(raise_exception=True)
        line_confirm(
            statement_no=statement_no,
            line_nos=form.validated_data["line_nos"],
            seen=[holder.organisation_id],
            by=holder.actor,
            now=database_now(),
        )
        return Response(_statement_shown(statement_no, holder))


class StatementDispute(APIView):
    @extend_schema(
        operation_id="statements_dispute",
        request=DisputeRequest,
        responses={200: StatementAnswerShape} | problems(401, 403, 404, 409, 422),
    )
    def post(self, request: Request, statement_no: str) -> Response:
        """The counterparty does not agree with a line."""
        holder = _holder(request, Scope.MONEY_WRITE)
        form = DisputeRequest(data=request.data)
        form.is_valid(raise_exception=True)
        line_dispute(
            statement_no=statement_no,
            **form.validated_data,
            seen=[holder.organisation_id],
            by=holder.actor,
            now=database_now(),
        )
        return Response(_statement_shown(statement_no, holder))


class Advices(APIView):
    @extend_schema(
        operation_id="advices_create",
        request=AdviceRequest,
        responses={201: AdviceAnswer} | problems(401, 403, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """What a transfer of the key's organisation is for, line by line. Taken once, whole or not at all."""
        holder = _holder(request, Scope.MONEY_WRITE)
        form = AdviceRequest(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        draft = AdviceDraft(**{**asked, "lines": [AdvisedLine(**line) for line in asked["lines"]]})
        return _advised(holder, draft, b"")


class AdviceFiles(APIView):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="advices_file",
        request={"multipart/form-data": AdviceFileRequest},
        responses={201: AdviceAnswer} | problems(401, 403, 409, 415, 422),
    )
    def post(self, request: Request) -> Response:
        """The same as a file."""
        holder = _holder(request, Scope.MONEY_WRITE)
        form = AdviceFileRequest(data=request.data)
        form.is_valid(raise_exception=True)
        file = form.validated_data["file"]
        content = file.read(FILE_BYTES + 1)
        return _advised(holder, advice_file_read(file_name=file.name, content=content), content)


def _advised(holder: KeyHolder, draft: AdviceDraft, content: bytes) -> Response:
    with seen_by([holder.organisation_id]):
        organisation = organisation_by_code(code=holder.organisation_code)
        if organisation is None or organisation.kind != OrganisationKind.INSURER:
            raise Forbidden(subject="organisation", act="advise a transfer")
    advice = advice_take(
        organisation_id=holder.organisation_id, draft=draft, content=content, by=holder.actor, now=database_now()
    )
    shown = {
        "advice_no": advice.advice_no,
        "currency": advice.currency,
        "total_minor": advice.total_minor,
        "lines": len(draft.lines),
        "received_at": advice.received_at,
    }
    return Response(AdviceAnswer(shown).data, status=201)


def _statement_shown(statement_no: str, holder: KeyHolder) -> dict[str, Any]:
    with seen_by([holder.organisation_id]):
        statement = statement_visible(statement_no=statement_no, seen=[holder.organisation_id])
        if statement is None:
            raise NotFound(noun="statement", noun_zh="对账单", key=statement_no[:40])
        lines = statement_lines(statement=statement)
        return {**StatementShape(statement).data, "lines": StatementLineShape(lines, many=True).data}


def _closed_here() -> frozenset[str]:
    """Nothing of a hospital is answered on the public network."""
    return JOB_A if settings.PROFILE == "public" else frozenset()


def _reader(request: Request) -> KeyHolder:
    return _holder(request, Scope.MONEY_READ)


def _holder(request: Request, scope: Scope) -> KeyHolder:
    match = BEARER.fullmatch(request.headers.get("Authorization", ""))
    holder = client_key_check(match[1] if match else "", database_now())
    holder.require(scope)
    return holder


@cache
def _document() -> str:
    from settlement import urls

    patterns = [one for one in urls.urlpatterns if "openapi" not in str(one.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["info"] = {
        "title": "MediSettle money",
        "version": "1",
        "description": "For any amount the postings that moved it, with their evidence; statements to answer line by"
        " line; remittance advices of insurers. For programs of every party.",
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
