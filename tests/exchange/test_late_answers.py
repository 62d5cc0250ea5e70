"""Answers that come when the transaction has moved on: each is kept, and what it proves is never lost or done twice."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.models import Call, Evidence, Transaction
from journal.handlers import Outcome
from journal.models import Job
from tests.exchange.doubting import (
    ALREADY_REVERSED,
    NOT_FOUND,
    PAST_QUIET,
    REFUSAL,
    SILENCE,
    Insurer,
    Said,
    abandon,
    act,
    armed,
    can,
    clock_on,
    code_of,
    found,
    in_doubt,
    insurer,
    jobs,
    nothing_held,
    reversals,
    reversed_,
    said_of,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, conclude, fresh, perform, take

LATER = 65.0  # Past the deadline of the settle and its guard, not past the quiet time.

pytestmark = pytest.mark.usefixtures("patient")


def answered_late(house: House, his_no: str) -> tuple[Transaction, list[Outcome]]:
    """A wish that the insurer settled, whose answer a process has not concluded yet: its guard was first."""
    row, works = armed(house, his_no)
    outcomes = perform(works)
    clock_on(LATER)
    take(house)
    assert fresh(row).state == "IN_DOUBT"
    return row, outcomes


def test_a_late_success_of_a_wish_that_was_given_up_is_reversed(house: House) -> None:
    with insurer(house) as they:
        row, outcomes = answered_late(house, "W")
        assert code_of(abandon(house, "W")) == ""
        conclude(outcomes)
        assert (fresh(row).state, jobs(row)) == ("REVERSING", ["exchange.resolve"])
        turns(house)
    assert they.heard == ["settle", "reverse"]
    assert reversals(row) == [(1, "abandoned", "ACCEPTED")]
    assert told(house, "W")["verdict"] == "reversed"
    assert told(house, "W")["self_payment"]["state"] == "STANDS"
    sound(house)


def test_a_late_success_of_a_wish_that_was_not_given_up_is_a_success(house: House) -> None:
    with insurer(house):
        row, outcomes = answered_late(house, "W")
        conclude(outcomes)
        turns(house)
    assert (fresh(row).state, reversals(row)) == ("SUCCEEDED", [])
    assert said_of(row) == [("DEADLINE_PASSED", "no_outcome"), ("CALL_OUTCOME", "DONE")]
    sound(house)


def test_a_late_refusal_ends_the_doubt_and_the_cash_stands(house: House) -> None:
    with insurer(house, settle=REFUSAL):
        row, outcomes = answered_late(house, "W")
        abandon(house, "W")
        conclude(outcomes)
        turns(house)
    assert (fresh(row).state, reversals(row)) == ("REJECTED", [])
    answer = told(house, "W")
    assert (answer["verdict"], answer["self_payment"]["state"], answer["bill"]["square"]) == (
        "rejected",
        "STANDS",
        True,
    )
    sound(house)


def held_for_undone(house: House, they: Insurer, his_no: str, said: Said) -> tuple[Transaction, list[Outcome]]:
    """A wish that is REVERSED, with its settle's success still to be concluded."""
    row, outcomes = answered_late(house, his_no)
    they.says["reverse"] = said
    clock_on(PAST_QUIET)
    turns(house)
    assert fresh(row).state == "REVERSED"
    return row, outcomes


def test_nothing_follows_a_late_success_once_the_reversal_has_named_what_it_undid(house: House) -> None:
    can(house)
    with insurer(house) as they:
        row, outcomes = held_for_undone(house, they, "W", reversed_())
        conclude(outcomes)
        turns(house)
    assert they.heard == ["settle", "reverse"]
    assert reversals(row) == [(0, "not_proven", "ACCEPTED")]
    assert said_of(row)[-1] == ("CALL_OUTCOME", "DONE")


def test_an_insurer_that_can_be_asked_is_asked_after_a_late_success(house: House) -> None:
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True)
    with insurer(house, query=NOT_FOUND) as they:
        row, outcomes = held_for_undone(house, they, "W", nothing_held())
        they.says |= {"query": found(), "reverse": reversed_()}
        conclude(outcomes)
        turns(house)
    assert they.heard[-2:] == ["query", "reverse"]
    assert reversals(row) == [(0, "not_proven", "NOTHING_HELD"), (1, "surfaced", "ACCEPTED")]
    assert (fresh(row).state, told(house, "W")["verdict"]) == ("REVERSED", "reversed")


def test_an_insurer_that_cannot_be_asked_is_told_again_where_telling_twice_is_safe(house: House) -> None:
    can(house, reverse_unknown_ok=True, reverse_idempotent=True)
    with insurer(house) as they:
        row, outcomes = held_for_undone(house, they, "W", nothing_held())
        they.says["reverse"] = reversed_()
        conclude(outcomes)
        turns(house)
    assert they.heard == ["settle", "reverse", "reverse"]
    assert reversals(row) == [(0, "not_proven", "NOTHING_HELD"), (1, "late_answer", "ACCEPTED")]
    assert fresh(row).state == "REVERSED"


def test_it_is_not_told_again_blindly_where_telling_twice_is_not_safe(house: House) -> None:
    can(house, reverse_unknown_ok=True)
    with insurer(house) as they:
        row, outcomes = held_for_undone(house, they, "W", nothing_held())
        conclude(outcomes)
        turns(house)
    assert they.heard == ["settle", "reverse"]
    row = fresh(row)
    assert (row.state, row.reason_code, row.owner) == ("NEEDS_HUMAN", "late_answer_not_undone", "operations")
    assert told(house, "W")["verdict"] == "reversed", "the last verdict stays, with a reason"
    assert reversals(row)[-1] == (1, "late_answer", "GIVEN_UP")


def test_a_success_that_comes_while_the_reversal_is_on_its_way_is_looked_after_when_nothing_was_undone(
    house: House,
) -> None:
    can(house, reverse_unknown_ok=True, reverse_idempotent=True)
    with insurer(house, reverse=[nothing_held(), reversed_()]) as they:
        row, outcomes = answered_late(house, "W")
        clock_on(PAST_QUIET)
        turn(house)
        assert they.heard == ["settle", "reverse"]
        assert fresh(row).state == "REVERSED"
    # The same again, but the settle's answer is concluded between sending the reversal and its answer.
    with insurer(house, reverse=[nothing_held(), reversed_()]) as they:
        other, outcomes = answered_late(house, "X")
        clock_on(PAST_QUIET)
        reversing = perform(take(house).works)
        conclude(outcomes)
        conclude(reversing)
        assert (fresh(other).state, jobs(other)) == ("REVERSED", ["exchange.resolve"])
        turns(house)
        assert they.heard == ["settle", "reverse", "reverse"]
    assert reversals(other) == [(0, "not_proven", "NOTHING_HELD"), (1, "late_answer", "ACCEPTED")]


def test_already_reversed_in_answer_to_the_repetition_is_our_own_doing(house: House) -> None:
    can(house, reverse_unknown_ok=True, reverse_idempotent=True)
    with insurer(house) as they:
        row, outcomes = held_for_undone(house, they, "W", nothing_held())
        they.says["reverse"] = ALREADY_REVERSED
        conclude(outcomes)
        turns(house)
    assert fresh(row).state == "REVERSED"
    assert reversals(row)[-1] == (1, "late_answer", "ACCEPTED")
    assert jobs(row) == [], "and that is the end of it"


def test_already_reversed_by_nobody_here_is_a_contradiction(house: House) -> None:
    can(house)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, reverse=ALREADY_REVERSED):
        turns(house)
    assert (fresh(row).state, fresh(row).reason_code) == ("NEEDS_HUMAN", "reversal_refused")
    assert reversals(row) == [(0, "not_proven", "GIVEN_UP")]


def test_already_reversed_after_an_unanswered_reversal_is_our_own_doing(house: House) -> None:
    can(house, reverse_idempotent=True)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, reverse=[SILENCE, ALREADY_REVERSED]) as they:
        turns(house)
    assert they.heard == ["reverse", "reverse"]
    assert reversals(row) == [(0, "not_proven", "ACCEPTED")]


def test_a_disowned_success_whose_reversal_names_nothing_is_over_all_the_same(house: House) -> None:
    can(house, reverse_idempotent=True)
    with insurer(house, reverse=[SILENCE, ALREADY_REVERSED]) as they:
        row, works = armed(house, "W")
        conclude(perform(works))
        assert code_of(act(house, "W", "disown", reason="never booked")) == ""
        turns(house)
    assert they.heard == ["settle", "reverse", "reverse"]
    assert (fresh(row).state, reversals(row)) == ("REVERSED", [(1, "disowned", "ACCEPTED")])
    sound(house)


def test_of_two_answers_about_one_wish_in_a_batch_the_second_is_read_in_the_light_of_the_first(house: House) -> None:
    can(house, can_query_by_msgid=True, reverse_idempotent=True, reverse_unknown_ok=True)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=[NOT_FOUND, found("refused")]):
        first = take(house).works
        clock_on(LATER)
        second = take(house).works
        conclude(perform(first) + perform(second))
    row = fresh(row)
    assert (row.state, row.reason_code, reversals(row)) == (
        "REVERSED",
        "nothing_held",
        [(0, "not_proven", "NOTHING_HELD")],
    )
    assert {says for _, says in said_of(row)[-2:]} == {"NOT_FOUND", "held_refused"}
    assert told(house, "W")["verdict"] == "reversed"


def test_that_a_query_finds_nothing_does_not_end_a_reversal_where_not_found_is_not_final(house: House) -> None:
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=[NOT_FOUND, NOT_FOUND, found()], reverse=[SILENCE, reversed_()]) as they:
        turns(house)
    assert they.heard == ["query", "reverse", "query", "query", "reverse"]
    assert reversals(row) == [(0, "not_proven", "ACCEPTED")]


def test_a_look_after_what_surfaced_does_not_reverse_it_a_second_time(house: House) -> None:
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True, reverse_idempotent=True)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=NOT_FOUND, reverse=nothing_held()):
        turns(house)
    assert fresh(row).state == "REVERSED"
    with insurer(house, query=found(), reverse=SILENCE) as they:
        clock_on(10)
        assert turn(house) == 1, "the watch"
        assert fresh(row).state == "REVERSING"
        Job.objects.update(run_at=row.received_at)
        turn(house)
        assert they.heard == ["query", "reverse"]


@pytest.mark.parametrize("operation", ["eligibility", "presettle"])
def test_a_late_answer_to_a_question_is_kept_and_moves_nothing(house: House, operation: str) -> None:
    changes: dict[str, Any] = {"covered": True} if operation == "eligibility" else {"settlement_no": None}
    with insurer(house, eligibility=changes, presettle=changes) as they:
        row, works = armed(house, "Q", operation=operation)
        they.says[operation] = lambda request: (
            {"person": {"id_no": request["person"]["id_no"]}, "code": "done"} | changes
        )
        outcomes = perform(works)
        clock_on(LATER)
        take(house)
        assert fresh(row).state == "NOT_SENT"
        conclude(outcomes)
        turns(house)
    assert (fresh(row).state, jobs(row)) == ("NOT_SENT", [])
    assert Evidence.objects.filter(transaction=row).count() == 2
    assert Call.objects.get(transaction=row).outcome is not None
