"""Every failure becomes a problem document that says who must do what, in two languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions

from core.errors import Forbidden, InternalError, NotFound, Problem
from core.problems import CONTENT_TYPE, as_problem, problem_json, problem_response
from deploy.local.folders import ROOT
from exchange.reasons import FIXES_ZH, REASONS, reason

MEMBERS = {"type", "title", "status", "code", "detail", "detail_zh", "fix", "fix_zh", "trace_id"}


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


def load_all_problems() -> None:
    """Import every module of ours that defines one: only then the walk below meets them all."""
    for base, room in ((ROOT / "platform", "."), (ROOT, "hospitals"), (ROOT, "insurers")):
        for path in (base / room).rglob("*.py"):
            if re.search(r"^class \w+\((?:Problem|Conflict)\):", path.read_text(), re.MULTILINE):
                import_module(".".join(path.relative_to(base).with_suffix("").parts))


load_all_problems()


def is_chinese(sentence: str) -> bool:
    """It has Chinese words, and outside of what is filled in no half-width stop or comma between them."""
    words = re.sub(r"{[^}]*}", "", sentence)
    return bool(re.search("[\u4e00-\u9fff]", words)) and not re.search("[\u4e00-\u9fff][,;:.()]", words)


@pytest.mark.parametrize("problem", list(all_problems()), ids=lambda problem: problem.__name__)
def test_each_problem_says_in_both_languages_what_to_do(problem: type[Problem]) -> None:
    assert 400 <= problem.status < 600
    assert is_chinese(problem.detail_zh), problem.detail_zh
    assert is_chinese(problem.fix_zh), problem.fix_zh
    assert problem.fix
    assert ("fix" in vars(problem)) == ("fix_zh" in vars(problem)), "one language has a fix of its own"


@pytest.mark.parametrize("code", REASONS)
def test_each_reason_says_in_both_languages_what_to_do(code: str) -> None:
    told = reason(code, explanation="x")
    assert is_chinese(told["detail_zh"]), told
    assert is_chinese(told["fix_zh"]), told
    assert set(FIXES_ZH) == set(REASONS)


def test_no_reason_names_what_is_not_offered() -> None:
    for code in REASONS:
        assert not re.search(r"We find out|does not find out", reason(code)["fix"]), code


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


def test_the_sentence_names_three_errors_and_counts_the_rest() -> None:
    error = exceptions.ValidationError({name: ["is wrong"] for name in "abcde"})
    body = as_problem(error).body(trace_id="t")
    assert body["detail"].endswith("a: is wrong; b: is wrong; c: is wrong; and 2 more, see errors")
    assert body["detail_zh"] == "有 5 个字段不符合要求：a、b、c 等，详见 errors。"


def test_the_chinese_sentence_names_the_fields_only() -> None:
    body = as_problem(exceptions.ValidationError({"total_minor": ["is needed"]})).body(trace_id="t")
    assert body["detail_zh"] == "有 1 个字段不符合要求：total_minor，详见 errors。"


def test_what_is_not_found_has_a_chinese_name() -> None:
    assert NotFound(noun="lane", noun_zh="通道", key="X").text("detail_zh") == "本机构没有通道 X。"


def test_braces_in_what_the_caller_sent_do_no_harm() -> None:
    body = NotFound(noun="transaction", key="{0} {noun} {").body(trace_id="t")
    assert "{0} {noun} {" in body["detail"]


def test_the_same_document_is_had_outside_the_api() -> None:
    response = problem_json(NotFound(noun="page", key="x"), trace_id="t")
    assert (response.status_code, response["Content-Type"]) == (404, CONTENT_TYPE)
    assert json.loads(response.content)["code"] == "not_found"
