"""The one handler that turns every failure of an API view into application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from typing import Any

from django.db import Error as DatabaseError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from core.errors import InternalError, NotFound, Problem, ServiceUnavailable
from core.faults import fault_told
from core.ids import new_trace_id

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
ERRORS_LIMIT = 50
ERRORS_NAMED = 3
MESSAGE_CHARACTERS = 300


class InvalidFields(Problem):
    code = "invalid_fields"
    status = 422
    title = "Some fields are missing or wrong"
    detail = "{count} field(s) cannot be accepted: {summary}"
    detail_zh = "有 {count} 个字段不符合要求：{fields}，详见 errors。"
    fix = "Correct the fields listed in `errors` and send the request again."
    fix_zh = "请更正 errors 中列出的字段后重新发送。"


class MethodNotAllowed(Problem):
    code = "method_not_allowed"
    status = 405
    title = "This address does not take that method"
    detail = "{method} is not offered here."
    detail_zh = "此地址不支持 {method} 方法。"
    fix = "See the OpenAPI document at /api/his/v1/openapi.json."
    fix_zh = "请查阅 OpenAPI 文档 /api/his/v1/openapi.json。"


class UnsupportedContent(Problem):
    code = "unsupported_content_type"
    status = 415
    title = "Only JSON in UTF-8 is read here"
    detail = "Content type {media_type} cannot be read."
    detail_zh = "无法读取内容类型 {media_type}，仅支持 UTF-8 编码的 JSON。"
    fix = "Send Content-Type: application/json, encoded in UTF-8."
    fix_zh = "请使用 Content-Type: application/json，并以 UTF-8 编码发送。"


class BodyUnreadable(Problem):
    code = "body_unreadable"
    status = 400
    title = "The body cannot be read"
    detail = "The body is not what its content type says."
    detail_zh = "请求体与其声明的内容类型不符，无法解析。"
    fix = "Send well-formed JSON in UTF-8, or a well-formed form where a file is handed in."
    fix_zh = "请发送格式正确的 UTF-8 JSON；上传文件时请发送格式正确的表单。"


def as_problem(error: BaseException) -> Problem:
    """The Problem that says what `error` means to the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, exceptions.ValidationError):
        errors = _flatten(error.detail)
        return InvalidFields(extra={"errors": errors[:ERRORS_LIMIT]}, **_summary(errors))
    if isinstance(error, Http404):
        return NotFound(noun="address", noun_zh="此地址", key="")
    if isinstance(error, exceptions.MethodNotAllowed):
        return MethodNotAllowed(method=str(error.args[0]) if error.args else "The method")
    if isinstance(error, exceptions.ParseError):
        return BodyUnreadable()
    if isinstance(error, exceptions.UnsupportedMediaType):
        return UnsupportedContent(media_type=str(error.args[0]) if error.args else "of this request")
    if isinstance(error, DatabaseError):
        return ServiceUnavailable(cause="the database did not confirm")
    return InternalError()


def problem_response(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler. Reads `trace_id` from the request, else makes one."""
    trace_id = getattr(context.get("request"), "trace_id", None) or new_trace_id()
    problem = as_problem(error)
    if problem.status >= 500:
        logger.error("problem %s trace %s: %s", problem.code, trace_id, fault_told(error))
    return Response(problem.body(trace_id=trace_id), status=problem.status, content_type=CONTENT_TYPE)


def problem_json(problem: Problem, *, trace_id: str) -> JsonResponse:
    """The same document outside DRF."""
    return JsonResponse(
        problem.body(trace_id=trace_id),
        status=problem.status,
        content_type=CONTENT_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )


def _summary(errors: list[dict[str, str]]) -> dict[str, object]:
    """The first errors, for the sentences; in Chinese the fields only, as the messages are English."""
    named, more = errors[:ERRORS_NAMED], len(errors) - ERRORS_NAMED
    summary = "; ".join(f"{item['field']}: {item['message']}" for item in named)
    fields = "、".join(dict.fromkeys(item["field"] for item in named))
    if more > 0:
        summary, fields = f"{summary}; and {more} more, see errors", f"{fields} 等"
    return {"count": len(errors), "summary": summary, "fields": fields}


def _flatten(detail: Any, path: str = "") -> list[dict[str, str]]:
    """DRF's nested error detail as a flat list of {field, message}."""
    if isinstance(detail, dict):
        rows = [row for key, value in detail.items() for row in _flatten(value, _path(path, key))]
    elif isinstance(detail, list) and any(isinstance(item, (dict, list)) for item in detail):
        rows = [row for index, value in enumerate(detail) for row in _flatten(value, _path(path, index))]
    else:
        messages = detail if isinstance(detail, list) else [detail]
        rows = [{"field": path or "body", "message": str(message)[:MESSAGE_CHARACTERS]} for message in messages]
    return rows


def _path(path: str, key: Any) -> str:
    """DRF numbers the lines of a list, and has a name of its own for what is wrong with the whole."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if key == api_settings.NON_FIELD_ERRORS_KEY:
        return path
    return f"{path}.{key}" if path else str(key)
