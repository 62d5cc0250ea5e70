"""Suspense: where money that came in lies until somebody knows what it is for, by book, with owner and age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from accounts.selectors import platform_id
from core.errors import Conflict, NotFound
from core.money import LARGEST_MINOR, Money
from core.row_security import EVERYTHING, seen_by
from ledger.services import (
    BookKey,
    BookKind,
    LegDraft,
    PostingDraft,
    credit,
    debit,
    limit_set,
    postings_write,
    rooms_lock,
)
from settlement.models import BankEntry, SuspenseItem
from settlement.states import Direction, EntryOutcome

RECEIVED, MOVED = "settlement.bank_entry", "settlement.suspense"


class NotACollection(Conflict):
    code = "entry_is_no_collection"
    title = "This entry is not money that came in"
    detail = "Entry {bank_reference} is {direction} {outcome}: nothing of it can be matched to what is owed."
    detail_zh = "银行流水 {bank_reference} 为 {direction} {outcome}，不能用于核销应收款。"
    fix = "Choose a credit entry that is no return of a payment of ours."
    fix_zh = "请选择贷方且非付款退回的流水。"


def suspense_take(*, entry_id: UUID, owner: str, by: str, now: datetime) -> SuspenseItem:
    """`owner` looks at it from now on; `by` says so. Raises NotFound for what is not in suspense."""
    with seen_by(EVERYTHING):
        item = SuspenseItem.objects.select_for_update().filter(entry_id=entry_id, closed_at__isnull=True).first()
        if item is None:
            raise NotFound(noun="item in suspense", noun_zh="暂记款项", key=entry_id)
        item.owner = owner
        item.save(update_fields=["owner"])
    return item


def entry_lock(entry_id: UUID) -> BankEntry:
    """A transfer to us, locked until the commit. Raises NotACollection, NotFound."""
    entry = BankEntry.objects.select_for_update().filter(pk=entry_id).first()
    if entry is None:
        raise NotFound(noun="bank entry", noun_zh="银行流水", key=entry_id)
    if entry.direction != Direction.CREDIT or entry.outcome == EntryOutcome.RETURN:
        raise NotACollection(bank_reference=entry.bank_reference, direction=entry.direction, outcome=entry.outcome)
    return entry


def entry_receive(entry: BankEntry, *, insurer_id: int | None, by: str, now: datetime, trace_id: str) -> None:
    """Book a transfer: it lies in suspense of the payer's book, or of the platform's own while nobody knows him."""
    book_insurer = insurer_id if insurer_id is not None else platform_id()
    amount = Money(entry.amount_minor, entry.currency)
    cash_room(book_insurer, entry.currency, by=by, now=now)
    legs = [debit("cash", amount), credit("suspense", amount)]
    suspense_post(
        RECEIVED, entry.pk, "received", book_insurer, legs, entry.pk, entry, by=by, now=now, trace_id=trace_id
    )
    SuspenseItem.objects.create(
        entry=entry,
        book_insurer_id=book_insurer,
        reason="not_looked_at",
        rest_minor=entry.amount_minor,
        currency=entry.currency,
        since=now,
    )


def rest_note(entry: BankEntry, reason: str, *, now: datetime) -> None:
    """Bring the item in suspense, and what the entry turned out to be, to what is matched."""
    item = SuspenseItem.objects.select_for_update().get(entry_id=entry.pk)
    rest = entry.amount_minor - entry.allocated_minor
    if rest and item.closed_at is not None:
        item.since = now
    item.rest_minor, item.closed_at = rest, None if rest else now
    item.reason = reason or item.reason
    item.save(update_fields=["rest_minor", "closed_at", "reason", "since"])
    entry.outcome, entry.outcome_at = EntryOutcome.SUSPENSE if rest else EntryOutcome.ALLOCATED, now
    entry.save(update_fields=["outcome", "outcome_at"])


def into_book(
    entry: BankEntry, minor: int, insurer_id: int, cause_id: UUID, *, by: str, now: datetime, trace_id: str
) -> None:
    """What is matched lies in the suspense of the book it is owed in: cash and suspense move there together."""
    home = SuspenseItem.objects.get(entry_id=entry.pk).book_insurer_id
    if home == insurer_id:
        return
    amount = Money(abs(minor), entry.currency)
    giving, taking = (home, insurer_id) if minor > 0 else (insurer_id, home)
    cash_room(taking, entry.currency, by=by, now=now)
    out, into = [debit("suspense", amount), credit("cash", amount)], [debit("cash", amount), credit("suspense", amount)]
    for kind, book, legs in (("given", giving, out), ("taken", taking, into)):
        suspense_post(MOVED, cause_id, kind, book, legs, cause_id, entry, by=by, now=now, trace_id=trace_id)


def cash_room(insurer_id: int, currency: str, *, by: str, now: datetime) -> None:
    """Cash of a book that has none yet may move from now on, never below nothing."""
    book = BookKey(platform_id(), insurer_id, BookKind.ADVANCE)
    key = (book, "cash", currency)
    if rooms_lock(accounts=[key], now=now)[key].limit_minor == 0:
        limit_set(
            book=book,
            account="cash",
            floor=Money(0, currency),
            limit=Money(LARGEST_MINOR, currency),
            by=by,
            reason="money came in",
            now=now,
        )


def suspense_post(
    cause_kind: str,
    cause_id: UUID,
    kind: str,
    insurer_id: int,
    legs: Sequence[LegDraft],
    evidence_id: UUID,
    entry: BankEntry,
    *,
    by: str,
    now: datetime,
    trace_id: str,
) -> None:
    """One posting about a transfer, on the day the bank gives it."""
    draft = PostingDraft(
        book=BookKey(platform_id(), insurer_id, BookKind.ADVANCE),
        cause_kind=cause_kind,
        cause_id=cause_id,
        kind=kind,
        legs=legs,
        evidence_id=evidence_id,
        by=by,
        trace_id=trace_id,
        value_date=entry.value_date,
    )
    postings_write(drafts=[draft], now=now)
