"""What moved is written: states, evidence, postings, the bill's terms, verdicts and jobs that follow, in one commit.

Whoever moves a transaction (an answer, a deadline, the hospital, two persons) locks, checks, runs the transition on the
row in memory and hands an `Ending` to `endings_write`. Nobody else writes transactions, but arming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from core.bulk import rows_insert
from core.ids import uuid7
from core.transitions import write_many
from exchange.kinds import RESOLVE, SEND, WATCH
from exchange.locks import Locked
from exchange.models import Evidence, Resettlement, Reversal, Transaction
from exchange.notices import verdicts_announce
from exchange.selectors.desk import on_call_of
from exchange.selectors.interfaces import facts_of
from exchange.services.books import bills_review, settled_mirror, settled_post
from exchange.services.verdicts import verdicts_write
from exchange.states import (
    Cause,
    EvidenceKind,
    OperationClass,
    ReversalEnd,
    TransactionState,
    VerdictWord,
)
from exchange.verdicts import verdict_word
from journal.handlers import FIRST_SEND
from journal.handlers import RESOLVE as RESOLVE_PRIORITY
from journal.services import JobDraft, jobs_ensure

BY = "exchange"
WRITTEN = (
    *("state", "interface", "fund_minor", "account_minor", "hospital_minor", "cash_minor", "shares", "settlement_no"),
    *("reason_code", "insurer_code", "insurer_text", "episode", "told", "owner"),
    *("acknowledged_at", "abandoned_at", "disowned_at", "service_cancelled_at"),
)
WATCH_PRIORITY = 90
# REJECTED for one of these was not refused by anybody: it is watched, as what was reversed is.
BY_ABSENCE = "not_found_after_quiet"
LOST = (TransactionState.REJECTED, TransactionState.NOT_SENT, TransactionState.REVERSED)
REST_OPEN = "cancelled_rest_open"


@dataclass(frozen=True, slots=True)
class Undo:
    """How a reversal ended. `settlement_no`: what the accepting answer named."""

    reversal: Reversal
    end: ReversalEnd
    settlement_no: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """A transaction that was changed in memory, with the evidence for it. `msgid` is that of the call behind it.

    `begins`: a reversal for this cause was decided; `undo`: the open one has ended.
    """

    row: Transaction
    evidence: Evidence
    msgid: str = ""
    begins: Cause | None = None
    undo: Undo | None = None


def evidence_of(
    row: Transaction, kind: EvidenceKind, says: str, *, now: datetime, call_id: UUID | None = None, details: str = ""
) -> Evidence:
    """Unsaved. `details` defaults to the row's reason; no personal data."""
    return Evidence(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        call_id=call_id,
        kind=kind,
        says=str(says),
        details=details or row.reason_code,
        at=now,
    )


def endings_write(endings: Sequence[Ending], *, locked: Locked, now: datetime) -> None:
    """Store moved transactions and everything that follows from it; announce once committed.

    `locked` holds the rows of all endings and their bills. A cancel that is proven takes its original along.
    """
    if not endings:
        return
    endings = [*endings, *_followed(endings, locked, now=now)]
    for ending in endings:
        _rest_open(ending.row, locked)
        word = verdict_word(ending.row)
        if word != VerdictWord.PENDING:
            ending.row.told = word
        needs_human = ending.row.state == TransactionState.NEEDS_HUMAN
        ending.row.owner = on_call_of(ending.row.organisation_id) if needs_human else ""
    write_many([ending.row for ending in endings], fields=WRITTEN)
    rows_insert([ending.evidence for ending in endings])
    _reversals_write(endings, now=now)
    # What the hospital says is a fact beside the state: it settles and undoes nothing by itself.
    moved = [one for one in endings if one.evidence.kind != EvidenceKind.HOSPITAL_SAID]
    settled_post([(one.row, one.evidence) for one in moved if _settled_now(one.row)], now=now)
    settled_mirror([(one.row, one.evidence) for one in moved if _undone_now(one.row)], now=now)
    bills_review({one.row.bill_id: one.evidence.pk for one in endings if one.row.bill_id}, locked=locked, now=now)
    verdicts_write({one.row.pk: one.msgid for one in endings}, locked=locked, now=now)
    _jobs_write(endings, now=now)
    told = [one.row.pk for one in endings if one.row.told]
    transaction.on_commit(lambda: verdicts_announce(told))


def _settled_now(row: Transaction) -> bool:
    return row.operation_class == OperationClass.MOVES and row.state == TransactionState.SUCCEEDED


def _undone_now(row: Transaction) -> bool:
    """It was settled here once, and is not any more."""
    proven = row.operation_class == OperationClass.MOVES and row.cash_minor is not None
    return proven and row.state in (TransactionState.REVERSED, TransactionState.CANCELLED, TransactionState.REJECTED)


def _followed(endings: Sequence[Ending], locked: Locked, *, now: datetime) -> list[Ending]:
    """What moves because a cancel has ended: its original, and the rest of a fee that is settled anew."""
    more: list[Ending] = []
    for ending in endings:
        cancel = ending.row
        if cancel.operation_class != OperationClass.UNDOES or cancel.of_id is None:
            continue
        original = locked.rows[cancel.of_id]
        if cancel.state == TransactionState.SUCCEEDED and original.state == TransactionState.SUCCEEDED:
            original.cancelled()
            original.reason_code = f"cancelled_by:{cancel.his_no}"
            original.moved(now=now, by=BY, reason=cancel.his_no)
            evidence = evidence_of(original, EvidenceKind.CANCEL_PROVEN, cancel.his_no, now=now)
            more.append(Ending(original, evidence, ending.msgid))
            more += _rest_lost_before(cancel, locked, now=now)
        more += _rest_of(cancel, locked, now=now)
    return more


def _rest(cancel: Transaction, locked: Locked) -> Transaction | None:
    """The second half of a resettle, by its first."""
    rest_id = Resettlement.objects.filter(cancel_id=cancel.pk).values_list("rest_id", flat=True).first()
    return locked.rows.get(rest_id) if rest_id else None


def _rest_lost_before(cancel: Transaction, locked: Locked, *, now: datetime) -> list[Ending]:
    """The rest was given up while its cancel was under way: the cancel is proven now, and nothing follows it."""
    rest = _rest(cancel, locked)
    if rest is None or rest.state not in LOST:
        return []
    return [Ending(rest, evidence_of(rest, EvidenceKind.CANCEL_PROVEN, cancel.his_no, now=now))]


def _rest_open(rest: Transaction, locked: Locked) -> None:
    """A rest that came to nothing says so once the old settlement is cancelled, in front of its own reason."""
    if "~" not in rest.his_no or rest.state not in LOST or rest.reason_code.startswith(REST_OPEN):
        return
    cancel_id = Resettlement.objects.filter(rest_id=rest.pk).values_list("cancel_id", flat=True).first()
    if cancel_id in locked.rows and locked.rows[cancel_id].state == TransactionState.SUCCEEDED:
        rest.reason_code = f"{REST_OPEN}:{rest.reason_code}"


def _rest_of(cancel: Transaction, locked: Locked, *, now: datetime) -> list[Ending]:
    """The second half of a resettle, when its cancel came to nothing."""
    rest = _rest(cancel, locked) if cancel.state in LOST else None
    if rest is None or rest.state != TransactionState.RECEIVED:
        return []
    rest.reject()
    rest.reason_code = f"resettle_cancel_refused:{cancel.his_no}"
    rest.insurer_code, rest.insurer_text = cancel.insurer_code, cancel.insurer_text
    rest.moved(now=now, by=BY, reason=cancel.his_no)
    return [Ending(rest, evidence_of(rest, EvidenceKind.OUR_RULE, "resettle_cancel_refused", now=now))]


def _reversals_write(endings: Sequence[Ending], *, now: datetime) -> None:
    for ending in endings:
        if ending.undo is not None:
            reversal = ending.undo.reversal
            reversal.closed_at, reversal.end = now, ending.undo.end
            reversal.undone_settlement_no = ending.undo.settlement_no
            reversal.save(update_fields=["closed_at", "end", "undone_settlement_no"])
        if ending.begins is not None:
            row = ending.row
            Reversal(
                id=uuid7(now),
                organisation_id=row.organisation_id,
                transaction_id=row.pk,
                episode=row.episode,
                cause=ending.begins,
                by=row.state_by,
                opened_at=now,
            ).save(force_insert=True)


def _jobs_write(endings: Sequence[Ending], *, now: datetime) -> None:
    drafts: list[JobDraft] = []
    for ending in endings:
        row = ending.row
        if row.interface_id is None:
            continue
        if ending.begins is not None and row.state == TransactionState.REVERSING:
            drafts.append(resolve_job(row, now=now))
        if _watched(row, ending):
            drafts.append(_job(row, WATCH, now + timedelta(seconds=settings.LADDERS["watch"][0]), WATCH_PRIORITY))
        if row.operation_class == OperationClass.UNDOES and row.state == TransactionState.SUCCEEDED:
            rests = Resettlement.objects.filter(cancel_id=row.pk).select_related("rest")
            drafts += [_job(saga.rest, SEND, now, FIRST_SEND) for saga in rests]
    jobs_ensure(drafts=drafts, now=now)


def _watched(row: Transaction, ending: Ending) -> bool:
    facts = facts_of(row.interface_id)
    if not facts.can("can_query_by_msgid") or (facts.can("blocks_late_original") and ending.undo is not None):
        return False
    absent = row.state == TransactionState.REJECTED and row.state_reason == BY_ABSENCE
    undone = ending.undo is not None or ending.evidence.kind == EvidenceKind.RULING
    return (undone and row.state == TransactionState.REVERSED) or absent


def resolve_job(row: Transaction, *, now: datetime) -> JobDraft:
    """Look at it now: its job is made or woken."""
    return _job(row, RESOLVE, now, RESOLVE_PRIORITY)


def _job(row: Transaction, kind: str, run_at: datetime, priority: int) -> JobDraft:
    return JobDraft(
        kind=kind,
        lane_id=facts_of(row.interface_id).lane_id,
        organisation_id=row.organisation_id,
        subject_id=row.pk,
        run_at=run_at,
        trace_id=row.trace_id,
        priority=priority,
    )
