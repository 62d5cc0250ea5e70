"""The interface of the money for programs: the path that an amount took, as far as the key's organisation may see."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import DictField, Serializer
from rest_framework.views import APIView

from accounts.services import KeyHolder, client_key_check
from accounts.states import Scope
from core.clock import database_now
from core.problems import CONTENT_TYPE
from settlement.selectors.money_path import money_path_of
from settlement.shapes import JOB_A, MoneyAnswer, MoneyRequest

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


def _closed_here() -> frozenset[str]:
    """Nothing of a hospital is answered on the public network."""
    return JOB_A if settings.PROFILE == "public" else frozenset()


def _reader(request: Request) -> KeyHolder:
    match = BEARER.fullmatch(request.headers.get("Authorization", ""))
    holder = client_key_check(match[1] if match else "", database_now())
    holder.require(Scope.MONEY_READ)
    return holder


@cache
def _document() -> str:
    from settlement import urls

    patterns = [one for one in urls.urlpatterns if "openapi" not in str(one.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["info"] = {
        "title": "MediSettle money",
        "version": "1",
        "description": "For any amount the postings that moved it, with their evidence. For programs of every party.",
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
