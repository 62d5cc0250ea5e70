"""What an answer about an act proves: of a query, and of a reversal. The rules of docs/mechanisms/in-doubt.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from core.bulk import rows_insert
from exchange.doubt import SILENT, Case, Step, Try, ladder_delay, next_step
from exchange.locks import Locked, bills_and_transactions_lock
from exchange.messages import Held, Reply
from exchange.models import Transaction
from exchange.services.calls import CallResult, outcomes_write, tries_of
from exchange.services.conclude import proven
from exchange.services.endings import BY, BY_ABSENCE, Ending, Undo, endings_write, evidence_of
from exchange.services.resolve import Undoing, case_of, hand_to_person, undoing_now, undoings_of
from exchange.states import CallKind, CallOutcome, Cause, EvidenceKind, OperationClass, ReversalEnd, TransactionState

S = TransactionState
WITHOUT_END = (S.IN_DOUBT, S.REVERSING)


def answers_conclude(
    *, results: Sequence[CallResult], now: datetime, watching: bool = False
) -> dict[UUID, datetime | None]:
    """Write outcomes once, move what they prove; returns when to look at each transaction again, None: never.

    `watching`: what has ended is looked after all the same. Of two answers about one transaction the second is read in
    the light of the first.
    """
    firsts = {result.transaction_id: result for result in reversed(results)}
    seconds = [result for result in results if result is not firsts[result.transaction_id]]
    again_at = _answers_conclude(list(firsts.values()), watching, now=now)
    return again_at | answers_conclude(results=seconds, now=now, watching=watching) if seconds else again_at


def _answers_conclude(results: Sequence[CallResult], watching: bool, *, now: datetime) -> dict[UUID, datetime | None]:
    ids = [result.transaction_id for result in results]
    locked = bills_and_transactions_lock(ids)
    outcomes_write(results, now=now)
    tries, undoings = tries_of(ids), undoings_of(ids)
    endings: list[Ending] = []
    witnesses = []
    for result in results:
        row = locked.rows[result.transaction_id]
        case, undoing = case_of(row, tries[row.pk], undoings[row.pk]), undoings[row.pk]
        ending = _read(row, result, case, undoing, locked, now=now)
        if ending is None:
            outcome = result.reply.outcome
            details = result.reply.reason_code
            witnesses.append(
                evidence_of(row, EvidenceKind.CALL_OUTCOME, outcome, now=now, call_id=result.call_id, details=details)
            )
        else:
            endings.append(ending)
    rows_insert(witnesses)
    endings_write(endings, locked=locked, now=now)
    look = _look_again_at if watching else _again_at
    return {one.transaction_id: look(one, locked, tries, undoings, now=now) for one in results}


def answer_unconcluded(*, result: CallResult, now: datetime) -> None:
    """An answer whose conclusion raised: the Call keeps it, a person has the transaction, by the smallest write."""
    locked = bills_and_transactions_lock([result.transaction_id])
    row = locked.rows[result.transaction_id]
    outcomes_write([result], now=now)
    if row.state in WITHOUT_END:
        undoing = undoings_of([row.pk])[row.pk]
        endings_write([hand_to_person(row, undoing, "answer_not_worked", now=now)], locked=locked, now=now)


def _read(
    row: Transaction, result: CallResult, case: Case, undoing: Undoing, locked: Locked, *, now: datetime
) -> Ending | None:
    """The move that an answer proves, made in memory; None where it proves nothing that is not known."""
    if result.kind is CallKind.REVERSE:
        return _reversal(row, result, case, undoing, now=now) if row.state == S.REVERSING else None
    if row.state == S.IN_DOUBT:
        return _query_in_doubt(row, result, case, now=now)
    if row.state == S.REVERSING:
        return _query_reversing(row, result, case, undoing, now=now)
    # A settlement that another cancel has undone says nothing of this one.
    undone_by_another = row.of_id is not None and locked.rows[row.of_id].state != S.SUCCEEDED
    if row.state in (S.REVERSED, S.REJECTED, S.NOT_SENT) and not undone_by_another:
        return _query_ended(row, result, undoing, now=now)
    return None


def _query_in_doubt(row: Transaction, result: CallResult, case: Case, *, now: datetime) -> Ending | None:
    reply = result.reply
    cancels = row.operation_class == OperationClass.UNDOES
    if reply.outcome is CallOutcome.DONE and reply.held is Held.STANDS:
        begins = proven(row, reply)
        return _signed(row, result, now=now, begins=begins)
    if cancels and reply.outcome is CallOutcome.NOT_FOUND:
        # The settlement that it was to cancel is not known there: that contradicts what was proven.
        return _contradiction(row, result, Undoing(), "original_unknown", now=now)
    absent = reply.outcome is CallOutcome.NOT_FOUND or (cancels and reply.held is Held.REFUSED)
    if absent:
        return _absent(row, result, case, now=now)
    if reply.outcome is CallOutcome.DONE and reply.held is Held.REFUSED:
        row.reject()
        row.reason_code, row.insurer_code, row.insurer_text = (
            reply.reason_code,
            reply.insurer_code,
            reply.insurer_text,
        )
        return _signed(row, result, now=now)
    if reply.outcome is CallOutcome.DONE:
        return _contradiction(row, result, Undoing(), f"held_{reply.held}", now=now)
    return None


def _absent(row: Transaction, result: CallResult, case: Case, *, now: datetime) -> Ending | None:
    """Not held there. That means something only when asked after the quiet time, or where we can shut the door."""
    if result.armed_at >= case.quiet_at:
        if case.interface.can("not_found_is_final") or row.operation_class == OperationClass.UNDOES:
            row.reject()
            row.reason_code = BY_ABSENCE
            return _signed(row, result, now=now)
        return _begin(row, result, Cause.ABANDONED if row.abandoned_at else Cause.NOT_PROVEN, now=now)
    if case.abandoned and result.armed_at >= case.undo_at:
        return _begin(row, result, Cause.ABANDONED, now=now)
    return None


def _query_reversing(
    row: Transaction, result: CallResult, case: Case, undoing: Undoing, *, now: datetime
) -> Ending | None:
    """Asked because the reversal itself was not answered and may not be repeated blindly."""
    reply = result.reply
    if row.operation_class == OperationClass.UNDOES:
        return _query_reversing_cancel(row, result, case, undoing, now=now)
    if reply.outcome is CallOutcome.NOT_FOUND:
        proves = case.interface.can("not_found_is_final") and result.armed_at >= case.quiet_at
        return _nothing_held(row, result, undoing, believed=True, now=now) if proves else None
    if reply.outcome is not CallOutcome.DONE or reply.held is Held.STANDS:
        return None
    # Undone by whom, where we have sent no reversal yet?
    if reply.held is Held.UNDONE and case.since(undoing.ours_since or case.state_at, CallKind.REVERSE):
        return _undone(row, result, undoing, ReversalEnd.ACCEPTED, "", "reversal_accepted", now=now)
    if reply.held is Held.REFUSED:
        return _nothing_held(row, result, undoing, believed=True, now=now)
    return _contradiction(row, result, undoing, f"held_{reply.held}", now=now)


def _query_reversing_cancel(
    row: Transaction, result: CallResult, case: Case, undoing: Undoing, *, now: datetime
) -> Ending | None:
    """Its settlement was asked for: settled again, after our reversal was sent, means that the cancel is undone."""
    reply = result.reply
    tries = case.since(case.undo_began_at or case.state_at, CallKind.REVERSE)
    if reply.outcome is not CallOutcome.DONE or reply.held is Held.STANDS or not tries:
        return None
    if reply.held is not Held.REFUSED:
        return _contradiction(row, result, undoing, f"held_{reply.held}", now=now)
    if result.armed_at < tries[-1].armed_at:
        return None
    return _undone(row, result, undoing, ReversalEnd.ACCEPTED, "", "reversal_accepted", now=now)


def _query_ended(row: Transaction, result: CallResult, undoing: Undoing, *, now: datetime) -> Ending | None:
    """It surfaced, if a question that was asked after the last reversal finds it standing."""
    closed_at = undoing.last.closed_at if undoing.last else row.state_at
    reply = result.reply
    stands = reply.outcome is CallOutcome.DONE and reply.held is Held.STANDS
    if not stands or (closed_at is not None and result.armed_at < closed_at):
        return None
    row.episode += 1
    row.settlement_no = reply.split.settlement_no if reply.split else row.settlement_no
    return _begin(row, result, Cause.SURFACED, now=now)


def _reversal(row: Transaction, result: CallResult, case: Case, undoing: Undoing, *, now: datetime) -> Ending | None:
    reply = result.reply
    if reply.outcome is CallOutcome.DONE and reply.undone:
        return _undone(row, result, undoing, ReversalEnd.ACCEPTED, reply.undone, "reversal_accepted", now=now)
    if reply.outcome is CallOutcome.DONE or reply.reason_code == "original_unknown":
        believed = case.interface.can("reverse_unknown_ok") or case.interface.can("not_found_is_final")
        return _nothing_held(row, result, undoing, believed=believed, now=now)
    if reply.outcome is CallOutcome.REFUSED:
        # Only our own earlier reversal can have undone our own message.
        ours = case.since(undoing.ours_since or case.state_at, CallKind.REVERSE)
        if reply.reason_code == "already_reversed" and any(one.msgid != result.msgid for one in ours):
            return _undone(row, result, undoing, ReversalEnd.ACCEPTED, "", "reversal_accepted", now=now)
        return _contradiction(row, result, undoing, "reversal_refused", now=now)
    return None


def _nothing_held(row: Transaction, result: CallResult, undoing: Undoing, *, believed: bool, now: datetime) -> Ending:
    """The insurer knows nothing that could be undone; `believed`: it is proven to mean it. Of a proven fee, never."""
    if row.episode > 0 or not believed:
        return _contradiction(row, result, undoing, "original_unknown", now=now)
    return _undone(row, result, undoing, ReversalEnd.NOTHING_HELD, "", "nothing_held", now=now)


def _undone(
    row: Transaction,
    result: CallResult,
    undoing: Undoing,
    end: ReversalEnd,
    settlement_no: str,
    reason: str,
    *,
    now: datetime,
) -> Ending:
    row.reversal_accepted()
    row.reason_code = reason
    undo = Undo(undoing.open, end, settlement_no) if undoing.open else None
    return _signed(row, result, now=now, undo=undo)


def _begin(row: Transaction, result: CallResult, cause: Cause, *, now: datetime) -> Ending:
    row.reverse()
    row.reason_code = f"reversing_{cause}"
    return _signed(row, result, now=now, begins=cause)


def _contradiction(row: Transaction, result: CallResult, undoing: Undoing, reason: str, *, now: datetime) -> Ending:
    row.ask_a_person()
    row.reason_code, row.insurer_code, row.insurer_text = reason, result.reply.insurer_code, result.reply.insurer_text
    undo = Undo(undoing.open, ReversalEnd.GIVEN_UP) if undoing.open else None
    return _signed(row, result, now=now, undo=undo)


def _signed(
    row: Transaction, result: CallResult, *, now: datetime, begins: Cause | None = None, undo: Undo | None = None
) -> Ending:
    row.moved(now=now, by=BY, reason=row.reason_code or str(result.reply.outcome))
    evidence = evidence_of(row, EvidenceKind.CALL_OUTCOME, _says(result.reply), now=now, call_id=result.call_id)
    return Ending(row, evidence, begins=begins, undo=undo)


def _says(reply: Reply) -> str:
    return f"held_{reply.held}" if reply.held else str(reply.outcome)


def _again_at(
    result: CallResult, locked: Locked, tries: dict[UUID, list[Try]], undoings: dict[UUID, Undoing], *, now: datetime
) -> datetime | None:
    """When the resolver looks again at what has not ended, or ended against an answer that came meanwhile."""
    row = locked.rows[result.transaction_id]
    case = case_of(row, tries[row.pk], undoing_now(undoings[row.pk]))
    if row.state == S.REVERSING:
        undo_began_at = case.undo_began_at
        if undo_began_at is None or (result.kind is CallKind.QUERY and result.reply.held is Held.STANDS):
            return now
        done = len(case.since(undo_began_at, CallKind.REVERSE, CallKind.QUERY))
        return now + ladder_delay("reverse", done)
    silent = result.reply.outcome in SILENT
    if row.state == S.IN_DOUBT:
        if not silent and now < case.quiet_at:
            return case.quiet_at
        return now + ladder_delay("query", len(case.since(case.state_at, CallKind.QUERY)))
    if next_step(case, now=now).step is Step.DONE:
        return None
    return now + ladder_delay("query", 1) if silent else now


def _look_again_at(
    result: CallResult, locked: Locked, tries: dict[UUID, list[Try]], undoings: dict[UUID, Undoing], *, now: datetime
) -> datetime | None:
    """When the watch looks again. A look that was not answered is no look: it is repeated before the next one."""
    row = locked.rows[result.transaction_id]
    if row.state not in (S.REVERSED, S.REJECTED):
        return None
    asked = case_of(row, tries[row.pk], undoing_now(undoings[row.pk])).since(row.state_at, CallKind.QUERY)
    looks = sum(one.outcome not in SILENT for one in asked)
    if asked and asked[-1].outcome in SILENT:
        silences = len(asked) - looks
        return now + ladder_delay("query", silences) if silences < len(settings.LADDERS["query"]) else None
    ladder = settings.LADDERS["watch"]
    return now + timedelta(seconds=ladder[looks]) if looks < len(ladder) else None
