"""The OpenAPI 3.1 document, made from the code once per process."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator

from core.problems import MethodNotAllowed, problem_json
from hospitals.listener.desk_shapes import DAY_ROWS_LIMIT, SHARES_LIMIT, TENDERS_LIMIT
from hospitals.listener.shapes import ITEMS_LIMIT

LISTS = (
    ("TransactionRequest", "items", ITEMS_LIMIT),
    ("ShiftCloseRequest", "totals", TENDERS_LIMIT),
    ("DayListRequest", "rows", DAY_ROWS_LIMIT),
    ("ListedFee", "shares", SHARES_LIMIT),
)


@cache
def document() -> str:
    from hospitals.listener import urls

    patterns = [one for one in urls.urlpatterns if "openapi" not in str(one.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["paths"] = {f"/api/his/v1{path}": operations for path, operations in schema["paths"].items()}
    # What the generator does not read from a serializer with `many`.
    for name, member, limit in LISTS:
        schema["components"]["schemas"][name]["properties"][member]["maxItems"] = limit
    schema["components"]["securitySchemes"] = {"clientKey": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"clientKey": []}]
    return json.dumps(schema, ensure_ascii=False)


async def schema_document(request: HttpRequest) -> HttpResponse:
    """GET openapi.json: needs no key."""
    if request.method != "GET":
        problem = MethodNotAllowed(method=request.method)
        response: HttpResponse = problem_json(problem, trace_id=request.trace_id)  # type: ignore[attr-defined]
        response["Allow"] = "GET"
        return response
    return HttpResponse(await asyncio.to_thread(document), content_type="application/json")
