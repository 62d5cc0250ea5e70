"""The patient got his money back: told once per refund number, never more than is due."""

from __future__ import annotations

from datetime import datetime

from core.errors import Conflict, Problem
from core.ids import uuid7
from exchange.locks import Locked
from exchange.models import Refund, Transaction
from exchange.services.abandon import CashTold
from exchange.services.books import cash_post
from exchange.services.endings import Ending, endings_write, evidence_of
from exchange.services.guards import shown_row
from exchange.states import EvidenceKind


class RefundExceedsDue(Conflict):
    code = "refund_exceeds_due"
    title = "More than is due back"
    detail = "{amount_minor} was to be given back, {due_minor} is due (minor units); nothing was stored."
    detail_zh = "拟退 {amount_minor}，应退仅 {due_minor}（最小货币单位），未登记。"
    fix = "A reversal alone makes no refund due. Settle anew with `replaces`, or say that the service is cancelled."
    fix_zh = "仅冲正不产生应退款。请用 replaces 重新结算，或登记取消服务。"


class RefundDiffers(Conflict):
    code = "refund_differs"
    title = "This refund was told with another amount"
    detail = "Refund {refund_no} of {his_no} was told with {amount_minor} minor units."
    detail_zh = "{his_no} 的退款 {refund_no} 此前登记的金额为 {amount_minor}（最小货币单位）。"
    fix = "Each refund has a number of its own."
    fix_zh = "每笔退款请使用各自的退款号。"


def refunded(row: Transaction, locked: Locked, draft: CashTold, now: datetime) -> Problem | None:
    """Store a refund against what the bill owes the patient. Returns the refusal, if any."""
    told = draft.values
    # Every wish of a chain shows what is due: the same refund told of two of them is one.
    of_bill = [one.pk for one in locked.rows.values() if row.bill_id is not None and one.bill_id == row.bill_id]
    known = Refund.objects.filter(transaction_id__in=of_bill, refund_no=told["refund_no"]).first()
    if known is not None:
        if known.amount_minor == told["amount_minor"]:
            return None
        return RefundDiffers(
            extra=shown_row(row), his_no=row.his_no, refund_no=known.refund_no, amount_minor=known.amount_minor
        )
    due_minor = locked.terms(row.bill_id).refund_due_minor if row.bill_id is not None else 0
    if row.bill_id is None or told["amount_minor"] > due_minor:
        return RefundExceedsDue(extra=shown_row(row), amount_minor=told["amount_minor"], due_minor=due_minor)
    bill = locked.bills[row.bill_id]
    refund = Refund(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        amount_minor=told["amount_minor"],
        currency=row.currency,
        refund_no=told["refund_no"],
        tender=told.get("tender") or "",
        original_tender_ref=told.get("original_tender_ref") or "",
        red_receipt_no=told.get("red_receipt_no") or "",
        operator_no=told.get("operator_no") or row.operator_no,
        shift_no=told.get("shift_no") or row.shift_no,
        told_at=now,
        by=draft.by,
    )
    refund.save(force_insert=True)
    bill.refunded_minor += refund.amount_minor
    bill.save(update_fields=["refunded_minor"])
    evidence = evidence_of(row, EvidenceKind.HOSPITAL_SAID, "refunded", now=now, details=refund.refund_no)
    endings_write([Ending(row, evidence)], locked=locked, now=now)
    cash_post(bill, row, refund, evidence.pk, now=now)
    return None
