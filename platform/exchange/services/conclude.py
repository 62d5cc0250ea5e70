"""What the one sending of a wish brought: outcomes become states, evidence, postings and verdicts, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.bulk import rows_insert
from exchange.locks import bills_and_transactions_lock
from exchange.messages import Reply
from exchange.models import Evidence, Transaction
from exchange.selectors.interfaces import facts_of
from exchange.services.calls import CallResult, outcomes_write, reason_text
from exchange.services.endings import BY, Ending, endings_write, evidence_of, resolve_job
from exchange.services.verdicts import msgids_of
from exchange.states import CallOutcome, Cause, EvidenceKind, OperationClass, TransactionState
from journal.services import jobs_ensure

# What the act's own late answer decides, as long as nothing else has decided.
PROOFS = (CallOutcome.DONE, CallOutcome.REFUSED, CallOutcome.NOT_SENT)
# What no answer means where no money moves.
WITHOUT_DOUBT: dict[str, str] = {
    OperationClass.READS: "no_answer_nothing_at_stake",
    OperationClass.PREPARES: "no_answer_compensate_first",
}


def calls_conclude(*, results: Sequence[CallResult], now: datetime) -> dict[UUID, str]:
    """Write outcomes once and move their transactions; returns each transaction's state afterwards.

    An outcome that meets a transaction which has been decided otherwise becomes evidence only; its job looks again.
    """
    locked = bills_and_transactions_lock([result.transaction_id for result in results])
    first = outcomes_write(results, now=now)
    endings: list[Ending] = []
    witnesses: list[Evidence] = []
    surprises: list[Transaction] = []
    for result in results:
        row = locked.rows[result.transaction_id]
        late_proof = row.state == TransactionState.IN_DOUBT and result.reply.outcome in PROOFS
        if row.state == TransactionState.SENDING or late_proof:
            endings.append(_moved(row, result, now=now))
        elif result.call_id in first:
            outcome = result.reply.outcome
            witnesses.append(evidence_of(row, EvidenceKind.CALL_OUTCOME, outcome, now=now, call_id=result.call_id))
            if result.reply.outcome is CallOutcome.DONE:
                surprises.append(row)
    rows_insert(witnesses)
    endings_write(endings, locked=locked, now=now)
    jobs_ensure(drafts=[resolve_job(row, now=now) for row in surprises], now=now)
    return {result.transaction_id: str(locked.rows[result.transaction_id].state) for result in results}


def transactions_overdue(*, transaction_ids: Sequence[UUID], now: datetime) -> dict[UUID, str]:
    """Nobody concluded these calls by their deadline: who sent them is gone. Doubt, or nothing at stake."""
    locked = bills_and_transactions_lock(transaction_ids)
    msgids = msgids_of(transaction_ids)
    endings: list[Ending] = []
    for row in (locked.rows[one] for one in transaction_ids):
        if row.state == TransactionState.SENDING:
            _doubt(row, "insurer_did_not_answer", now=now)
            evidence = evidence_of(row, EvidenceKind.DEADLINE_PASSED, "no_outcome", now=now)
            endings.append(Ending(row, evidence, msgids.get(row.pk, "")))
    endings_write(endings, locked=locked, now=now)
    return {pk: str(locked.rows[pk].state) for pk in transaction_ids}


def transaction_unconcluded(*, result: CallResult, now: datetime) -> None:
    """An outcome whose conclusion raised: the Call keeps it as it is, the transaction waits in doubt for a person."""
    locked = bills_and_transactions_lock([result.transaction_id])
    row = locked.rows[result.transaction_id]
    outcomes_write([result], now=now)
    if row.state == TransactionState.SENDING:
        _doubt(row, "answer_not_worked", now=now)
        outcome = result.reply.outcome
        evidence = evidence_of(row, EvidenceKind.CALL_OUTCOME, outcome, now=now, call_id=result.call_id)
        endings_write([Ending(row, evidence, result.msgid)], locked=locked, now=now)


def _moved(row: Transaction, result: CallResult, *, now: datetime) -> Ending:
    """Run the transition that the reply proves on a row that nothing has decided yet."""
    reply = result.reply
    begins = None
    if reply.outcome is CallOutcome.DONE:
        begins = proven(row, reply)
    elif reply.outcome is CallOutcome.REFUSED:
        row.reject()
        row.reason_code = reply.reason_code
    elif reply.outcome is CallOutcome.NOT_SENT:
        row.stay_unsent()
        row.reason_code = reply.reason_code
    else:
        _doubt(row, reason_text(reply), now=now)
    row.insurer_code, row.insurer_text = reply.insurer_code, reply.insurer_text
    row.moved(now=now, by=BY, reason=row.reason_code or str(reply.outcome))
    evidence = evidence_of(row, EvidenceKind.CALL_OUTCOME, reply.outcome, now=now, call_id=result.call_id)
    return Ending(row, evidence, result.msgid, begins=begins)


def proven(row: Transaction, reply: Reply) -> Cause | None:
    """The insurer holds it: settled, or, where cash was taken or the service given up, to be reversed. Signs nothing.

    Returns the cause of the reversal that this begins.
    """
    row.episode += 1
    if row.abandoned_at is not None or row.service_cancelled_at is not None:
        row.reverse()
        row.settlement_no = reply.split.settlement_no if reply.split else row.settlement_no
        row.reason_code = "cash_taken_reversing"
        return Cause.ABANDONED
    row.succeed()
    row.reason_code = "" if reply.undone == "" else f"cancelled_as:{reply.undone}"
    amounts_set(row, reply)
    return None


def amounts_set(row: Transaction, reply: Reply) -> None:
    split = reply.split
    if split is None:
        row.settlement_no = reply.undone or row.settlement_no
        return
    insurer_code = facts_of(row.interface_id).insurer_code
    row.fund_minor, row.account_minor = split.fund_minor, split.account_minor
    row.hospital_minor, row.cash_minor = split.hospital_minor, split.cash_minor
    row.settlement_no = split.settlement_no
    row.shares = [{"payer": payer, "insurer": insurer_code, "amount_minor": amount} for payer, amount in split.shares]


def _doubt(row: Transaction, reason_code: str, *, now: datetime) -> None:
    """Silence: doubt where money may have moved, nothing where only a question was asked."""
    if row.operation_class in WITHOUT_DOUBT:
        row.stay_unsent()
        row.reason_code = WITHOUT_DOUBT[row.operation_class]
    else:
        row.doubt()
        row.reason_code = reason_code
    row.moved(now=now, by=BY, reason=row.reason_code)
