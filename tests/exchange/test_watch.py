"""What was reversed without anything being held is looked after for a while: a look counts when it was answered."""

from __future__ import annotations

import pytest
from django.conf import settings

from exchange.models import Call, Transaction
from journal.models import Job
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_QUIET,
    RUNNING,
    SILENCE,
    can,
    clock_on,
    found,
    in_doubt,
    insurer,
    nothing_held,
    reversals,
    turn,
    turns,
)
from tests.exchange.house import House, fresh

pytestmark = pytest.mark.usefixtures("patient")
LOOKS = len(settings.LADDERS["watch"])


def nothing_was_held(house: House) -> Transaction:
    """A wish in doubt that was reversed at an insurer who knows nothing of it, and says so."""
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True, reverse_idempotent=True)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, query=NOT_FOUND, reverse=nothing_held()) as they:
        turns(house)
    settle = Call.objects.get(transaction=row, kind="SETTLE").msgid
    assert {request["of_msgid"] for request in they.requests} == {settle}, "asked about and undone is the settle itself"
    assert reversals(row) == [(0, "not_proven", "NOTHING_HELD")]
    return row


def test_it_looks_as_often_as_the_ladder_says(house: House) -> None:
    nothing_was_held(house)
    with insurer(house, query=NOT_FOUND) as they:
        for _ in range(LOOKS + 2):
            clock_on(max(settings.LADDERS["watch"]) + 1)
            turn(house)
    assert they.heard == ["query"] * LOOKS
    assert not Job.objects.exists()


def test_a_look_that_is_not_answered_is_repeated_before_it_counts(house: House) -> None:
    row = nothing_was_held(house)
    with insurer(house, query=[SILENCE, RUNNING, SILENCE, NOT_FOUND, found()]) as they:
        for _ in range(6):
            clock_on(max(settings.LADDERS["watch"]) + 1)
            turn(house)
    assert they.heard == ["query"] * 5 + ["reverse"]
    assert fresh(row).state == "REVERSED"
    assert reversals(row) == [(0, "not_proven", "NOTHING_HELD"), (1, "surfaced", "ACCEPTED")]


def test_an_insurer_that_never_answers_is_not_asked_for_ever(house: House) -> None:
    nothing_was_held(house)
    longest = len(settings.LADDERS["query"])
    with insurer(house, query=SILENCE) as they:
        for _ in range(longest + 3):
            clock_on(max(settings.LADDERS["watch"]) + 1)
            turn(house)
    assert they.heard == ["query"] * longest
    (job,) = Job.objects.all()
    assert (job.kind, job.parked_at is not None) == ("exchange.watch", True), "a person has it"
