"""Acts that meet on one transaction or one bill: the row lock lets one be first, and either order ends right."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from exchange.models import Transaction
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_DEADLINE,
    PAST_QUIET,
    SILENCE,
    STANDS,
    abandon,
    act,
    armed,
    can,
    cash_of,
    clock_on,
    code_of,
    found,
    in_doubt,
    insurer,
    nothing_held,
    refund,
    reversals,
    reversed_,
    settled,
    sound,
    told,
    turns,
)
from tests.exchange.house import House, conclude, draft, fresh, perform, receive, received, take
from tests.exchange.meetings import BILL, CLAIM, faults, meet, meet_in

pytestmark = pytest.mark.usefixtures("patient")
PLACE: dict[str, Any] = {"visit_no": "V", "bill_no": "B"}
BOTH_WAYS = pytest.mark.parametrize("order", ["one first", "other first"])


@BOTH_WAYS
def test_abandon_against_proof_of_success(committed_house: House, order: str) -> None:
    house = committed_house
    with insurer(house):
        row, works = armed(house, "W")
        outcomes = perform(works)
        gave_up, concluded = meet_in(order, lambda: abandon(house, "W"), lambda: conclude(outcomes))
        assert faults([gave_up, concluded]) == []
        sound(house)
        turns(house)
    if order == "one first":
        assert code_of(gave_up) == ""
        assert (fresh(row).state, reversals(row)) == ("REVERSED", [(1, "abandoned", "ACCEPTED")])
        assert told(house, "W")["self_payment"] == STANDS
    else:
        assert code_of(gave_up) == "already_succeeded"
        assert (fresh(row).state, reversals(row)) == ("SUCCEEDED", [])
        assert told(house, "W")["self_payment"]["refund_due_minor"] == 8000
    assert cash_of(house) == (10000, 0)
    sound(house)


@BOTH_WAYS
def test_abandon_against_the_arming_of_the_first_send(committed_house: House, order: str) -> None:
    house = committed_house
    (row,) = received(draft(house, "W"))
    with insurer(house) as they:

        def send() -> Any:
            return take(house)

        after = BILL if order == "one first" else CLAIM
        gave_up, taken = meet_in(order, lambda: abandon(house, "W"), send, after=after)
        assert faults([gave_up, taken]) == []
        conclude(perform(taken.works))
        turns(house)
        heard = they.heard
    # Held after its claim, the worker has not read the wish yet: the hospital is first whoever began.
    assert (code_of(gave_up), heard) == ("", []) if not heard else ("", ["settle", "reverse"])
    assert fresh(row).state in ("NOT_SENT", "REVERSED")
    assert told(house, "W")["self_payment"] == STANDS
    sound(house)


@BOTH_WAYS
def test_disown_against_cancel(committed_house: House, order: str) -> None:
    house = committed_house
    row = settled(house, "X")
    cancel = draft(house, "C", operation="cancel", of="X")
    disowned, cancelled = meet_in(
        order, lambda: act(house, "X", "disown", reason="never booked"), lambda: receive(cancel)[0]
    )
    assert faults([disowned, cancelled]) == []
    with insurer(house) as they:
        turns(house)
    if order == "one first":
        assert (code_of(disowned), code_of(cancelled)) == ("", "not_settled")
        assert (they.heard, fresh(row).state, told(house, "X")["verdict"]) == (["reverse"], "REVERSED", "reversed")
    else:
        assert (code_of(disowned), code_of(cancelled)) == ("cancel_is_open", "")
        assert (they.heard, fresh(row).state, told(house, "X")["verdict"]) == (["cancel"], "CANCELLED", "cancelled")
    sound(house)


def test_two_cancels_and_two_disowns_at_once_are_one(committed_house: House) -> None:
    house = committed_house
    settled(house, "X")
    settled(house, "Y")
    cancels = [draft(house, his_no, operation="cancel", of="X") for his_no in ("C-1", "C-2")]
    first, second = meet(lambda: receive(cancels[0])[0], lambda: receive(cancels[1])[0])
    assert (code_of(first), code_of(second)) == ("", "cancel_is_open")
    acts = [partial(act, house, "Y", "disown", reason="x", key=key) for key in "12"]
    assert [code_of(one) for one in meet(*acts)] == ["", ""]
    with insurer(house) as they:
        turns(house)
    assert sorted(they.heard) == ["cancel", "reverse"]
    sound(house)


def test_of_two_resolvers_one_has_the_transaction(committed_house: House) -> None:
    house = committed_house
    row = in_doubt(house, "W")
    with insurer(house, query=found()) as they:
        first, second = meet(lambda: take(house), lambda: take(house), after=CLAIM)
        assert (len(first.works), len(second.works)) == (1, 0)
        conclude(perform(first.works))
        turns(house)
    assert (they.heard, fresh(row).state) == (["query"], "SUCCEEDED")
    sound(house)


@BOTH_WAYS
def test_two_answers_of_two_resolvers_meet(committed_house: House, order: str) -> None:
    """The first resolver was held up so long that its guard asked again."""
    house = committed_house
    row = in_doubt(house, "W")
    with insurer(house, query=[found(), found(), SILENCE]) as they:
        slow = take(house).works
        clock_on(PAST_DEADLINE)
        quick = take(house).works
        assert (len(slow), len(quick)) == (1, 1)
        answers = [perform(slow), perform(quick)]
        results = meet_in(order, lambda: conclude(answers[0]), lambda: conclude(answers[1]), after=BILL)
        assert faults(results) == []
        turns(house)
        assert they.heard == ["query", "query"]
    assert (fresh(row).state, Transaction.objects.get().episode) == ("SUCCEEDED", 1)
    sound(house)


@BOTH_WAYS
def test_the_settles_late_success_against_the_reversals_answer(committed_house: House, order: str) -> None:
    house = committed_house
    can(house, reverse_unknown_ok=True, reverse_idempotent=True)
    with insurer(house, reverse=[nothing_held(), reversed_()]) as they:
        row, works = armed(house, "W")
        late = perform(works)
        clock_on(PAST_DEADLINE)
        take(house)
        clock_on(PAST_QUIET)
        undoing = perform(take(house).works)
        assert they.heard == ["settle", "reverse"]
        assert faults(meet_in(order, lambda: conclude(late), lambda: conclude(undoing))) == []
        turns(house)
        assert they.heard == ["settle", "reverse", "reverse"]
    assert reversals(row) == [(0, "not_proven", "NOTHING_HELD"), (1, "late_answer", "ACCEPTED")]
    assert told(house, "W")["verdict"] == "reversed"
    sound(house)


@BOTH_WAYS
def test_an_original_surfaces_while_its_successor_is_being_settled(committed_house: House, order: str) -> None:
    house = committed_house
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True, reverse_idempotent=True)
    old = in_doubt(house, "X", **PLACE)
    abandon(house, "X")
    clock_on(PAST_QUIET)
    with insurer(house, query=NOT_FOUND, reverse=nothing_held()) as they:
        turns(house)
        assert fresh(old).state == "REVERSED"
        (new,) = received(draft(house, "Y", replaces="X", **PLACE))
        clock_on(PAST_DEADLINE)
        they.says |= {"query": found(), "reverse": reversed_()}
        works = take(house).works
        by_row = {work.payload.transaction_id: work for work in works}
        assert set(by_row) == {old.pk, new.pk}, "the watch of the one and the settle of the other are under way"
        watch, settle = perform([by_row[old.pk]]), perform([by_row[new.pk]])
        assert faults(meet_in(order, lambda: conclude(watch), lambda: conclude(settle))) == []
        assert (fresh(old).state, fresh(new).state) == ("REVERSING", "SUCCEEDED")
        sound(house)
        turns(house)
    assert reversals(old) == [(0, "abandoned", "NOTHING_HELD"), (1, "surfaced", "ACCEPTED")]
    assert (told(house, "X")["verdict"], told(house, "Y")["verdict"]) == ("reversed", "succeeded")
    assert told(house, "Y")["self_payment"]["refund_due_minor"] == 8000
    assert code_of(refund(house, "Y", 8000)) == ""
    assert told(house, "Y")["bill"]["square"]
    sound(house)
