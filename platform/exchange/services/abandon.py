"""Cash was taken because no verdict came. An abandon is never dropped, however late it is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from core.errors import Conflict, Problem
from core.ids import uuid7
from exchange.locks import Locked, payments_of
from exchange.models import SelfPayment, Transaction
from exchange.services.books import cash_book_choose, cash_post
from exchange.services.endings import Ending, endings_write, evidence_of, resolve_job
from exchange.services.guards import shown_row
from exchange.services.tombstones import tombstone_raise
from exchange.states import EvidenceKind, OperationClass, TransactionState
from journal.services import jobs_ensure

S = TransactionState
UNDER_WAY = (S.SENDING, S.IN_DOUBT, S.REVERSING, S.NEEDS_HUMAN)


class AlreadySucceeded(Conflict):
    code = "already_succeeded"
    title = "It was settled before the cash was told"
    detail = "{his_no} is settled; the cash is stored, and what is too much is due back: see `transaction`."
    detail_zh = "{his_no} 已结算；现金已登记，多收部分应退还，详见 transaction。"
    fix = "Give back `self_payment.refund_due_minor` and report it with refunded."
    fix_zh = "请退还 self_payment.refund_due_minor，并用 refunded 告知。"


class AlreadyEnded(Conflict):
    code = "already_ended"
    title = "It had ended before the cash was told"
    detail = "{his_no} is {state}: the insurer holds nothing; the cash is stored and is the payment."
    detail_zh = "{his_no} 当前为 {state}，保险方没有记录；现金已登记并作为付款。"
    fix = "Nothing; to settle with the insurer after all, send a new his_no with `replaces`."
    fix_zh = "无需处理；如仍需医保结算，请使用新的流水号并填写 replaces。"


class CannotBeAbandoned(Conflict):
    code = "cannot_be_abandoned"
    title = "Only a fee can be paid in cash instead"
    detail = "{his_no} is {operation}: nothing is paid for it.{stored}"
    detail_zh = "{his_no} 的操作为 {operation}，不涉及收费。"
    fix = "A cancel in doubt is resolved by itself; questions hold no money."
    fix_zh = "存疑的撤销由平台自动核实；查询类交易不涉及资金。"


class ReceiptDiffers(Conflict):
    code = "receipt_differs"
    title = "This receipt was told with another amount"
    detail = "Receipt {receipt_no} of {his_no} was told with {amount_minor} minor units."
    detail_zh = "{his_no} 的收据 {receipt_no} 此前登记的金额为 {amount_minor}（最小货币单位）。"
    fix = "Further cash has a receipt number of its own; a wrong amount is corrected by a refund."
    fix_zh = "另收的现金请使用新的收据号；金额有误请通过退款更正。"


class CashTold(Protocol):
    """What an abandon brings: see `acts.ActDraft`."""

    @property
    def organisation_id(self) -> int: ...
    @property
    def by(self) -> str: ...
    @property
    def his_no(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def trace_id(self) -> str: ...


def tombstone(draft: CashTold, *, now: datetime) -> UUID | None:
    """Take the his_no of a wish that never came; None when it has just come."""
    told = draft.values
    return tombstone_raise(
        organisation_id=draft.organisation_id,
        by=draft.by,
        trace_id=draft.trace_id,
        his_no=draft.his_no,
        visit_no=told.get("visit_no") or "",
        bill_no=told.get("bill_no") or "",
        total_minor=told.get("total_minor"),
        currency=told.get("currency") or "CNY",
        now=now,
    )


def abandon(row: Transaction, locked: Locked, draft: CashTold, now: datetime) -> Problem | None:
    """Store the cash and, while nothing is proven, that we own the reversal. Returns the refusal, if any."""
    if row.operation_class != OperationClass.MOVES:
        return _not_a_fee(row, locked, draft, now)
    known = _known(row, locked, draft.values)
    if known is not None and known.amount_minor != draft.values["self_paid_minor"]:
        return ReceiptDiffers(
            extra=shown_row(row), his_no=row.his_no, receipt_no=known.receipt_no, amount_minor=known.amount_minor
        )
    # A tombstone was raised by this very cash or by cash before it: then it is a fact already.
    ours = row.abandoned_at is not None and (known is not None or not locked.paid.get(row.pk))
    if known is None:
        _abandoned(row, draft, now)
        _cash_in(row, row, locked, draft, now)
    elif known.transaction_id != row.pk and _abandoned(row, draft, now):
        # Taken for the wish that this one follows: the cash is there already, that it is given up is new.
        ours = True
        evidence = evidence_of(row, EvidenceKind.HOSPITAL_SAID, "abandon", now=now, details=known.receipt_no)
        endings_write([Ending(row, evidence)], locked=locked, now=now)
    if row.state == S.IN_DOUBT:
        jobs_ensure(drafts=[resolve_job(row, now=now)], now=now)
    if row.state in UNDER_WAY or ours or row.state_reason == "abandoned_before_sending":
        return None
    if row.state == S.SUCCEEDED:
        return AlreadySucceeded(extra=shown_row(row), his_no=row.his_no)
    return AlreadyEnded(extra=shown_row(row), his_no=row.his_no, state=row.state)


def _abandoned(row: Transaction, draft: CashTold, now: datetime) -> bool:
    """Give the wish up, where it is not proven either way; returns whether that is news."""
    news = row.abandoned_at is None and row.state in (S.RECEIVED, *UNDER_WAY)
    if row.state == S.RECEIVED:
        row.stay_unsent()
        row.reason_code = "abandoned_before_sending"
        row.moved(now=now, by=draft.by, reason=row.reason_code)
        row.abandoned_at = now
    elif row.state in UNDER_WAY:
        row.abandoned_at = row.abandoned_at or now
        if row.state in (S.SENDING, S.IN_DOUBT):
            row.reason_code = "cash_taken"
    return news


def _known(row: Transaction, locked: Locked, told: Mapping[str, Any]) -> SelfPayment | None:
    """The same cash told before: by its receipt, whatever wish of the bill it was told of; without one by its amount.

    A wish that follows another has taken over its cash: the same receipt told of both is one payment.
    """
    receipt_no = told.get("receipt_no") or ""
    if receipt_no:
        of_bill = [one.pk for one in locked.rows.values() if one.bill_id == row.bill_id]
        known = SelfPayment.objects.filter(transaction_id__in=of_bill, receipt_no=receipt_no)
        return known.order_by("told_at").first()
    return SelfPayment.objects.filter(transaction_id=row.pk, amount_minor=told["self_paid_minor"]).first()


def _cash_in(holder: Transaction, named: Transaction, locked: Locked, draft: CashTold, now: datetime) -> None:
    """Store cash for `holder`, post it, and bring the bill's terms up to date."""
    told = draft.values
    assert holder.bill_id is not None  # noqa: S101 - whatever moves money has its bill
    bill = locked.bills[holder.bill_id]
    payment = SelfPayment(
        id=uuid7(now),
        organisation_id=holder.organisation_id,
        transaction_id=holder.pk,
        amount_minor=told["self_paid_minor"],
        currency=holder.currency,
        collected_at=told.get("collected_at") or now,
        tender=told.get("tender") or "",
        receipt_no=told.get("receipt_no") or "",
        operator_no=told.get("operator_no") or named.operator_no,
        shift_no=told.get("shift_no") or named.shift_no,
        told_at=now,
        by=draft.by,
    )
    payment.save(force_insert=True)
    cash_book_choose(bill, holder)
    bill.collected_minor += payment.amount_minor
    bill.save(update_fields=["collected_minor", "cash_book"])
    locked.paid = payments_of(locked.rows)
    evidence = evidence_of(holder, EvidenceKind.HOSPITAL_SAID, "abandon", now=now, details=payment.receipt_no)
    endings_write([Ending(holder, evidence)], locked=locked, now=now)
    cash_post(bill, named, payment, evidence.pk, now=now)


def _not_a_fee(row: Transaction, locked: Locked, draft: CashTold, now: datetime) -> Problem:
    """Cash told for a cancel belongs to what it cancels; a question has no cash."""
    original = locked.rows.get(row.of_id) if row.of_id is not None else None
    if original is not None and _known(original, locked, draft.values) is None:
        _cash_in(original, row, locked, draft, now)
    stored = " The cash is stored on the transaction that it cancels." if original is not None else ""
    return CannotBeAbandoned(extra=shown_row(row), his_no=row.his_no, operation=row.operation, stored=stored)
