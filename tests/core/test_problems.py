"""Every failure becomes a problem document that says who must do what, in two languages."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions

import accounts.services
from core.errors import Forbidden, InternalError, NotFound, Problem
from core.problems import CONTENT_TYPE, as_problem, problem_json, problem_response

MEMBERS = {"type", "title", "status", "code", "detail", "detail_zh", "fix", "trace_id"}


def all_problems(base: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for child in base.__subclasses__():
        yield child
        yield from all_problems(child)


def test_a_problem_has_all_members_and_its_extra_ones() -> None:
    body = NotFound(extra={"hint": 1}, noun="transaction", key="X").body(trace_id="t1")
    assert set(body) == MEMBERS | {"hint"}
    assert body["detail"] == "No transaction X is known to your organisation."
    assert body["type"].endswith("/not_found")
    assert body["trace_id"] == "t1"


@pytest.mark.parametrize("problem", list(all_problems()), ids=lambda problem: problem.__name__)
def test_each_problem_speaks_chinese_and_has_a_fix(problem: type[Problem]) -> None:
    assert accounts.services
    assert 400 <= problem.status < 600
    assert problem.fix
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in problem.detail_zh)
    assert chinese or problem.detail_zh.startswith("{"), problem.detail_zh


def test_codes_are_given_once() -> None:
    codes = [problem.code for problem in all_problems()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Forbidden(subject="client key", act="x"), 403, "forbidden"),
        (Http404(), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.UnsupportedMediaType("text/xml"), 415, "unsupported_content_type"),
        (exceptions.ValidationError({"a": ["wrong"]}), 422, "invalid_fields"),
        (OperationalError("connection lost"), 503, "service_unavailable"),
        (RuntimeError("password=hunter2"), 500, "internal_error"),
    ],
)
def test_an_error_becomes_its_problem(error: Exception, status: int, code: str) -> None:
    response = problem_response(error, {})
    assert (response.status_code, response.data["code"]) == (status, code)
    assert response.content_type == CONTENT_TYPE
    assert len(response.data["trace_id"]) == 32


def test_a_fault_of_ours_gives_no_secret_away() -> None:
    problem = as_problem(RuntimeError("password=hunter2"))
    assert isinstance(problem, InternalError)
    assert "hunter2" not in json.dumps(problem.body(trace_id="t"))


def test_wrong_fields_are_listed_with_their_paths() -> None:
    error = exceptions.ValidationError({"items": [{}, {"amount_minor": ["too big"]}], "total_minor": ["missing"]})
    assert as_problem(error).body(trace_id="t")["errors"] == [
        {"field": "items[1].amount_minor", "message": "too big"},
        {"field": "total_minor", "message": "missing"},
    ]


def test_braces_in_what_the_caller_sent_do_no_harm() -> None:
    body = NotFound(noun="transaction", key="{0} {noun} {").body(trace_id="t")
    assert "{0} {noun} {" in body["detail"]


def test_the_same_document_is_had_outside_the_api() -> None:
    response = problem_json(NotFound(noun="page", key="x"), trace_id="t")
    assert (response.status_code, response["Content-Type"]) == (404, CONTENT_TYPE)
    assert json.loads(response.content)["code"] == "not_found"
