"""State by event: what the insurer answers to a settle, a query and a reversal, and what it proves in which state."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.models import Call, Evidence, Transaction
from exchange.transport import Receipt
from journal.handlers import Outcome
from tests.exchange.doubting import (
    ALREADY_REVERSED,
    NOT_FOUND,
    PAST_DEADLINE,
    PAST_QUIET,
    REFUSAL,
    RUNNING,
    SILENCE,
    UNKNOWN_ORIGINAL,
    Said,
    abandon,
    act,
    armed,
    can,
    clock_on,
    found,
    in_doubt,
    insurer,
    jobs,
    nothing_held,
    reversals,
    reversed_,
    settled,
    sound,
    turn,
    turns,
)
from tests.exchange.house import House, conclude, draft, fresh, perform, received, take

pytestmark = pytest.mark.usefixtures("patient")
SOMEBODY = {"id_no": "110101199001011230"}

UNSENT = Receipt(sent=False, failure="connection_failed")


def answer_of(work: Any, house: House, said: Said | str) -> list[Outcome]:
    """The outcome of one work: the insurer says this, or not a byte left."""
    if said == "unsent":
        return [Outcome(work, result=UNSENT)]
    return perform([work])


@pytest.mark.parametrize("abandoned", [False, True])
@pytest.mark.parametrize(
    ("said", "outcome"), [({}, "DONE"), (REFUSAL, "REFUSED"), ("unsent", "NOT_SENT"), (SILENCE, "UNKNOWN")]
)
@pytest.mark.parametrize("state", ["SENDING", "IN_DOUBT", "REVERSING", "NEEDS_HUMAN", "REVERSED"])
def test_the_settles_answer_in_every_state(house: House, state: str, said: Any, outcome: str, abandoned: bool) -> None:
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True)
    with insurer(house, settle=said if said != "unsent" else {}, query=NOT_FOUND, reverse=nothing_held()) as they:
        row, works = armed(house, "W")
        answer = answer_of(works[0], house, said)
        if state != "SENDING":
            clock_on(PAST_DEADLINE)
            take(house)
        if abandoned:
            abandon(house, "W")
        if state == "NEEDS_HUMAN":
            they.says["query"] = found("reversed")
            turn(house)
        elif state == "REVERSING":
            clock_on(PAST_QUIET)
            turn(house)
        elif state == "REVERSED":
            clock_on(PAST_QUIET)
            turns(house)
        assert fresh(row).state == state
        conclude(answer)
    moved = {"DONE": "REVERSING" if abandoned else "SUCCEEDED", "REFUSED": "REJECTED"}
    moved |= {"NOT_SENT": "NOT_SENT", "UNKNOWN": "IN_DOUBT"}
    assert fresh(row).state == (moved[outcome] if state in ("SENDING", "IN_DOUBT") else state)
    assert Call.objects.get(transaction=row, kind="SETTLE").outcome == outcome
    assert Evidence.objects.filter(transaction=row, kind="CALL_OUTCOME", says=outcome).exists()
    sound(house)
    conclude(answer)
    sound(house)
    if state == "REVERSED" and outcome == "DONE":
        assert jobs(row) == ["exchange.resolve"], "somebody looks again"


# What the insurer answers to a question -------------------------------------------------------------------

QUERIES: dict[str, Said] = {
    "settled": found(),
    "reversed": found("reversed"),
    "cancelled": found("cancelled"),
    "refused": found("refused"),
    "another person": found(person=SOMEBODY),
    "another total": found(total_minor=9999, fund_minor=7999, shares=[{"payer": "basic_fund", "amount_minor": 7999}]),
    "not found": NOT_FOUND,
    "running": RUNNING,
    "another message": found(msgid="MS0"),
    "parts that make no whole": found(cash_minor=1),
    "no person": found(person=None),
    "a state of its own": found("perhaps"),
    "found nothing readable": {"code": "done", "found": None},
    "an error inside": {"code": "done", "found": {}, "error": {"code": "E"}},
    "not a word": SILENCE,
}
PROVES_NOTHING = (
    "running",
    "another message",
    "parts that make no whole",
    "found nothing readable",
    "a state of its own",
    "an error inside",
    "not a word",
)
CONTRADICTS = ("reversed", "cancelled", "another person", "another total", "no person")


WORDS_HELD = {"reversed": "undone", "cancelled": "cancelled"}


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("said", [*QUERIES, "not found, and that is final"])
def test_a_querys_answer_in_doubt(house: House, said: str, quiet: bool) -> None:
    final = said.endswith("final")
    can(house, can_query_by_msgid=True, not_found_is_final=final)
    waiting, given_up = received(draft(house, "W"), draft(house, "G"))
    with insurer(house, settle=SILENCE):
        turn(house)
    abandon(house, "G")
    clock_on(PAST_QUIET if quiet else PAST_DEADLINE)
    with insurer(house, query=NOT_FOUND if final else QUERIES[said]):
        assert turn(house) == 2
    for row in (fresh(waiting), fresh(given_up)):
        if said == "settled":
            assert row.state == ("REVERSING" if row.his_no == "G" else "SUCCEEDED")
        elif said == "refused":
            assert row.state == "REJECTED"
        elif said in CONTRADICTS:
            held = WORDS_HELD.get(said, "another")
            assert (row.state, row.reason_code, row.owner) == ("NEEDS_HUMAN", f"held_{held}", "operations")
        elif said.startswith("not found") and quiet:
            assert row.state == ("REJECTED" if final else "REVERSING")
        else:
            assert (row.state, jobs(row)) == ("IN_DOUBT", ["exchange.resolve"])
    sound(house)


@pytest.mark.parametrize("state", ["SUCCEEDED", "REJECTED", "NOT_SENT", "REVERSING"])
@pytest.mark.parametrize("said", ["settled", "reversed", "refused", "another person", "not found", "running"])
def test_a_querys_answer_that_comes_when_the_settles_own_has_decided(house: House, said: str, state: str) -> None:
    can(house, can_query_by_msgid=True, not_found_is_final=True)
    settle: dict[str, Said] = {"SUCCEEDED": {}, "REVERSING": {}, "REJECTED": REFUSAL, "NOT_SENT": {}}
    with insurer(house, settle=settle[state], query=QUERIES[said]):
        row, works = armed(house, "W")
        own = answer_of(works[0], house, "unsent" if state == "NOT_SENT" else settle[state])
        clock_on(PAST_QUIET)
        take(house)
        asked = perform(take(house).works)
        if state == "REVERSING":
            abandon(house, "W")
        conclude(own)
        assert fresh(row).state == state
        conclude(asked)
    row = fresh(row)
    if state == "REVERSING" and (said in CONTRADICTS or said in ("refused", "not found")):
        assert (row.state, reversals(row)) == ("NEEDS_HUMAN", [(1, "abandoned", "GIVEN_UP")])
    else:
        assert row.state == state, "asked before it was decided, it says nothing new"
    sound(house)


# What the insurer answers to a reversal -------------------------------------------------------------------

REVERSALS: dict[str, Said] = {
    "accepted": reversed_(),
    "accepted, said again": {**{"code": "done"}, "reversed": {"msgid": "", "settlement_no": "S-1"}},
    "nothing held": nothing_held(),
    "original unknown": UNKNOWN_ORIGINAL,
    "already reversed": ALREADY_REVERSED,
    "refused": REFUSAL,
    "another person": reversed_(person=SOMEBODY),
    "another total": reversed_(total_minor=9999),
    "another message": reversed_(reversed={"msgid": "MS0", "settlement_no": "S-1"}),
    "no number": reversed_(reversed={"msgid": "MS0"}),
    "running": RUNNING,
    "not found": NOT_FOUND,
    "a list": {"code": ["done"]},
    "not a word": SILENCE,
}


@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("believed", [False, True])
@pytest.mark.parametrize("said", REVERSALS)
def test_a_reversals_answer(house: House, said: str, believed: bool, proven: bool) -> None:
    can(house, reverse_unknown_ok=believed, reverse_idempotent=True)
    if proven:
        settled(house, "W")
        act(house, "W", "disown", reason="never booked")
    else:
        in_doubt(house, "W")
    clock_on(PAST_QUIET)
    answer = REVERSALS[said]
    if said == "accepted, said again":

        def answer(request: dict[str, Any]) -> dict[str, Any]:
            return {"code": "done", "reversed": {"msgid": request["of_msgid"], "settlement_no": "S-1"}}

    with insurer(house, reverse=answer):
        assert turn(house) == 1
    row = Transaction.objects.get()
    if said.startswith("accepted"):
        assert (row.state, row.reason_code, reversals(row)[0][2]) == ("REVERSED", "reversal_accepted", "ACCEPTED")
    elif said in ("nothing held", "original unknown"):
        held = believed and not proven
        state, reason = ("REVERSED", "nothing_held") if held else ("NEEDS_HUMAN", "original_unknown")
        assert (row.state, row.reason_code) == (state, reason)
    elif said in ("already reversed", "refused"):
        assert (row.state, row.reason_code, row.owner) == ("NEEDS_HUMAN", "reversal_refused", "operations")
    else:
        assert (row.state, jobs(row)) == ("REVERSING", ["exchange.resolve"])
    sound(house)


@pytest.mark.parametrize("said", REVERSALS)
def test_the_answer_of_a_reversal_whose_repetition_was_accepted_changes_nothing(house: House, said: str) -> None:
    can(house, reverse_idempotent=True, reverse_unknown_ok=True)
    row = in_doubt(house, "W")
    clock_on(PAST_QUIET)
    with insurer(house, reverse=[REVERSALS[said], reversed_()]):
        slow = perform(take(house).works)
        clock_on(PAST_DEADLINE)
        turns(house)
        assert reversals(row) == [(0, "not_proven", "ACCEPTED")]
        conclude(slow)
        turns(house)
    assert (fresh(row).state, reversals(row)) == ("REVERSED", [(0, "not_proven", "ACCEPTED")])
    assert Call.objects.filter(kind="REVERSE", outcome=None).count() == 0
    sound(house)
