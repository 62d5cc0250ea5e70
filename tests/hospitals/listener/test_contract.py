"""docs/his-api.md is the whole contract: every address, problem, reason and member that a hospital can meet is told."""

from __future__ import annotations

import importlib
import json
import re

import pytest

from core.errors import Problem
from deploy.local.folders import ROOT
from exchange.reasons import REASONS
from exchange.selectors.abnormal import AbnormalKind
from exchange.selectors.bills import ResettleState
from exchange.states import TransactionState, VerdictWord
from hospitals.listener.read_shapes import AbnormalEntryShape, BillAnswer, BillTransactionShape, LaneShape
from hospitals.listener.schema import document
from hospitals.listener.shapes import TransactionAnswer, TransactionRequest

TEXT = (ROOT / "docs" / "his-api.md").read_text()
INLINE = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```$", "", TEXT))
WORDS = set(re.findall(r"[A-Za-z0-9_]+", " ".join(INLINE)))
# Where the problems stand that these doors can answer with.
MODULES = (
    *("core.errors", "core.problems", "accounts.services.client_keys", "exchange.selectors.routing"),
    *(
        f"exchange.services.{name}"
        for name in ("guards", "receive", "acts", "abandon", "refunds", "days", "shifts", "slips")
    ),
    *(f"hospitals.listener.{name}" for name in ("api", "handler", "parsing", "slip")),
)
# Bases, and what is no answer of these doors.
OTHERS = {"problem", "conflict", "client_key_ended", "no_list_to_sign", "body_unreadable"}
KINDS_OF_BILLS = {"unacknowledged", "refund_due", "refund_unclaimed", "cash_short", "not_square"}


def codes() -> set[str]:
    found = {
        value.code
        for name in MODULES
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and issubclass(value, Problem)
    }
    return found - OTHERS


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_problem_says_who_must_do_what(code: str) -> None:
    rows = [line for line in TEXT.splitlines() if re.match(r"\| [0-9, ]+ \|", line) and f"`{code}`" in line]
    assert len(rows) == 1, rows


@pytest.mark.parametrize("code", sorted(REASONS.keys() - KINDS_OF_BILLS))
def test_every_reason_has_its_meaning(code: str) -> None:
    assert code in WORDS


def test_every_address_is_in_the_first_table() -> None:
    for path, operations in json.loads(document())["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path.removeprefix('/api/his/v1/')}" in TEXT


@pytest.mark.parametrize(
    "words",
    [
        list(VerdictWord.values),
        list(TransactionState.values),
        list(AbnormalKind),
        list(ResettleState),
        list(TransactionRequest().fields),
        list(TransactionAnswer().fields),
        list(BillAnswer().fields),
        list(BillTransactionShape().fields),
        list(AbnormalEntryShape().fields),
        list(LaneShape().fields),
    ],
    ids=lambda words: str(words[0]),
)
def test_every_word_and_member_is_told(words: list[str]) -> None:
    assert set(words) - WORDS == set()
