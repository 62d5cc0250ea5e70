"""A cancel: its windows, its doubt, and what becomes of what it cancels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import Problem
from exchange.models import Transaction
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_DEADLINE,
    PAST_QUIET,
    REFUSAL,
    RUNNING,
    SILENCE,
    Said,
    accounts,
    act,
    can,
    clock_on,
    code_of,
    found,
    insurer,
    refund,
    reversals,
    settled,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, draft, fresh, receive, received
from tests.exchange.test_states import unguarded

pytestmark = pytest.mark.usefixtures("patient")
PLACE: dict[str, Any] = {"visit_no": "V", "bill_no": "B"}


def problem_of(house: House, his_no: str = "C", *, of: str = "X", operation: str = "cancel") -> Problem | None:
    (result,) = receive(draft(house, his_no, operation=operation, of=of))
    return result.problem


def cancel(house: House, his_no: str = "C", *, of: str = "X") -> Transaction:
    return received(draft(house, his_no, operation="cancel", of=of))[0]


def settled_at(row: Transaction, when: str) -> None:
    """As if it had been settled at this moment, hospital's time."""
    unguarded(f"state_at = '{when}+08' WHERE id = '{row.pk}'")


def test_a_cancel_takes_its_original_along(house: House) -> None:
    row = settled(house, "X")
    undoing = cancel(house)
    assert told(house, "X")["verdict"] == "succeeded", "while the cancel is open"
    with insurer(house) as they:
        turns(house)
    assert they.requests[0]["settlement_no"] == row.settlement_no
    assert (fresh(row).state, fresh(undoing).state) == ("CANCELLED", "SUCCEEDED")
    assert told(house, "X")["reason"]["code"] == "cancelled_by"
    assert told(house, "C")["verdict"] == "succeeded"
    assert accounts(house) == {}
    sound(house)


def test_a_refused_cancel_changes_nothing(house: House) -> None:
    row = settled(house, "X")
    cancel(house)
    with insurer(house, cancel=REFUSAL):
        turns(house)
    assert (told(house, "C")["verdict"], told(house, "X")["verdict"]) == ("rejected", "succeeded")
    assert accounts(house) == {"receivable:basic_fund": 8000, "counter_cash": 2000, "fees": 10000}
    assert problem_of(house, "C-2") is None, "another cancel may be tried"
    assert fresh(row).state == "SUCCEEDED"


def test_a_cancel_that_came_twice_there_is_what_was_wished_for(house: House) -> None:
    row = settled(house, "X")
    cancel(house)
    with insurer(house, cancel={"code": "refused", "reason": {"code": "already_cancelled"}}):
        turns(house)
    assert fresh(row).state == "CANCELLED"


@pytest.mark.parametrize("asked_by", ["settlement number only", "message too"])
@pytest.mark.parametrize(
    ("answer", "cancel_state", "state"),
    [
        (found("cancelled"), "SUCCEEDED", "CANCELLED"),
        (found("settled"), "REJECTED", "SUCCEEDED"),
        (found("reversed"), "NEEDS_HUMAN", "SUCCEEDED"),
        (found("cancelled", total_minor=9999), "NEEDS_HUMAN", "SUCCEEDED"),
        (found("cancelled", person={"id_no": "110101199001011230"}), "NEEDS_HUMAN", "SUCCEEDED"),
        (NOT_FOUND, "NEEDS_HUMAN", "SUCCEEDED"),
        (RUNNING, "NEEDS_HUMAN", "SUCCEEDED"),
        (SILENCE, "NEEDS_HUMAN", "SUCCEEDED"),
    ],
)
def test_a_cancel_in_doubt_is_asked_for_by_its_settlement(
    house: House, answer: Said, cancel_state: str, state: str, asked_by: str
) -> None:
    can(house, can_query_by_msgid=asked_by == "message too")
    row = settled(house, "X")
    undoing = cancel(house)
    with insurer(house, cancel=SILENCE, query=answer) as they:
        turn(house)
        assert fresh(undoing).state == "IN_DOUBT"
        clock_on(PAST_DEADLINE)
        turns(house, seconds=60)
        assert set(they.heard) == {"cancel", "query"}, "it is never cancelled twice"
        assert {request["settlement_no"] for request in they.requests} == {row.settlement_no}
    assert (fresh(undoing).state, fresh(row).state) == (cancel_state, state)
    sound(house)


def test_a_cancel_that_surfaces_after_it_was_held_for_absent_is_reversed(house: House) -> None:
    can(house, can_query_by_msgid=True)
    row = settled(house, "X")
    undoing = cancel(house)
    with insurer(house, cancel=SILENCE, query=found("settled")) as they:
        turn(house)
        clock_on(PAST_QUIET)
        turns(house)
        assert fresh(undoing).state == "REJECTED"
        they.says |= {"query": [found("cancelled"), found("settled")], "reverse": SILENCE}
        clock_on(PAST_QUIET)
        turns(house)
        assert they.heard[-3:] == ["query", "reverse", "query"]
        assert they.requests[-2]["of_kind"] == "cancel"
    assert (fresh(undoing).state, reversals(undoing)) == ("REVERSED", [(1, "surfaced", "ACCEPTED")])
    assert (fresh(row).state, told(house, "X")["verdict"], told(house, "C")["verdict"]) == (
        "SUCCEEDED",
        "succeeded",
        "rejected",
    )
    sound(house)


@pytest.mark.parametrize(
    ("window", "settled_on", "now", "refused"),
    [
        ("same_day", "2026-11-22 00:00:01", "2026-11-22 23:59:59", False),
        ("same_day", "2026-11-22 23:59:59", "2026-11-23 00:00:01", True),
        ("same_month", "2026-11-01 00:00:01", "2026-11-30 23:59:00", False),
        ("same_month", "2026-10-31 23:59:59", "2026-11-01 00:00:01", True),
        ("same_month", "2025-11-22 10:00:00", "2026-11-22 10:00:00", True),
        ("until_cleared", "2026-01-01 00:00:01", "2026-11-22 10:00:00", False),
        ("until_cleared", "2025-12-31 23:59:59", "2026-01-01 00:00:01", True),
        ("none", "2026-01-01 00:00:01", "2026-11-22 10:00:00", False),
        ("none", "2025-12-31 23:59:59", "2026-01-01 00:00:01", True),
        ("", "2020-01-01 00:00:01", "2026-01-01 00:00:01", False),
    ],
)
def test_cancel_windows_are_the_hospitals_days(
    house: House, window: str, settled_on: str, now: str, refused: bool
) -> None:
    can(house, **({"cancel_window": window} if window else {}))
    row = settled(house, "X")
    settled_at(row, settled_on)
    moment = datetime.fromisoformat(f"{now}+08:00")
    clock_on((moment - datetime.now(UTC)).total_seconds())
    problem = problem_of(house)
    assert (problem.code if problem else "") == ("cancel_window_over" if refused else "")
    if refused:
        assert problem is not None
        assert (problem.status, problem.extra["transaction"]["his_no"]) == (409, "X")


def test_across_the_year_is_a_capability_of_its_own(house: House) -> None:
    can(house, cancel_window="until_cleared", cancel_across_year=True)
    settled_at(settled(house, "X"), "2025-12-31 23:59:59")
    assert problem_of(house) is None


def test_where_the_latest_goes_first_an_earlier_one_waits(house: House) -> None:
    can(house, cancel_window="until_cleared", cancel_latest_first=True)
    settled(house, "A", batch_no="1", **PLACE)
    settled(house, "B", batch_no="2", **PLACE)
    problem = problem_of(house, of="A")
    assert problem is not None
    assert (problem.code, "B was settled after it" in str(problem)) == ("cancel_window_over", True)
    cancel(house, of="B")
    with insurer(house):
        turns(house)
    assert problem_of(house, "C-2", of="A") is None


def test_what_is_not_settled_or_is_a_cancel_itself_is_not_cancelled(house: House) -> None:
    settled(house, "X")
    cancel(house)
    problem = problem_of(house, "C-2")
    assert problem is not None
    assert (problem.code, problem.extra["transaction"]["his_no"]) == ("cancel_is_open", "C")
    with insurer(house):
        turns(house)
    for of in ("X", "C"):
        problem = problem_of(house, "C-3", of=of)
        assert problem is not None
        assert problem.code == "not_settled"
    problem = problem_of(house, "C-3", of="NOBODY")
    assert problem is not None
    assert problem.code == "reference_unknown"


def test_a_cancel_is_neither_disowned_nor_refunded(house: House) -> None:
    settled(house, "X")
    cancel(house)
    assert code_of(act(house, "X", "disown", reason="x")) == "cancel_is_open"
    with insurer(house):
        turns(house)
    assert code_of(act(house, "C", "disown", reason="x")) == "nothing_to_disown"
    assert code_of(refund(house, "C", 1)) == "refund_exceeds_due"
    assert code_of(act(house, "C", "service-cancelled")) == "not_a_fee"
