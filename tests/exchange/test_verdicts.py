"""What the hospital is told: over every path that a transaction can go, no promise is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from exchange.bills import CashView
from exchange.models import Transaction
from exchange.reasons import FIXES_ZH, REASONS, reason
from exchange.states import OperationClass, TransactionState, VerdictWord
from exchange.verdicts import verdict_body, verdict_word
from tests.exchange.test_states import MOVES

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
# What may follow each verdict; `stands` may follow anything, but only by a ruling.
ORDER = {
    "": set(VerdictWord.values),
    "abandoned": {"reversed", "stands", "rejected", "not_sent"},
    "succeeded": {"cancelled", "reversed"},
    "stands": {"cancelled", "reversed"},  # It is a settlement like another, and may be cancelled.
    "rejected": set(),
    "not_sent": set(),
    "reversed": set(),
    "cancelled": set(),
}
UNDER_WAY = ("SENDING", "IN_DOUBT", "REVERSING", "NEEDS_HUMAN")


@dataclass(frozen=True)
class Place:
    """Where a transaction is, and what it was told."""

    state: str = "RECEIVED"
    abandoned: bool = False
    told: str = ""

    def row(self, operation_class: str) -> Transaction:
        at = NOW if self.abandoned else None
        return Transaction(state=self.state, operation_class=operation_class, abandoned_at=at, told=self.told)

    def word(self, operation_class: str) -> str:
        return str(verdict_word(self.row(operation_class)))


def steps(place: Place, operation_class: str) -> Iterator[tuple[str, Place]]:
    """(what happened, where that leads) from here: the moves of the machine, and the hospital giving it up."""
    for state in MOVES[place.state]:
        proof = place.state in ("SENDING", "IN_DOUBT") and state == "SUCCEEDED"
        if proof and place.abandoned:
            continue  # Proof of success of what was given up leads to REVERSING, held by the table of events.
        if state == "CANCELLED" and operation_class != "MOVES":
            continue
        yield "ruling" if place.state == "NEEDS_HUMAN" else "move", replace(place, state=state)
    if operation_class == "MOVES" and not place.abandoned:
        if place.state == "RECEIVED":
            yield "abandon", replace(place, state="NOT_SENT", abandoned=True)
        elif place.state in UNDER_WAY:
            yield "abandon", replace(place, abandoned=True)


def walk(operation_class: str) -> Iterator[tuple[Place, str, Place]]:
    """Every step of every path, each once: there are few places, for what was told is part of one."""
    seen, todo = {Place()}, [Place()]
    while todo:
        place = todo.pop()
        for event, there in steps(place, operation_class):
            word = there.word(operation_class)
            after = replace(there, told=place.told if word == "pending" else word)
            yield place, event, after
            if after not in seen:
                seen.add(after)
                todo.append(after)


@pytest.mark.parametrize("operation_class", OperationClass.values)
def test_no_path_breaks_the_order_of_verdicts(operation_class: str) -> None:
    count = 0
    for before, event, after in walk(operation_class):
        count += 1
        if after.told == before.told:
            continue
        if after.told == "stands":
            assert event == "ruling", f"{before} -> {after}"
        else:
            assert after.told in ORDER[before.told], f"{before} -> {after}"
    assert count > 30


@pytest.mark.parametrize("operation_class", OperationClass.values)
def test_what_was_told_is_told_again(operation_class: str) -> None:
    for _, _, place in walk(operation_class):
        if place.told:
            assert place.word(operation_class) == place.told


def test_every_verdict_can_be_reached_and_only_fees_are_given_up_or_cancelled() -> None:
    reached = {kind: {after.told for _, _, after in walk(kind)} for kind in OperationClass.values}
    assert reached["MOVES"] == set(VerdictWord.values) - {"pending"} | {""}
    for kind in ("UNDOES", "READS", "PREPARES"):
        assert not {"abandoned", "cancelled"} & reached[kind]


@pytest.mark.parametrize(
    ("state", "abandoned", "told", "word"),
    [
        ("RECEIVED", False, "", "pending"),
        ("SENDING", False, "", "pending"),
        ("IN_DOUBT", False, "", "pending"),
        ("IN_DOUBT", True, "", "abandoned"),
        ("REVERSING", False, "", "pending"),
        ("REVERSING", True, "abandoned", "abandoned"),
        ("REVERSING", False, "succeeded", "succeeded"),  # disowned
        ("REVERSING", True, "succeeded", "succeeded"),  # disowned, then cash
        ("REVERSING", False, "rejected", "rejected"),  # surfaced
        ("NEEDS_HUMAN", False, "not_sent", "not_sent"),
        ("NEEDS_HUMAN", True, "abandoned", "abandoned"),
        ("NEEDS_HUMAN", False, "", "pending"),
        ("SUCCEEDED", False, "", "succeeded"),
        ("SUCCEEDED", True, "abandoned", "stands"),
        ("SUCCEEDED", False, "reversed", "stands"),
        ("SUCCEEDED", False, "rejected", "stands"),
        ("REJECTED", True, "abandoned", "rejected"),
        ("REJECTED", False, "succeeded", "reversed"),  # disowned, then ruled that nothing is held
        ("NOT_SENT", True, "", "not_sent"),
        ("REVERSED", True, "abandoned", "reversed"),
        ("REVERSED", True, "not_sent", "not_sent"),
        ("REVERSED", False, "succeeded", "reversed"),
        ("CANCELLED", False, "succeeded", "cancelled"),
        ("CANCELLED", True, "stands", "cancelled"),
    ],
)
def test_the_verdict_of_a_fee(state: str, abandoned: bool, told: str, word: str) -> None:
    assert Place(state, abandoned, told).word("MOVES") == word


def body(reason_code: str = "", **values: Any) -> dict[str, Any]:
    row = Transaction(his_no="W", operation="settle", operation_class="MOVES", reason_code=reason_code, **values)
    return verdict_body(row, interface_code="I", insurer_code="C", msgid="MS1", cash=CashView())


def test_plain_success_has_no_reason_and_a_disowned_one_says_why() -> None:
    assert body(state="SUCCEEDED")["reason"] is None
    disowned = body("disown_in_progress", state="REVERSING", told="succeeded")
    assert (disowned["verdict"], disowned["state"]) == ("succeeded", "REVERSING")
    assert disowned["reason"]["code"] == "disown_in_progress"


def test_cash_that_differs_from_what_the_patient_was_told_is_a_warning() -> None:
    parts: dict[str, Any] = {
        "total_minor": 10000,
        "fund_minor": 8000,
        "account_minor": 0,
        "hospital_minor": 0,
        "cash_minor": 2000,
    }
    for expected, warning in ((None, None), (2000, None), (1999, "cash_differs")):
        amounts = body(state="SUCCEEDED", expect_cash_minor=expected, **parts)["amounts"]
        assert amounts["warning"] == warning


def test_every_reason_has_words_in_both_languages() -> None:
    assert set(REASONS) == set(FIXES_ZH)
    for code in REASONS:
        told = reason(code, explanation="why")
        for name in ("detail", "detail_zh", "fix", "fix_zh"):
            assert told[name]
            assert "{" not in told[name]


def test_every_state_has_a_word() -> None:
    for state in TransactionState.values:
        assert Place(state).word("MOVES") in VerdictWord.values
