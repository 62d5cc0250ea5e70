"""Postings and their mirrors: money moves by adding rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from core.errors import Problem
from core.ids import uuid7
from ledger.chart import opposite
from ledger.models import Posting
from ledger.services.directory import AccountKey, AccountRef, accounts_resolve
from ledger.services.drafts import MirrorDraft, PostingDraft
from ledger.services.entries import Entry, Line, entries_write


class UnbalancedPosting(Problem):
    code = "unbalanced_posting"
    status = 422
    title = "The legs do not balance"
    detail = "{kind} of {cause_kind} {cause_id}: {explanation}."
    detail_zh = "{cause_kind} {cause_id} 的 {kind} 借贷不平：{explanation}。"
    fix = "Give at least two legs above zero whose debits and credits are equal in each currency."
    fix_zh = "请至少填写两条大于零的分录，且每个币种借贷相等。"


class OriginalUnknown(Problem):
    code = "original_posting_unknown"
    status = 404
    title = "No such posting to undo"
    detail = "There is no posting {original_id} that can be mirrored: it is unknown, or a mirror itself."
    detail_zh = "没有可冲销的记账 {original_id}：该记账不存在，或其本身就是冲销。"
    fix = "Name the original posting. What was undone by mistake is posted anew under the next episode."
    fix_zh = "请填写原始记账。误冲销的内容请以下一次序重新记账。"


def postings_write(*, drafts: Sequence[PostingDraft], now: datetime) -> list[Posting]:
    """Write `drafts` in a number of statements that does not depend on theirs; returns the postings in their order.

    The same draft written again returns the stored posting. Books and accounts are opened at their first use.
    Raises CauseConflict, LimitExceeded, PeriodClosed, UnbalancedPosting, UnknownAccount, UnknownOrganisation.
    """
    if not drafts:
        return []
    with transaction.atomic():
        return entries_write(entries_of(drafts, now=now), now=now)


def postings_mirror(*, drafts: Sequence[MirrorDraft], now: datetime) -> list[Posting]:
    """Undo each named posting by its exact mirror, at most once; the same draft again returns the stored mirror.

    Raises AlreadyMirrored, LimitExceeded, OriginalUnknown, PeriodClosed.
    """
    if not drafts:
        return []
    with transaction.atomic():
        rows = Posting.objects.filter(pk__in={draft.original_id for draft in drafts}, reverses__isnull=True)
        originals = {row.pk: row for row in rows.prefetch_related("legs__account")}
        for draft in drafts:
            if draft.original_id not in originals:
                raise OriginalUnknown(original_id=draft.original_id)
        return entries_write([_mirror(originals[draft.original_id], draft, now) for draft in drafts], now=now)


def entries_of(drafts: Sequence[PostingDraft], *, now: datetime) -> list[Entry]:
    """Checked drafts with their accounts resolved and their ids made."""
    for draft in drafts:
        _balance_check(draft)
    keys = {(draft.book, leg.account, leg.amount.currency) for draft in drafts for leg in draft.legs}
    accounts = accounts_resolve(keys, now=now)
    return [_entry(draft, accounts, now) for draft in drafts]


def _entry(draft: PostingDraft, accounts: dict[AccountKey, AccountRef], now: datetime) -> Entry:
    lines = tuple(
        Line(accounts[draft.book, leg.account, leg.amount.currency], leg.side, leg.amount.minor, leg.amount.currency)
        for leg in draft.legs
    )
    return Entry(
        id=uuid7(now),
        book_id=lines[0].account.book_id,
        cause_kind=draft.cause_kind,
        cause_id=draft.cause_id,
        kind=draft.kind,
        episode=draft.episode,
        evidence_id=draft.evidence_id,
        value_date=draft.value_date,
        reverses_id=None,
        by=draft.by,
        reason=draft.reason,
        trace_id=draft.trace_id,
        lines=lines,
    )


def _balance_check(draft: PostingDraft) -> None:
    sums: dict[str, int] = defaultdict(int)
    for leg in draft.legs:
        sums[leg.amount.currency] += leg.amount.minor if leg.side == "D" else -leg.amount.minor
    explanation = ""
    if len(draft.legs) < 2:
        explanation = "fewer than two legs"
    elif any(leg.amount.minor <= 0 for leg in draft.legs):
        explanation = "a leg is not above zero"
    elif any(sums.values()):
        explanation = f"debits minus credits are {dict(sums)}"
    if explanation:
        raise UnbalancedPosting(
            kind=draft.kind, cause_kind=draft.cause_kind, cause_id=draft.cause_id, explanation=explanation
        )


def _mirror(original: Posting, draft: MirrorDraft, now: datetime) -> Entry:
    legs = sorted(original.legs.all(), key=lambda leg: leg.line_no)
    return Entry(
        id=uuid7(now),
        book_id=original.book_id,
        cause_kind=original.cause_kind,
        cause_id=original.cause_id,
        kind=draft.kind,
        episode=original.episode,
        evidence_id=draft.evidence_id,
        value_date=draft.value_date,
        reverses_id=original.pk,
        by=draft.by,
        reason=draft.reason,
        trace_id=draft.trace_id,
        lines=tuple(
            Line(AccountRef.of(leg.account), opposite(leg.side), leg.amount_minor, leg.currency) for leg in legs
        ),
    )
