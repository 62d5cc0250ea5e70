"""What came back: outcomes become states, evidence, postings and verdicts, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from core.bulk import rows_insert
from core.ids import uuid7
from core.money import Money
from core.transitions import write_many
from exchange.bills import is_square
from exchange.locks import bills_and_transactions_lock
from exchange.messages import Reply
from exchange.models import Call, Evidence, Transaction, Verdict
from exchange.notices import verdicts_announce
from exchange.selectors.interfaces import interface_of
from exchange.selectors.transactions import money_wishes_of_bills
from exchange.states import CallOutcome, EvidenceKind, OperationClass, TransactionState
from exchange.verdicts import verdict_body, verdict_word
from ledger.services import BookKey, PostingDraft, credit, debit, postings_write

BY = "exchange"
WRITTEN = (
    *("state", "fund_minor", "account_minor", "hospital_minor", "cash_minor", "shares", "settlement_no"),
    *("reason_code", "insurer_code", "insurer_text"),
)


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one call brought: the reply in our words, and what is kept of the wire."""

    call_id: UUID
    transaction_id: UUID
    msgid: str
    reply: Reply
    http_status: int | None
    elapsed_ms: int
    sealed_answer: bytes | None


@dataclass(frozen=True, slots=True)
class Ending:
    """A transaction that was moved in Python, with the evidence for it. `msgid` is that of its latest call, if any."""

    row: Transaction
    evidence: Evidence
    msgid: str = ""

    @classmethod
    def by_our_rule(cls, row: Transaction, code: str, *, now: datetime) -> Ending:
        """NOT_SENT by a rule of ours, before anything was armed."""
        row.stay_unsent()
        row.reason_code = code
        row.moved(now=now, by=BY, reason=code)
        return cls(row, _evidence(row, EvidenceKind.OUR_RULE, code, now=now))


def calls_conclude(*, results: Sequence[CallResult], now: datetime) -> dict[UUID, str]:
    """Write outcomes once and move their transactions; returns each transaction's state afterwards.

    An outcome that meets a transaction which is no longer SENDING becomes evidence only; its job says what follows.
    """
    rows = bills_and_transactions_lock([result.transaction_id for result in results])
    first = _outcomes_write(results, now=now)
    endings: list[Ending] = []
    witnesses: list[Evidence] = []
    for result in results:
        row = rows[result.transaction_id]
        if row.state == TransactionState.SENDING:
            endings.append(_moved(row, result, now=now))
        elif result.call_id in first:
            witnesses.append(
                _evidence(row, EvidenceKind.CALL_OUTCOME, result.reply.outcome, now=now, call_id=result.call_id)
            )
    rows_insert(witnesses)
    endings_write(endings, now=now)
    return {pk: str(row.state) for pk, row in rows.items()}


def transactions_overdue(*, transaction_ids: Sequence[UUID], now: datetime) -> dict[UUID, str]:
    """Nobody concluded these calls by their deadline: who sent them is gone. Doubt, or nothing at stake."""
    rows = bills_and_transactions_lock(transaction_ids)
    endings: list[Ending] = []
    msgids = dict(Call.objects.filter(transaction_id__in=rows).values_list("transaction_id", "msgid"))
    for row in rows.values():
        if row.state == TransactionState.SENDING:
            _doubt(row, "insurer_did_not_answer", now=now)
            evidence = _evidence(row, EvidenceKind.DEADLINE_PASSED, "no_outcome", now=now)
            endings.append(Ending(row, evidence, msgids.get(row.pk, "")))
    endings_write(endings, now=now)
    return {pk: str(row.state) for pk, row in rows.items()}


def transaction_unconcluded(*, result: CallResult, now: datetime) -> None:
    """An outcome whose conclusion raised: the Call keeps it as it is, the transaction waits in doubt for a person."""
    row = bills_and_transactions_lock([result.transaction_id])[result.transaction_id]
    _outcomes_write([result], now=now)
    if row.state == TransactionState.SENDING:
        _doubt(row, "answer_not_worked", now=now)
        evidence = _evidence(row, EvidenceKind.CALL_OUTCOME, result.reply.outcome, now=now, call_id=result.call_id)
        endings_write([Ending(row, evidence, result.msgid)], now=now)


def endings_write(endings: Sequence[Ending], *, now: datetime) -> None:
    """Store moved transactions with evidence, memo postings and final verdicts; announce once committed."""
    if not endings:
        return
    rows = [ending.row for ending in endings]
    write_many(rows, fields=WRITTEN)
    rows_insert([ending.evidence for ending in endings])
    postings_write(drafts=[_posting(ending) for ending in endings if _settled(ending.row)], now=now)
    _verdicts_write(endings, now=now)
    # Doubt is no news: who waits goes on waiting, and is told `pending` when his time is up.
    ended = [row.pk for row in rows if row.state in _FINAL]
    transaction.on_commit(lambda: verdicts_announce(ended))


OUTCOMES = """
UPDATE exchange_call call SET outcome = new.outcome, outcome_at = new.at, outcome_reason = new.reason,
    http_status = new.http_status, elapsed_ms = new.elapsed_ms, sealed_answer = new.answer
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::integer[], %s::integer[], %s::bytea[])
    AS new (id, outcome, at, reason, http_status, elapsed_ms, answer)
WHERE call.id = new.id AND call.outcome IS NULL RETURNING call.id
"""


def _outcomes_write(results: Sequence[CallResult], *, now: datetime) -> set[UUID]:
    """Write each outcome where none stands yet; returns the calls that had none."""
    with connection.cursor() as cursor:
        cursor.execute(
            OUTCOMES,
            [
                [result.call_id for result in results],
                [str(result.reply.outcome) for result in results],
                [now for _ in results],
                [_reason_text(result.reply) for result in results],
                [result.http_status for result in results],
                [result.elapsed_ms for result in results],
                [result.sealed_answer for result in results],
            ],
        )
        return {row[0] for row in cursor.fetchall()}


def _moved(row: Transaction, result: CallResult, *, now: datetime) -> Ending:
    """Run the transition that the reply proves on a SENDING row."""
    reply = result.reply
    if reply.outcome is CallOutcome.DONE:
        row.succeed()
        _amounts_set(row, reply)
    elif reply.outcome is CallOutcome.REFUSED:
        row.reject()
        row.reason_code = reply.reason_code
    elif reply.outcome is CallOutcome.NOT_SENT:
        row.stay_unsent()
        row.reason_code = reply.reason_code
    else:
        _doubt(row, _reason_text(reply), now=now)
    row.insurer_code, row.insurer_text = reply.insurer_code, reply.insurer_text
    row.moved(now=now, by=BY, reason=row.reason_code or str(reply.outcome))
    evidence = _evidence(row, EvidenceKind.CALL_OUTCOME, reply.outcome, now=now, call_id=result.call_id)
    return Ending(row, evidence, result.msgid)


def _doubt(row: Transaction, reason_code: str, *, now: datetime) -> None:
    """Silence: doubt where money may have moved, nothing where only a question was asked."""
    if row.operation_class == OperationClass.READS:
        row.stay_unsent()
        row.reason_code = "no_answer_nothing_at_stake"
    else:
        row.doubt()
        row.reason_code = reason_code
    row.moved(now=now, by=BY, reason=row.reason_code)


def _amounts_set(row: Transaction, reply: Reply) -> None:
    split = reply.split
    if split is None:
        return
    insurer_code = interface_of(row.interface_id).insurer_code
    row.fund_minor, row.account_minor = split.fund_minor, split.account_minor
    row.hospital_minor, row.cash_minor = split.hospital_minor, split.cash_minor
    row.settlement_no = split.settlement_no
    row.shares = [{"payer": payer, "insurer": insurer_code, "amount_minor": amount} for payer, amount in split.shares]


def _settled(row: Transaction) -> bool:
    return row.state == TransactionState.SUCCEEDED and row.operation_class == OperationClass.MOVES


def _posting(ending: Ending) -> PostingDraft:
    """The memo posting of a settled fee: a receivable per payer share, the own share in cash, fees."""
    row = ending.row

    def money(minor: int | None) -> Money:
        return Money(minor or 0, row.currency)

    legs = [debit(f"receivable:{share['payer']}", money(share["amount_minor"])) for share in row.shares]
    legs += [debit("hospital_borne", money(row.hospital_minor)), debit("counter_cash", money(row.cash_minor))]
    return PostingDraft(
        book=BookKey(row.organisation_id, interface_of(row.interface_id).insurer_id),
        cause_kind="exchange.transaction",
        cause_id=row.pk,
        kind="settled",
        legs=[*(leg for leg in legs if leg.amount.minor), credit("fees", money(row.total_minor))],
        evidence_id=ending.evidence.pk,
        by=BY,
        trace_id=row.trace_id,
    )


def _verdicts_write(endings: Sequence[Ending], *, now: datetime) -> None:
    """A verdict for every transaction that has ended; one in doubt is told `pending` by the listener, when asked."""
    ended = [ending for ending in endings if ending.row.state in _FINAL]
    squares = _squares(ended)
    rows_insert(
        [
            Verdict(
                id=uuid7(now),
                organisation_id=ending.row.organisation_id,
                transaction_id=ending.row.pk,
                version=ending.row.version,
                verdict=verdict_word(ending.row),
                body=verdict_body(
                    ending.row, square=squares.get(ending.row.bill_id, True), msgid=ending.msgid, **_names(ending.row)
                ),
                at=now,
            )
            for ending in ended
        ]
    )


_FINAL = (TransactionState.SUCCEEDED, TransactionState.REJECTED, TransactionState.NOT_SENT)


def _names(row: Transaction) -> dict[str, str]:
    interface = interface_of(row.interface_id)
    return {"interface_code": interface.code, "insurer_code": interface.insurer_code}


def _squares(endings: Sequence[Ending]) -> dict[UUID | None, bool]:
    bill_ids = {ending.row.bill_id for ending in endings if ending.row.bill_id is not None}
    wishes = money_wishes_of_bills(bill_ids)
    return {bill_id: is_square((wish.state, wish.total_minor) for wish in wishes[bill_id]) for bill_id in bill_ids}


def _evidence(
    row: Transaction, kind: EvidenceKind, says: str, *, now: datetime, call_id: UUID | None = None
) -> Evidence:
    return Evidence(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        call_id=call_id,
        kind=kind,
        says=str(says),
        details=row.reason_code,
        at=now,
    )


def _reason_text(reply: Reply) -> str:
    return f"{reply.reason_code}:{reply.explanation}" if reply.explanation else reply.reason_code
