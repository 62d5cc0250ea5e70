"""The decision about a doubt: the table of transactions.md "In-doubt resolution", written down a second time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from django.conf import settings

from exchange.doubt import Case, Next, Step, Try, ladder_delay, next_step
from exchange.selectors.interfaces import InterfaceFacts
from exchange.states import Cause, OperationClass, TransactionState

S = TransactionState
ARMED = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DEADLINE = ARMED + timedelta(seconds=3)
DOUBT_AT = ARMED + timedelta(seconds=4)
# accept_window 2 + max_processing 60 + skew 0.5 after the deadline.
QUIET = DEADLINE + timedelta(seconds=62.5)
MOMENTS = {
    "early": ARMED + timedelta(seconds=2),
    "before": DEADLINE + timedelta(seconds=30),
    "after": QUIET + timedelta(hours=1),
}
CAPABILITIES = ("can_query_by_msgid", "reverse_idempotent", "blocks_late_original", "not_found_is_final")
LONG = len(settings.LADDERS["query"])


@dataclass(frozen=True)
class Tried:
    """A call in one word: its kind and what it brought."""

    kind: str
    outcome: str | None
    says: str = ""


NO_ANSWER, RUNNING, GARBAGE = Tried("QUERY", None), Tried("QUERY", "RUNNING"), Tried("QUERY", "UNKNOWN")
NOT_THERE, STANDS = Tried("QUERY", "NOT_FOUND"), Tried("QUERY", "DONE", "held_stands")
UNDO_LOST, UNDO_UNSENT = Tried("REVERSE", "UNKNOWN"), Tried("REVERSE", "NOT_SENT")


@dataclass(frozen=True)
class Situation:
    """One cell of the table."""

    state: str = "IN_DOUBT"
    moment: str = "after"
    abandoned: bool = False
    can: frozenset[str] = frozenset()
    tried: tuple[Tried, ...] = ()
    cancels: bool = False
    cause: str = "not_proven"
    window_seconds: float | None = None
    settle: Tried = field(default_factory=lambda: Tried("SETTLE", "UNKNOWN"))
    undone_named: bool = False

    @property
    def asks(self) -> bool:
        return self.cancels or "can_query_by_msgid" in self.can

    @property
    def silent(self) -> bool:
        """The last question brought nothing that decides."""
        return bool(self.tried) and self.tried[-1] in (NO_ANSWER, RUNNING, GARBAGE)

    @property
    def quiet_is_over(self) -> bool:
        return self.moment == "after" or (self.moment == "before" and "blocks_late_original" in self.can)

    def decide(self) -> Next:
        began_at = DOUBT_AT if self.state in ("REVERSING", "REVERSED") else None
        kind = "CANCEL" if self.cancels else "SETTLE"
        late = QUIET + timedelta(minutes=5)
        act = Try(kind, self.settle.outcome, "", ARMED, DEADLINE, late if self.settle.outcome else None, "MS1")
        tries = [act]
        for number, one in enumerate(self.tried):
            # After the late answer where there is one: that is when what has ended is asked after.
            at = (late if self.settle.outcome == "DONE" else DOUBT_AT) + timedelta(seconds=number + 1)
            tries.append(Try(one.kind, one.outcome, one.says, at, at, at, f"MS{number + 2}"))
        facts = InterfaceFacts(
            1,
            "INS-A",
            1,
            1,
            "INS-A",
            MappingProxyType(
                {"accept_window_seconds": 2, "max_processing_seconds": 60}
                | dict.fromkeys(self.can, True)
                | ({} if self.window_seconds is None else {"reverse_window_seconds": self.window_seconds})
            ),
        )
        case = Case(
            state=self.state,
            operation_class=OperationClass.UNDOES if self.cancels else OperationClass.MOVES,
            abandoned=self.abandoned,
            state_at=DOUBT_AT,
            tries=tries,
            interface=facts,
            undo_began_at=began_at if self.state == "REVERSING" else None,
            undo_cause=self.cause if self.state == "REVERSING" else "",
            undone_began_at=began_at if self.state == "REVERSED" else None,
            undone_named=self.undone_named,
        )
        return next_step(case, now=MOMENTS[self.moment])


Row = tuple[str, Callable[[Situation], bool], tuple[Step, datetime | None]]
# The first line that fits says what is done.
IN_DOUBT: list[Row] = [
    ("its deadline has not passed", lambda it: it.moment == "early", (Step.WAIT, DEADLINE)),
    ("nobody can be asked, and Q is over", lambda it: not it.asks and it.quiet_is_over, (Step.REVERSE, None)),
    ("nobody can be asked yet", lambda it: not it.asks, (Step.WAIT, QUIET)),
    (
        "given up, no answer, and Q is over",
        lambda it: it.abandoned and (it.silent or len(it.tried) == LONG) and it.quiet_is_over,
        (Step.REVERSE, None),
    ),
    (
        "given up, every question used up, Q not over",
        lambda it: it.abandoned and len(it.tried) == LONG,
        (Step.WAIT, QUIET),
    ),
    ("every question used up", lambda it: len(it.tried) == LONG, (Step.PERSON, None)),
    ("else it is asked for", lambda it: True, (Step.QUERY, None)),
]
REVERSING: list[Row] = [
    ("the window of reversals is over", lambda it: it.window_seconds == 60, (Step.PERSON, None)),
    ("every try used up", lambda it: len(it.tried) >= LONG, (Step.PERSON, None)),
    ("telling twice is safe", lambda it: "reverse_idempotent" in it.can, (Step.REVERSE, None)),
    ("told before, for a late answer", lambda it: not it.tried and it.cause == "late_answer", (Step.PERSON, None)),
    ("not told yet, or it never left", lambda it: not it.tried or it.tried[-1] == UNDO_UNSENT, (Step.REVERSE, None)),
    ("told once, and nobody can be asked", lambda it: not it.asks, (Step.PERSON, None)),
    ("asked since, and it stands", lambda it: it.tried[-1] == STANDS, (Step.REVERSE, None)),
    ("else it is asked for", lambda it: True, (Step.QUERY, None)),
]
ENDED: list[Row] = [
    ("no late success", lambda it: it.settle.outcome != "DONE", (Step.DONE, None)),
    ("the reversal named what it undid", lambda it: it.undone_named, (Step.DONE, None)),
    ("it can be asked for", lambda it: it.asks and not it.tried, (Step.QUERY, None)),
    ("asked, and answered", lambda it: it.asks and not it.silent, (Step.DONE, None)),
    ("asked, no answer yet", lambda it: it.asks and len(it.tried) < LONG, (Step.QUERY, None)),
    ("nobody can tell", lambda it: True, (Step.REPEAT, None)),
]


def subsets(names: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(some) for size in range(len(names) + 1) for some in itertools.combinations(names, size)]


def held_against(table: list[Row], situations: list[Situation]) -> set[str]:
    """Every situation is decided as the table says; returns the lines that decided one."""
    used = set()
    for situation in situations:
        line, _, (step, until) = next(row for row in table if row[1](situation))
        found = situation.decide()
        if situation.state == "IN_DOUBT" and until == QUIET and "blocks_late_original" in situation.can:
            until = DEADLINE
        assert (found.step, found.until) == (step, until), f"{line}: {situation}"
        used.add(line)
    return used


def product(**dimensions: list[Any]) -> list[Situation]:
    names = list(dimensions)
    return [Situation(**dict(zip(names, values, strict=True))) for values in itertools.product(*dimensions.values())]


def test_what_is_in_doubt_is_decided_by_the_table() -> None:
    one = [(), (NO_ANSWER,), (RUNNING,), (GARBAGE,), (NOT_THERE,), (NOT_THERE, NO_ANSWER), (NO_ANSWER, NOT_THERE)]
    used_up = [(NO_ANSWER,) * LONG, (*(NO_ANSWER,) * (LONG - 1), NOT_THERE)]
    situations = product(
        moment=list(MOMENTS),
        abandoned=[False, True],
        can=subsets(CAPABILITIES),
        tried=[*one, *used_up],
        cancels=[False, True],
    )
    assert held_against(IN_DOUBT, situations) == {row[0] for row in IN_DOUBT}


def test_what_is_being_reversed_is_decided_by_the_table() -> None:
    tried = [
        (),
        (UNDO_UNSENT,),
        (UNDO_LOST,),
        (UNDO_LOST, NO_ANSWER),
        (UNDO_LOST, NOT_THERE),
        (UNDO_LOST, STANDS),
        (UNDO_LOST, STANDS, UNDO_LOST),
        (UNDO_LOST,) * LONG,
        (UNDO_LOST, *(NO_ANSWER,) * LONG),
    ]
    situations = product(
        state=["REVERSING"],
        moment=["before", "after"],
        abandoned=[False, True],
        can=subsets(CAPABILITIES),
        tried=tried,
        cause=["not_proven", "disowned", "late_answer"],
        window_seconds=[None, 60, 86400],
    )
    # At "before" a window of a minute is still open.
    situations = [one for one in situations if one.window_seconds != 60 or one.moment == "after"]
    assert held_against(REVERSING, situations) == {row[0] for row in REVERSING}


@pytest.mark.parametrize("state", ["REVERSED", "REJECTED", "NOT_SENT"])
def test_what_has_ended_is_looked_at_again_only_for_a_late_success(state: str) -> None:
    situations = product(
        state=[state],
        abandoned=[False, True],
        can=subsets(CAPABILITIES),
        settle=[Tried("SETTLE", outcome) for outcome in (None, "UNKNOWN", "REFUSED", "NOT_SENT", "DONE")],
        tried=[(), (NO_ANSWER,), (NOT_THERE,), (STANDS,), (NO_ANSWER,) * LONG],
        undone_named=[False, True],
    )
    assert held_against(ENDED, situations) == {row[0] for row in ENDED}


@pytest.mark.parametrize("state", ["RECEIVED", "SENDING", "SUCCEEDED", "CANCELLED", "NEEDS_HUMAN"])
def test_nothing_is_to_be_found_out_in_any_other_state(state: str) -> None:
    for situation in product(state=[state], abandoned=[False, True], can=subsets(CAPABILITIES), tried=[(), (STANDS,)]):
        assert situation.decide() == Next(Step.DONE)


def test_every_state_is_spoken_of() -> None:
    spoken = {"IN_DOUBT", "REVERSING", "REVERSED", "REJECTED", "NOT_SENT"}
    assert spoken | {"RECEIVED", "SENDING", "SUCCEEDED", "CANCELLED", "NEEDS_HUMAN"} == set(TransactionState.values)


# What must hold whatever the table says ----------------------------------------------------------------


def test_nothing_is_reversed_before_its_quiet_time_unless_a_reversal_shuts_the_door() -> None:
    situations = product(
        moment=["early", "before"],
        abandoned=[False, True],
        can=[some for some in subsets(CAPABILITIES) if "blocks_late_original" not in some],
        tried=[(), (NO_ANSWER,), (NOT_THERE,), (NO_ANSWER,) * LONG, (NO_ANSWER,) * (LONG * 2)],
    )
    assert {situation.decide().step for situation in situations} <= {Step.WAIT, Step.QUERY, Step.PERSON}


def test_nobody_is_told_twice_who_may_not_be_told_twice() -> None:
    """Between two reversals that may have arrived, a question has found it standing."""
    calls = (UNDO_LOST, UNDO_UNSENT, NO_ANSWER, NOT_THERE, STANDS)
    for length in range(4):
        for tried in itertools.product(calls, repeat=length):
            for can in ((), ("can_query_by_msgid",)):
                step = Situation(state="REVERSING", tried=tried, can=frozenset(can)).decide().step
                arrived = [number for number, one in enumerate(tried) if one == UNDO_LOST]
                if step is Step.REVERSE and arrived:
                    since = tried[arrived[-1] + 1 :]
                    assert STANDS in since or UNDO_UNSENT in since, tried


def test_every_ladder_ends_with_a_person() -> None:
    for can in subsets(CAPABILITIES):
        doubt = Situation(can=can | {"can_query_by_msgid"}, tried=(GARBAGE,) * (LONG + 5)).decide()
        assert (doubt.step, doubt.reason) == (Step.PERSON, "ladder_used_up")
        undoing = Situation(state="REVERSING", can=can, tried=(UNDO_LOST,) * (LONG + 5)).decide()
        assert (undoing.step, undoing.reason) == (Step.PERSON, "ladder_used_up")


def test_a_reversal_that_was_begun_in_full_knowledge_of_the_success_is_over() -> None:
    act = Try("SETTLE", "DONE", "", ARMED, DEADLINE, ARMED + timedelta(seconds=1), "MS1")
    facts = InterfaceFacts(1, "I", 1, 1, "I", MappingProxyType({"can_query_by_msgid": True}))
    case = Case("REVERSED", OperationClass.MOVES, False, QUIET, [act], facts, undone_began_at=DOUBT_AT)
    assert next_step(case, now=MOMENTS["after"]).step is Step.DONE


def test_what_was_never_sent_is_for_a_person() -> None:
    facts = InterfaceFacts(1, "I", 1, 1, "I", MappingProxyType({}))
    case = Case("IN_DOUBT", OperationClass.MOVES, True, QUIET, [], facts)
    assert next_step(case, now=MOMENTS["after"]) == Next(Step.PERSON, reason="no_call_to_ask_about")


@pytest.mark.parametrize("name", ["query", "reverse", "watch"])
def test_a_ladder_grows_and_trembles_by_a_tenth(name: str) -> None:
    delays = settings.LADDERS[name]
    assert list(delays) == sorted(delays)
    for step in (1, len(delays), len(delays) + 7):
        wanted = delays[min(step, len(delays)) - 1]
        assert wanted * 0.9 <= ladder_delay(name, step).total_seconds() <= wanted * 1.1


def test_causes_are_those_of_the_rows() -> None:
    assert {"not_proven", "disowned", "late_answer"} <= set(Cause.values)
