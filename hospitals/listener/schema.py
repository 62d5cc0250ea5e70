"""The OpenAPI 3.1 document, made from the code once per process."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View
from drf_spectacular.generators import SchemaGenerator

from core.problems import MethodNotAllowed, problem_json


@cache
def document() -> str:
    from hospitals.listener import urls

    patterns = [pattern for pattern in urls.urlpatterns if "openapi" not in str(pattern.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["paths"] = {f"/api/his/v1{path}": operations for path, operations in schema["paths"].items()}
    schema["components"]["securitySchemes"] = {"clientKey": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"clientKey": []}]
    return json.dumps(schema, ensure_ascii=False)


class SchemaDocument(View):
    http_method_names = ["get"]

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(await asyncio.to_thread(document), content_type="application/json")

    async def http_method_not_allowed(self, request: HttpRequest) -> JsonResponse:
        problem = MethodNotAllowed(method=request.method)
        response = problem_json(problem, trace_id=request.trace_id)  # type: ignore[attr-defined]
        response["Allow"] = "GET"
        return response
