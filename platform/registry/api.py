"""The registry's interface: drugs and products for everybody, files of policies from insurers' programs."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
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
from registry.models import Product, Terms
from registry.policy_files import FILE_BYTES, FileRefused
from registry.selectors.products import (
    drugs_known,
    product_by_code,
    product_day,
    products_offered,
    shares_of,
)
from registry.selectors.terms import terms_on, terms_read
from registry.services.policies import TOTALS, policies_import
from registry.shapes import (
    ChecklistAnswer,
    ChecklistRequest,
    DayRequest,
    DrugsPage,
    ImportAnswer,
    ImportRequest,
    PageRequest,
    ProductAnswer,
    ProductsPage,
    drug_shown,
    material_shown,
    product_shown,
    share_shown,
    terms_shown,
)

BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)


class ProblemDocument(Serializer[Any]):
    """What went wrong, and who must do what (RFC 9457)."""

    def to_representation(self, instance: Any) -> Any:
        return DictField().to_representation(instance)


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    told = OpenApiResponse(ProblemDocument, description="problem+json: what went wrong, and who must do what.")
    return {(status, CONTENT_TYPE): told for status in statuses}


class Drugs(APIView):
    @extend_schema(
        operation_id="drugs_list", auth=[], parameters=[PageRequest], responses={200: DrugsPage} | problems(422)
    )
    def get(self, request: Request) -> Response:
        """The catalogue by code, without what is discontinued."""
        rows, following = _page(drugs_known(on=database_now().date()), request)
        return Response({"items": [drug_shown(row) for row in rows], "next": following})


class Products(APIView):
    @extend_schema(
        operation_id="products_list", auth=[], parameters=[PageRequest], responses={200: ProductsPage} | problems(422)
    )
    def get(self, request: Request) -> Response:
        """What can be had today, by code."""
        rows, following = _page(products_offered(on=database_now().date()), request)
        return Response({"items": [product_shown(row) for row in rows], "next": following})


class OneProduct(APIView):
    @extend_schema(
        operation_id="products_read",
        auth=[],
        parameters=[DayRequest],
        responses={200: ProductAnswer} | problems(404, 422),
    )
    def get(self, request: Request, code: str) -> Response:
        """A product with its carriers and the terms in force on a day."""
        product, on = _product(request, code)
        terms = terms_on(product_code=product.pk, on=on)
        return Response(
            {
                **product_shown(product),
                "on": on.isoformat(),
                "shares": [share_shown(share) for share in shares_of(product=product)],
                "terms": terms_shown(terms, terms_read(terms=terms)) if terms is not None else None,
            }
        )


class Checklist(APIView):
    @extend_schema(
        operation_id="products_checklist",
        auth=[],
        parameters=[ChecklistRequest],
        responses={200: ChecklistAnswer} | problems(404, 422),
    )
    def get(self, request: Request, code: str) -> Response:
        """What a patient has to hand in, told before he begins."""
        product, on = _product(request, code)
        asked = _asked(ChecklistRequest, request)
        terms: Terms | None = terms_on(product_code=product.pk, on=on)
        read = terms_read(terms=terms) if terms is not None else None
        if terms is None or read is None or read.listed(asked["drug"]) is None:
            raise NotFound(noun="listed drug", noun_zh="目录内药品", key=asked["drug"])
        materials = read.checklist(drug=asked["drug"], kind=asked["kind"])
        return Response(
            {
                "product": product.pk,
                "drug": asked["drug"],
                "kind": asked["kind"],
                "on": on.isoformat(),
                "terms_number": terms.number,
                "materials": [material_shown(one) for one in materials],
            }
        )


class PolicyImports(APIView):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="policies_import",
        request={"multipart/form-data": ImportRequest},
        responses={200: ImportAnswer} | problems(401, 403, 409, 415, 422),
    )
    def post(self, request: Request) -> Response:
        """A file of policies: taken whole or not at all. Bad rows are told in `row_errors`, and the answer is 200."""
        holder = _holder(request)
        holder.require(Scope.POLICIES_WRITE)
        form = ImportRequest(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        file = values["file"]
        if file.size > FILE_BYTES:
            limit = FILE_BYTES // 1024**2
            raise FileRefused(explanation=f"It has more than {limit} MB.", explanation_zh=f"超过 {limit} MB。")
        with seen_by([holder.organisation_id]):
            organisation = organisation_by_code(code=holder.organisation_code)
            if organisation is None or organisation.kind != OrganisationKind.INSURER:
                raise Forbidden(subject="organisation", act="import policies")
            result = policies_import(
                organisation=organisation,
                file_name=file.name,
                content=file.read(),
                dry_run=values["dry_run"],
                expected_totals={name: values[name] for name in TOTALS if name in values},
                by=holder.actor,
                now=database_now(),
            )
        return Response(ImportAnswer(result).data)


def _holder(request: Request) -> KeyHolder:
    match = BEARER.fullmatch(request.headers.get("Authorization", ""))
    return client_key_check(match[1] if match else "", database_now())


def _asked(shape: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    form = shape(data=request.query_params)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _page(rows: QuerySet[Any], request: Request) -> tuple[list[Any], str | None]:
    """The rows after the code `after`, at most `limit`, and where the next page begins."""
    asked = _asked(PageRequest, request)
    found = list(rows.filter(code__gt=asked["after"])[: asked["limit"] + 1])
    more = len(found) > asked["limit"]
    page = found[: asked["limit"]]
    return page, page[-1].code if more else None


def _product(request: Request, code: str) -> tuple[Product, date]:
    """The product and the day asked for. Raises NotFound."""
    product = product_by_code(code=code)
    if product is None:
        raise NotFound(noun="product", noun_zh="产品", key=code)
    asked = _asked(DayRequest, request)
    return product, asked["on"] or product_day(product=product, now=database_now())


@cache
def _document() -> str:
    from registry import urls

    patterns = [one for one in urls.urlpatterns if "openapi" not in str(one.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["info"] = {
        "title": "MediSettle registry",
        "version": "1",
        "description": "Drugs, products and their checklists for everybody; files of policies from insurers' programs.",
    }
    schema["paths"] = {f"/api/registry/v1{path}": operations for path, operations in schema["paths"].items()}
    schema.setdefault("components", {})["securitySchemes"] = {"clientKey": {"type": "http", "scheme": "bearer"}}
    schema["paths"]["/api/registry/v1/policies/imports"]["post"]["security"] = [{"clientKey": []}]
    return json.dumps(schema, ensure_ascii=False)


@require_GET
def schema_document(_: HttpRequest) -> HttpResponse:
    """The OpenAPI 3.1 document, made from the code once per process; needs no key."""
    return HttpResponse(_document(), content_type="application/json")
