"""What to do next about a transaction whose truth lies with the insurer: a pure decision over what was tried so far.

The rule behind it: no answer means unknown. After the quiet time, which counts from the deadline of the act, "not
found" means something; before it nothing does. `docs/mechanisms/in-doubt.md` draws the whole.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

from exchange.selectors.interfaces import InterfaceFacts
from exchange.states import CallKind, CallOutcome, Cause, OperationClass, TransactionState

ACTS = (CallKind.SETTLE, CallKind.CANCEL)
ENDED = (TransactionState.REVERSED, TransactionState.REJECTED, TransactionState.NOT_SENT)
# The insurer said nothing that decides.
SILENT = (None, CallOutcome.UNKNOWN, CallOutcome.RUNNING, CallOutcome.NOT_SENT)
HELD_STANDS = "held_stands"


class Step(StrEnum):
    WAIT = "wait"
    QUERY = "query"
    REVERSE = "reverse"  # Begins the reversal where none is open.
    REPEAT = "repeat"  # An ended one begins once more: a late answer proved it, and nobody can be asked.
    PERSON = "person"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Try:
    """One call of the past. `outcome` None: no answer so far. `says` is its reason."""

    kind: str
    outcome: str | None
    says: str
    armed_at: datetime
    deadline: datetime
    outcome_at: datetime | None
    msgid: str


@dataclass(frozen=True, slots=True)
class Case:
    """What the decision needs.

    `undo_began_at`, `undo_cause`: of the open reversal. `undone_began_at`: of the last that has ended; `undone_named`:
    its answer said what it undid.
    """

    state: str
    operation_class: str
    abandoned: bool
    state_at: datetime
    tries: Sequence[Try]
    interface: InterfaceFacts
    undo_began_at: datetime | None = None
    undo_cause: str = ""
    undone_began_at: datetime | None = None
    undone_named: bool = False

    @property
    def act(self) -> Try | None:
        """The settle or cancel itself. There is one: an act is never sent twice."""
        return next((one for one in self.tries if one.kind in ACTS), None)

    @property
    def quiet_at(self) -> datetime:
        """From here on "not found" means something."""
        deadline = self.act.deadline if self.act else self.state_at
        return deadline + timedelta(seconds=self.interface.quiet_seconds)

    @property
    def undo_at(self) -> datetime:
        """From here on it may be reversed without having been found: where a reversal shuts the door, at once."""
        blocks = self.interface.can("blocks_late_original")
        return self.act.deadline if self.act and blocks else self.quiet_at

    @property
    def can_ask(self) -> bool:
        """A cancel is asked for by the number of its settlement, which every insurer knows."""
        return self.operation_class == OperationClass.UNDOES or self.interface.can("can_query_by_msgid")

    def since(self, moment: datetime, *kinds: CallKind) -> list[Try]:
        return [one for one in self.tries if one.kind in kinds and one.armed_at >= moment]


@dataclass(frozen=True, slots=True)
class Next:
    step: Step
    until: datetime | None = None
    reason: str = ""


def next_step(case: Case, *, now: datetime) -> Next:
    """The one decision, made under the row lock before anything is sent."""
    if case.state == TransactionState.IN_DOUBT:
        return _in_doubt(case, now)
    if case.state == TransactionState.REVERSING:
        return _reversing(case, now)
    if case.state in ENDED:
        return _ended(case)
    return Next(Step.DONE)


def _in_doubt(case: Case, now: datetime) -> Next:
    act = case.act
    if act is None:
        return Next(Step.PERSON, reason="no_call_to_ask_about")
    if now < act.deadline:
        return Next(Step.WAIT, until=act.deadline)
    if not case.can_ask:
        return _undo_after_quiet(case, now)
    asked = case.since(case.state_at, CallKind.QUERY)
    used_up = len(asked) >= len(settings.LADDERS["query"])
    unanswered = bool(asked) and asked[-1].outcome in SILENT
    if case.abandoned and (used_up or (unanswered and now >= case.undo_at)):
        return _undo_after_quiet(case, now)
    return Next(Step.PERSON, reason="ladder_used_up") if used_up else Next(Step.QUERY)


def _undo_after_quiet(case: Case, now: datetime) -> Next:
    return Next(Step.REVERSE) if now >= case.undo_at else Next(Step.WAIT, until=case.undo_at)


def _reversing(case: Case, now: datetime) -> Next:
    began_at = case.undo_began_at or case.state_at
    tries = case.since(began_at, CallKind.REVERSE)
    window = case.interface.capabilities.get("reverse_window_seconds")
    if window is not None and case.act and now > case.act.armed_at + timedelta(seconds=window):
        return Next(Step.PERSON, reason="reverse_window_over")
    if len(case.since(began_at, CallKind.REVERSE, CallKind.QUERY)) >= len(settings.LADDERS["reverse"]):
        return Next(Step.PERSON, reason="ladder_used_up")
    if case.interface.can("reverse_idempotent"):
        return Next(Step.REVERSE)
    if not tries and case.undo_cause == Cause.LATE_ANSWER:
        return Next(Step.PERSON, reason="late_answer_not_undone")
    if not tries or tries[-1].outcome == CallOutcome.NOT_SENT:
        return Next(Step.REVERSE)
    if not case.can_ask:
        return Next(Step.PERSON, reason="reversal_not_answered")
    asked = case.since(tries[-1].armed_at, CallKind.QUERY)
    stands = bool(asked) and asked[-1].says == HELD_STANDS
    return Next(Step.REVERSE if stands else Step.QUERY)


def _ended(case: Case) -> Next:
    """A late answer of the act itself proved that it was done, after it was held for undone, refused or unsent.

    What was reversed in full knowledge of that answer is over.
    """
    act = case.act
    if act is None or act.outcome != CallOutcome.DONE or act.outcome_at is None:
        return Next(Step.DONE)
    if case.undone_named or act.outcome_at <= (case.undone_began_at or case.state_at):
        return Next(Step.DONE)
    if case.can_ask:
        asked = case.since(act.outcome_at, CallKind.QUERY)
        if not asked or (asked[-1].outcome in SILENT and len(asked) < len(settings.LADDERS["query"])):
            return Next(Step.QUERY)
        if asked[-1].outcome not in SILENT:
            return Next(Step.DONE)
    return Next(Step.REPEAT)


def ladder_delay(name: str, step: int) -> timedelta:
    """How long to wait after the try number `step` (from 1), with a jitter of a fifth."""
    delays = settings.LADDERS[name]
    return timedelta(seconds=delays[min(step, len(delays)) - 1] * random.uniform(0.9, 1.1))
