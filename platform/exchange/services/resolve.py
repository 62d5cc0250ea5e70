"""Finding out: the insurer is asked about an act in doubt, or told to undo it, until it is proven or a person has it.

Arming decides (`exchange.doubt`) and stores the call; `services/proof.py` says what its answer proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from exchange.doubt import Case, Next, Step, Try, next_step
from exchange.locks import bills_and_transactions_lock
from exchange.messages import Original
from exchange.models import Reversal, Transaction
from exchange.selectors.interfaces import interface_of
from exchange.services.calls import Armed, CallDraft, calls_arm, tries_of, wishes_of
from exchange.services.endings import BY, Ending, Undo, endings_write, evidence_of
from exchange.services.send import Ended, Waiting
from exchange.states import CallKind, Cause, EvidenceKind, OperationClass, ReversalEnd


@dataclass(frozen=True, slots=True)
class Undoing:
    """The reversals of a transaction: the open one, and the last that has ended.

    `ours_since`: the reversals that we sent from then on are for the same settlement as the open one.
    """

    open: Reversal | None = None
    last: Reversal | None = None
    ours_since: datetime | None = None


def doubts_arm(
    *, transaction_ids: Sequence[UUID], now: datetime, monotonic_now: float, watching: bool = False
) -> list[Armed | Waiting | Ended]:
    """Decide for each transaction what to do next, and store the call that does it; a result for each id.

    `watching` asks after what has ended, whether or not there is news of it. Raises whatever building a message raised.
    """
    locked = bills_and_transactions_lock(transaction_ids)
    rows = [locked.rows[one] for one in transaction_ids]
    tries, undoings = tries_of(transaction_ids), undoings_of(transaction_ids)
    results: list[Armed | Waiting | Ended] = []
    endings: list[Ending] = []
    asking: list[tuple[Transaction, CallKind]] = []
    for row in rows:
        case = case_of(row, tries[row.pk], undoings[row.pk])
        step = _watch_step(case) if watching else next_step(case, now=now)
        if step.step is Step.WAIT and step.until is not None:
            results.append(Waiting(row.pk, step.until))
        elif step.step is Step.DONE:
            results.append(Ended(row.pk))
        elif step.step is Step.QUERY:
            asking.append((row, CallKind.QUERY))
        elif step.step is Step.REVERSE:
            if undoings[row.pk].open is None:
                endings.append(_begin(row, Cause.ABANDONED if row.abandoned_at else Cause.NOT_PROVEN, now=now))
            asking.append((row, CallKind.REVERSE))
        elif step.step is Step.PERSON:
            endings.append(hand_to_person(row, undoings[row.pk], step.reason, now=now))
            results.append(Ended(row.pk))
        else:
            # The next look finds it REVERSING: there it is undone again, or handed over.
            row.episode += 1
            endings.append(_begin(row, Cause.LATE_ANSWER, now=now))
            results.append(Waiting(row.pk, now))
    endings_write(endings, locked=locked, now=now)
    wishes = wishes_of(row for row, _ in asking)
    settled_nos = {row.pk: locked.rows[row.of_id].settlement_no for row, _ in asking if row.of_id in locked.rows}
    drafts = []
    for row, kind in asking:
        seconds = settings.DEADLINE_SECONDS[kind.lower()]
        original = _original(row, case_of(row, tries[row.pk], undoings[row.pk]), settled_nos.get(row.pk, ""))
        drafts.append(CallDraft(row, interface_of(row.interface_id), kind, wishes[row.pk], seconds, original))
    return [*results, *calls_arm(drafts, now=now, monotonic_now=monotonic_now)]


def doubt_cannot_be_asked(*, transaction_id: UUID, now: datetime) -> None:
    """No query or reversal can be built for it: a person has it, by the smallest write."""
    locked = bills_and_transactions_lock([transaction_id])
    row = locked.rows[transaction_id]
    if row.state in ("IN_DOUBT", "REVERSING"):
        undoing = undoings_of([transaction_id])[transaction_id]
        ending = hand_to_person(row, undoing, "question_not_built", now=now)
        endings_write([ending], locked=locked, now=now)


def case_of(row: Transaction, tries: Sequence[Try], undoing: Undoing) -> Case:
    return Case(
        state=row.state,
        operation_class=row.operation_class,
        abandoned=row.abandoned_at is not None,
        state_at=row.state_at,
        tries=tries,
        interface=interface_of(row.interface_id),
        undo_began_at=undoing.open.opened_at if undoing.open else None,
        undo_cause=undoing.open.cause if undoing.open else "",
        undone_began_at=undoing.last.opened_at if undoing.last else None,
        undone_named=undoing.last is not None and bool(undoing.last.undone_settlement_no),
    )


def undoings_of(transaction_ids: Sequence[UUID]) -> dict[UUID, Undoing]:
    """What is known of each one's reversals."""
    found = dict.fromkeys(transaction_ids, Undoing())
    for reversal in Reversal.objects.filter(transaction_id__in=transaction_ids).order_by("opened_at", "id"):
        before = found[reversal.transaction_id]
        # One that was given up may have worked; one begun for a late answer undoes what the last one was to undo.
        goes_on = before.last is not None and (
            before.last.end == ReversalEnd.GIVEN_UP or reversal.cause == Cause.LATE_ANSWER
        )
        since = before.ours_since if goes_on else reversal.opened_at
        if reversal.closed_at is None:
            found[reversal.transaction_id] = Undoing(reversal, before.last, since)
        else:
            found[reversal.transaction_id] = Undoing(None, reversal, since)
    return found


def undoing_now(undoing: Undoing) -> Undoing:
    """The same after its open reversal may have been closed in memory."""
    if undoing.open is None or undoing.open.closed_at is None:
        return undoing
    return Undoing(None, undoing.open, undoing.ours_since)


def hand_to_person(row: Transaction, undoing: Undoing, reason: str, *, now: datetime) -> Ending:
    row.ask_a_person()
    row.reason_code = reason
    row.moved(now=now, by=BY, reason=reason)
    undo = Undo(undoing.open, ReversalEnd.GIVEN_UP) if undoing.open else None
    return Ending(row, evidence_of(row, EvidenceKind.OUR_RULE, reason, now=now), undo=undo)


def _begin(row: Transaction, cause: Cause, *, now: datetime) -> Ending:
    """Decided, irrevocably: it must not stand."""
    row.reverse()
    row.reason_code = f"reversing_{cause}"
    row.moved(now=now, by=BY, reason=row.reason_code)
    return Ending(row, evidence_of(row, EvidenceKind.OUR_RULE, f"reversing_{cause}", now=now), begins=cause)


def _watch_step(case: Case) -> Next:
    """What is being resolved again has its own job: two of them would reverse it twice."""
    return Next(Step.QUERY if case.state in ("REVERSED", "REJECTED") and case.can_ask else Step.DONE)


def _original(row: Transaction, case: Case, settlement_no: str) -> Original:
    act = case.act
    cancels = row.operation_class == OperationClass.UNDOES
    kind = CallKind.CANCEL if cancels else CallKind.SETTLE
    return Original(kind, act.msgid if act else "", settlement_no)
