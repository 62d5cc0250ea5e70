"""State by event: what the hospital says, in every state that a fee can be in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.errors import NotFound
from exchange.models import Evidence, Transaction
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_QUIET,
    REFUSAL,
    SILENCE,
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
    refund,
    reversals,
    reversed_,
    settled,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, draft, receive, received, work_off

pytestmark = pytest.mark.usefixtures("patient")


# What the hospital says -------------------------------------------------------------------------------


def _needs_human(house: House) -> None:
    in_doubt(house, "W")
    can(house, can_query_by_msgid=True)
    with insurer(house, query=found("reversed")):
        turns(house)


def _reversing(house: House) -> None:
    in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=NOT_FOUND, reverse=SILENCE):
        turn(house)
        turn(house)


def _reversed(house: House) -> None:
    in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=NOT_FOUND):
        turns(house)


def _rejected(house: House) -> None:
    received(draft(house, "W"))
    with insurer(house, settle=REFUSAL):
        turn(house)


def _not_sent(house: House) -> None:
    received(draft(house, "W"))
    work_off(house)


def _disowned(house: House) -> None:
    settled(house, "W")
    act(house, "W", "disown", reason="never booked")


def _cancel_open(house: House) -> None:
    settled(house, "W")
    received(draft(house, "C", operation="cancel", of="W"))


def _cancelled(house: House) -> None:
    _cancel_open(house)
    with insurer(house):
        turns(house)


PLACES: dict[str, Callable[[House], Any]] = {
    "never came": lambda house: None,
    "RECEIVED": lambda house: received(draft(house, "W")),
    "SENDING": lambda house: armed(house, "W"),
    "IN_DOUBT": lambda house: in_doubt(house, "W"),
    "REVERSING": _reversing,
    "disowned": _disowned,
    "NEEDS_HUMAN": _needs_human,
    "SUCCEEDED": lambda house: settled(house, "W"),
    "cancel open": _cancel_open,
    "CANCELLED": _cancelled,
    "REVERSED": _reversed,
    "REJECTED": _rejected,
    "NOT_SENT": _not_sent,
}
STATES = {"never came": "", "disowned": "REVERSING", "cancel open": "SUCCEEDED"}
WORDS = {
    "disowned": "succeeded",
    "SUCCEEDED": "succeeded",
    "cancel open": "succeeded",
    "CANCELLED": "cancelled",
    "REVERSED": "reversed",
    "REJECTED": "rejected",
    "NOT_SENT": "not_sent",
}
ENDED = ("CANCELLED", "REVERSED", "REJECTED", "NOT_SENT")
UNDER_WAY = ("SENDING", "IN_DOUBT", "REVERSING", "NEEDS_HUMAN", "disowned")


def state_of(place: str) -> str:
    return STATES.get(place, place)


def word_of(place: str) -> str:
    return WORDS.get(place, "pending")


@pytest.mark.parametrize("place", PLACES)
def test_cash_is_told_in_every_state(house: House, place: str) -> None:
    can(house, can_query_by_msgid=True)
    PLACES[place](house)
    refusal = code_of(abandon(house, "W"))
    row = Transaction.objects.get(his_no="W")
    answer = told(house, "W")
    found_as = (refusal, row.state, answer["verdict"], answer["self_payment"]["state"], row.abandoned_at is not None)
    if place in ("never came", "RECEIVED"):
        assert found_as == ("", "NOT_SENT", "not_sent", "STANDS", True)
    elif place in UNDER_WAY:
        word = "succeeded" if place == "disowned" else "abandoned"
        assert found_as == ("", state_of(place), word, "PAID", True)
    elif place in ENDED:
        assert found_as == ("already_ended", place, word_of(place), "STANDS", False)
    else:
        assert found_as == ("already_succeeded", "SUCCEEDED", "succeeded", "REFUND_DUE", False)
    assert answer["self_payment"]["amount_minor"] == 10000
    assert Evidence.objects.filter(transaction=row, kind="HOSPITAL_SAID", says="abandon").count() == 1
    sound(house)
    # Told once more under another key it is the same cash, and the same answer.
    assert code_of(abandon(house, "W", key="again")) == refusal
    assert told(house, "W")["self_payment"]["amount_minor"] == 10000
    sound(house)


HOLDS: dict[str, tuple[Said, Said]] = {
    "settled": (found(), reversed_()),
    "refused": (found("refused"), nothing_held()),
    "nothing": (NOT_FOUND, nothing_held()),
}


@pytest.mark.parametrize("holds", HOLDS)
@pytest.mark.parametrize("place", UNDER_WAY)
def test_what_was_given_up_ends_with_the_cash_as_the_payment(house: House, place: str, holds: str) -> None:
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True, reverse_idempotent=True)
    PLACES[place](house)
    abandon(house, "W")
    clock_on(PAST_QUIET)
    query, reverse = HOLDS[holds]
    with insurer(house, query=query, reverse=reverse):
        turns(house)
    answer = told(house, "W")
    if place == "NEEDS_HUMAN":
        assert (answer["state"], answer["verdict"]) == ("NEEDS_HUMAN", "abandoned")
    elif place == "disowned" and holds != "settled":
        assert (answer["state"], answer["verdict"]) == ("NEEDS_HUMAN", "succeeded"), "it was settled, and is gone?"
    else:
        assert answer["verdict"] in ("reversed", "rejected")
        assert (answer["self_payment"]["state"], answer["bill"]["square"]) == ("STANDS", True)
    sound(house)


@pytest.mark.parametrize("place", PLACES)
def test_a_success_is_disowned_in_one_state_only(house: House, place: str) -> None:
    can(house, can_query_by_msgid=True)
    PLACES[place](house)
    if place == "never came":
        with pytest.raises(NotFound):
            act(house, "W", "disown", reason="never booked")
        return
    refusal = code_of(act(house, "W", "disown", reason="never booked", key="K"))
    row = Transaction.objects.get(his_no="W")
    if place in ("SUCCEEDED", "disowned"):
        assert (refusal, row.state, reversals(row)) == ("", "REVERSING", [(1, "disowned", "")])
        assert told(house, "W")["reason"]["code"] == "disown_in_progress"
        assert jobs(row) == ["exchange.resolve"]
    else:
        assert refusal == ("cancel_is_open" if place == "cancel open" else "nothing_to_disown")
        assert (row.state, row.disowned_at) == (state_of(place), None)
    assert told(house, "W")["verdict"] == ("succeeded" if place in ("SUCCEEDED", "disowned") else word_of(place))
    sound(house)


def test_an_acknowledged_success_is_not_disowned(house: House) -> None:
    settled(house, "W")
    assert code_of(act(house, "W", "acknowledge", verdict="reversed")) == "verdict_differs"
    assert code_of(act(house, "W", "acknowledge", verdict="succeeded")) == ""
    assert code_of(act(house, "W", "disown", reason="x")) == "nothing_to_disown"
    assert told(house, "W")["acknowledged"]
    sound(house)


@pytest.mark.parametrize("place", PLACES)
def test_a_verdict_is_acknowledged_and_pending_is_none(house: House, place: str) -> None:
    can(house, can_query_by_msgid=True)
    PLACES[place](house)
    if place == "never came":
        with pytest.raises(NotFound):
            act(house, "W", "acknowledge")
        return
    refusal = code_of(act(house, "W", "acknowledge"))
    assert refusal == ("verdict_differs" if word_of(place) == "pending" else "")
    assert told(house, "W")["acknowledged"] is (refusal == "")
    assert told(house, "W")["verdict"] == word_of(place)
    sound(house)


@pytest.mark.parametrize("place", PLACES)
def test_a_service_is_given_up_in_every_state_but_a_settled_one(house: House, place: str) -> None:
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True, reverse_idempotent=True)
    PLACES[place](house)
    if place == "never came":
        with pytest.raises(NotFound):
            act(house, "W", "service-cancelled")
        return
    refusal = code_of(act(house, "W", "service-cancelled"))
    row = Transaction.objects.get(his_no="W")
    if place in ("SUCCEEDED", "cancel open"):
        assert (refusal, row.service_cancelled_at) == ("cancel_first", None)
        return
    assert (refusal, row.service_cancelled_at is not None) == ("", True)
    assert row.state == ("NOT_SENT" if place == "RECEIVED" else state_of(place))
    sound(house)
    abandon(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=found()):
        turns(house)
    due = 0 if place == "NEEDS_HUMAN" else 10000
    assert told(house, "W")["self_payment"]["refund_due_minor"] == due, "due once nothing is live"
    sound(house)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_refunded_that_is_not_due(house: House, place: str) -> None:
    can(house, can_query_by_msgid=True)
    PLACES[place](house)
    if place == "never came":
        with pytest.raises(NotFound):
            refund(house, "W", 1)
        return
    assert code_of(refund(house, "W", 1)) == "refund_exceeds_due"
    assert told(house, "W")["verdict"] == word_of(place)
    sound(house)


@pytest.mark.parametrize("place", PLACES)
def test_only_what_is_settled_is_cancelled(house: House, place: str) -> None:
    can(house, can_query_by_msgid=True)
    PLACES[place](house)
    (result,) = receive(draft(house, "C-2", operation="cancel", of="W"))
    expected = {"SUCCEEDED": "", "cancel open": "cancel_is_open", "never came": "reference_unknown"}
    assert code_of(result) == expected.get(place, "not_settled")
    sound(house)
