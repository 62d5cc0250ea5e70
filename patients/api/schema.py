"""The OpenAPI 3.1 document, made from the code once per process; needs no session."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator

PREFIX = "/api/patient/v1"


@cache
def document() -> str:
    from patients import urls

    patterns = [one for one in urls.urlpatterns if "openapi" not in str(one.pattern)]
    schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    schema["info"] = {
        "title": "MediSettle patients' interface",
        "version": "1",
        "description": "Signing in by SMS, consents, helpers, applications, notices and conversation with the seat. "
        "Whatever acts carries the header X-CSRFToken.",
    }
    schema["paths"] = {f"{PREFIX}{path}": operations for path, operations in schema["paths"].items()}
    return json.dumps(schema, ensure_ascii=False)


@require_GET
def schema_document(_: HttpRequest) -> HttpResponse:
    return HttpResponse(document(), content_type="application/json")
