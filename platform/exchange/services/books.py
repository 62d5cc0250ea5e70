"""The memo book and the bill's terms: what a settled fee, its undoing and cash at the counter mean in accounts.

A settled fee: Dr receivable per payer, borne by the hospital, own share in counter cash; Cr fees. Its undoing is the
exact mirror. Cash taken without a verdict: Dr counter cash, Cr patient deposits; given back: the opposite. At rest what
is not due back is recognised: Dr patient deposits, Cr fees (the cash is the payment) or Cr counter cash (it covers an
own share that the settled fee has booked as collected). One recognition stands per bill: when the terms change it is
mirrored and posted anew, so that at rest a bill's deposits equal its refund due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from core.money import Money
from exchange.bills import BillTerms
from exchange.locks import Locked
from exchange.models import Bill, Evidence, Refund, SelfPayment, Transaction
from exchange.selectors.interfaces import facts_of
from ledger.selectors import postings_of
from ledger.services import BookKey, MirrorDraft, PostingDraft, credit, debit, postings_mirror, postings_write

BY = "exchange"
CAUSE = "exchange.transaction"
CASH_CAUSES: dict[type[SelfPayment | Refund], str] = {
    SelfPayment: "exchange.self_payment",
    Refund: "exchange.refund",
}
BILL_FIELDS = (
    *("refund_due_minor", "refund_due_since", "cash_short_minor", "unsquare_since"),
    *("recognised_fees_minor", "recognised_own_minor", "recognition_id", "recognition_no"),
)


def settled_post(pairs: Sequence[tuple[Transaction, Evidence]], *, now: datetime) -> None:
    """The memo posting of each settled fee, once per episode."""
    postings_write(drafts=[_settled(row, evidence.pk) for row, evidence in pairs], now=now)


def _settled(row: Transaction, evidence_id: UUID) -> PostingDraft:
    def money(minor: int | None) -> Money:
        return Money(minor or 0, row.currency)

    legs = [debit(f"receivable:{share['payer']}", money(share["amount_minor"])) for share in row.shares]
    legs += [debit("hospital_borne", money(row.hospital_minor)), debit("counter_cash", money(row.cash_minor))]
    return PostingDraft(
        book=BookKey(row.organisation_id, facts_of(row.interface_id).insurer_id),
        cause_kind=CAUSE,
        cause_id=row.pk,
        kind="settled",
        episode=max(1, row.episode),
        legs=[*(leg for leg in legs if leg.amount.minor), credit("fees", money(row.total_minor))],
        evidence_id=evidence_id,
        by=BY,
        trace_id=row.trace_id,
    )


def settled_mirror(pairs: Sequence[tuple[Transaction, Evidence]], *, now: datetime) -> None:
    """Undo the memo posting of each fee that was posted and has none undoing it yet."""
    if not pairs:
        return
    by_id = {row.pk: (row, evidence) for row, evidence in pairs}
    organisations = {row.organisation_id for row, _ in pairs}
    postings = list(postings_of(cause_kind=CAUSE, cause_ids=by_id, organisations=organisations))
    mirrored = {posting.reverses_id for posting in postings if posting.reverses_id is not None}
    drafts = []
    for posting in postings:
        if posting.kind == "settled" and posting.pk not in mirrored:
            row, evidence = by_id[posting.cause_id]
            kind = "cancelled" if row.state == "CANCELLED" else "reversed"
            drafts.append(_mirror(posting.pk, kind, evidence.pk, row.trace_id))
    postings_mirror(drafts=drafts, now=now)


def _mirror(posting_id: UUID, kind: str, evidence_id: UUID, trace_id: str) -> MirrorDraft:
    return MirrorDraft(original_id=posting_id, kind=kind, evidence_id=evidence_id, by=BY, trace_id=trace_id)


def cash_post(bill: Bill, row: Transaction, cash: SelfPayment | Refund, evidence_id: UUID, *, now: datetime) -> None:
    """Cash that came in or went out at the counter, in the bill's one cash book."""
    postings_write(drafts=[_cash_draft(bill, row, cash, evidence_id)], now=now)


def cash_rebook(
    bill: Bill, row: Transaction, cash: Sequence[SelfPayment | Refund], evidence_id: UUID, *, now: datetime
) -> None:
    """Cash that was posted in another book than its bill's is undone there and posted in this one."""
    by_id = {one.pk: one for one in cash}
    ours = [row.organisation_id]
    postings = [
        posting
        for cause_kind in CASH_CAUSES.values()
        for posting in postings_of(cause_kind=cause_kind, cause_ids=by_id, organisations=ours)
    ]
    undone = {posting.reverses_id for posting in postings}
    standing = [one for one in postings if one.reverses_id is None and one.pk not in undone]
    postings_mirror(drafts=[_mirror(one.pk, "moved", evidence_id, row.trace_id) for one in standing], now=now)
    anew = [_cash_draft(bill, row, by_id[one.cause_id], evidence_id, episode=one.episode + 1) for one in standing]
    postings_write(drafts=anew, now=now)


def _cash_draft(
    bill: Bill, row: Transaction, cash: SelfPayment | Refund, evidence_id: UUID, *, episode: int = 1
) -> PostingDraft:
    amount = Money(cash.amount_minor, cash.currency)
    came = isinstance(cash, SelfPayment)
    legs = [debit("counter_cash", amount), credit("patient_deposits", amount)]
    if not came:
        legs = [debit("patient_deposits", amount), credit("counter_cash", amount)]
    return PostingDraft(
        book=_cash_book(bill),
        cause_kind=CASH_CAUSES[type(cash)],
        cause_id=cash.pk,
        kind="collected" if came else "refunded",
        episode=episode,
        legs=legs,
        evidence_id=evidence_id,
        by=BY,
        trace_id=row.trace_id,
    )


def cash_book_choose(bill: Bill, row: Transaction) -> None:
    """The book of a bill's cash is fixed with the first of it: that of the insurer asked, else the hospital's own."""
    if bill.cash_book_id is None:
        insurer = row.organisation_id if row.interface_id is None else facts_of(row.interface_id).insurer_id
        bill.cash_book_id = insurer


def _cash_book(bill: Bill) -> BookKey:
    return BookKey(bill.organisation_id, bill.cash_book_id or bill.organisation_id)


def bills_review(evidence_by_bill: Mapping[UUID, UUID], *, locked: Locked, now: datetime) -> None:
    """Bring the stored terms of these bills, and what of their cash is recognised, to what their wishes say now."""
    for bill_id, evidence_id in evidence_by_bill.items():
        bill, terms = locked.bills[bill_id], locked.terms(bill_id)
        before = [getattr(bill, name) for name in BILL_FIELDS]
        _terms_set(bill, terms, now)
        if terms.resting and (bill.collected_minor or bill.recognition_id is not None):
            _recognise(bill, terms, evidence_id, _trace_of(bill_id, locked), now=now)
        if before != [getattr(bill, name) for name in BILL_FIELDS]:
            bill.save(update_fields=BILL_FIELDS)


def _terms_set(bill: Bill, terms: BillTerms, now: datetime) -> None:
    bill.refund_due_minor, bill.cash_short_minor = terms.refund_due_minor, terms.cash_short_minor
    bill.refund_due_since = (bill.refund_due_since or now) if terms.refund_due_minor else None
    unexplained = terms.resting and not (terms.square or terms.refund_due_minor or terms.cash_short_minor)
    bill.unsquare_since = (bill.unsquare_since or now) if unexplained else None


def _recognise(bill: Bill, terms: BillTerms, evidence_id: UUID, trace_id: str, *, now: datetime) -> None:
    fees, own = terms.recognised_minor
    if (fees, own) == (bill.recognised_fees_minor, bill.recognised_own_minor):
        return
    if bill.recognition_id is not None:
        postings_mirror(drafts=[_mirror(bill.recognition_id, "recognition_undone", evidence_id, trace_id)], now=now)
    bill.recognised_fees_minor, bill.recognised_own_minor, bill.recognition_id = fees, own, None
    if not fees + own:
        return
    bill.recognition_no += 1
    legs = [debit("patient_deposits", Money(fees + own, bill.currency))]
    legs += [credit("fees", Money(fees, bill.currency))] if fees else []
    legs += [credit("counter_cash", Money(own, bill.currency))] if own else []
    draft = PostingDraft(
        book=_cash_book(bill),
        cause_kind="exchange.bill",
        cause_id=bill.pk,
        kind="stands",
        episode=bill.recognition_no,
        legs=legs,
        evidence_id=evidence_id,
        by=BY,
        trace_id=trace_id,
    )
    (posting,) = postings_write(drafts=[draft], now=now)
    bill.recognition_id = posting.pk


def _trace_of(bill_id: UUID, locked: Locked) -> str:
    """Of the latest wish on the bill; of whoever moved off it, where none is left."""
    rows = list(reversed(locked.rows.values()))
    return next((row.trace_id for row in rows if row.bill_id == bill_id), rows[0].trace_id)
