"""Cash for a wish that never came: its his_no is taken by a tombstone, which the late wish fills in.

The cash of a tombstone without a visit waits on a bill of its own, `TOMBSTONES`/his_no, until the right bill is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.bulk import rows_insert_new
from core.ids import uuid7
from core.transitions import write_many
from exchange.locks import Locked, bills_and_transactions_lock, bills_take
from exchange.models import Bill, Refund, SelfPayment, Transaction
from exchange.services.books import bills_review, cash_rebook
from exchange.services.endings import evidence_of
from exchange.services.guards import currency_check
from exchange.services.verdicts import verdicts_write
from exchange.states import EvidenceKind, OperationClass, TransactionState

# No visit of a hospital is called so: `~` is ours.
TOMBSTONES = "~"
FILLED = (
    *("batch_no", "expect_cash_minor", "operator_no", "shift_no", "inpatient", "person_index", "body_digest"),
    *("sealed_body", "total_minor", "currency", "interface_id", "replaces_id", "retry_of_id", "presettle_of_id"),
)


@dataclass(frozen=True, slots=True)
class LateWish:
    """The wish that came after its tombstone: the values to fill in, and the bill on which its cash has waited."""

    wish: Transaction
    waiting_bill_id: UUID | None


@dataclass(frozen=True, slots=True)
class CashMove:
    """A tombstone that is followed by a wish on another bill than the one on which its cash has waited."""

    transaction_id: UUID
    waiting_bill_id: UUID
    bill_id: UUID


def tombstones_fill(*, late_wishes: Sequence[LateWish], now: datetime) -> None:
    """Give tombstones the person, bill and total of the wishes that came late; their cash moves to the right bill."""
    for late in late_wishes:
        bills = [one for one in (late.waiting_bill_id, late.wish.bill_id) if one is not None]
        locked = bills_and_transactions_lock([late.wish.pk], bill_ids=bills)
        row = locked.rows[late.wish.pk]
        if bytes(row.body_digest):
            continue
        for name in FILLED:
            setattr(row, name, getattr(late.wish, name))
        _move(row, late.wish.bill_id, "late_wish", locked, now=now)


def tombstones_move(*, moves: Sequence[CashMove], now: datetime) -> None:
    """Put tombstones on the bills of the wishes that replace them, with their cash."""
    for move in moves:
        locked = bills_and_transactions_lock([move.transaction_id], bill_ids=[move.waiting_bill_id, move.bill_id])
        _move(locked.rows[move.transaction_id], move.bill_id, "replaced", locked, now=now)


def _move(row: Transaction, bill_id: UUID | None, says: str, locked: Locked, *, now: datetime) -> None:
    """Write the tombstone as it is in memory, on this bill if it has waited for one."""
    waited_on = row.bill_id
    evidence = evidence_of(row, EvidenceKind.HOSPITAL_SAID, says, now=now)
    evidence.save(force_insert=True)
    if waited_on is not None and locked.bills[waited_on].visit_no == TOMBSTONES:
        row.bill_id = bill_id
        locked.group()
        _cash_move(locked, row, locked.bills[waited_on], evidence.pk, now=now)
    write_many([row], fields=[*(name.removesuffix("_id") for name in FILLED), "bill", "state"])
    changed = {one: evidence.pk for one in (waited_on, row.bill_id) if one is not None}
    bills_review(changed, locked=locked, now=now)
    verdicts_write({row.pk: ""}, locked=locked, now=now)


def _cash_move(locked: Locked, row: Transaction, waiting: Bill, evidence_id: UUID, *, now: datetime) -> None:
    """What came in and was given back follows the wish, into the cash book of its bill."""
    assert row.bill_id is not None  # noqa: S101 - a late wish that moves money has its bill
    bill = locked.bills[row.bill_id]
    payments = list(SelfPayment.objects.filter(transaction_id=row.pk))
    refunds = list(Refund.objects.filter(transaction_id=row.pk))
    for one, sign in ((bill, 1), (waiting, -1)):
        one.collected_minor += sign * sum(payment.amount_minor for payment in payments)
        one.refunded_minor += sign * sum(refund.amount_minor for refund in refunds)
    if bill.cash_book_id is None:
        bill.cash_book_id = waiting.cash_book_id
    elif bill.cash_book_id != waiting.cash_book_id:
        cash_rebook(bill, row, [*payments, *refunds], evidence_id, now=now)
    for one in (bill, waiting):
        one.save(update_fields=["collected_minor", "refunded_minor", "cash_book"])


def tombstone_raise(
    *,
    organisation_id: int,
    by: str,
    trace_id: str,
    his_no: str,
    visit_no: str,
    bill_no: str,
    total_minor: int | None,
    currency: str,
    now: datetime,
) -> UUID | None:
    """Take `his_no` with a tombstone: unsent, and never to be sent. None when a wish was just stored under it."""
    key = (organisation_id, visit_no, bill_no) if visit_no else (organisation_id, TOMBSTONES, his_no)
    ((bill_id, *_, billed),) = bills_take({key: currency}, now=now)
    currency_check(currency, billed)
    row = Transaction(
        id=uuid7(now),
        organisation_id=organisation_id,
        his_no=his_no,
        operation="settle",
        operation_class=OperationClass.MOVES,
        bill_id=bill_id,
        state=TransactionState.NOT_SENT,
        abandoned_at=now,
        reason_code="cash_without_wish",
        person_index=b"",
        body_digest=b"",
        sealed_body=b"",
        total_minor=total_minor,
        currency=currency,
        received_at=now,
        state_at=now,
        state_by=by,
        state_reason="cash_without_wish",
        trace_id=trace_id,
    )
    return row.pk if rows_insert_new([row], returning="id") else None
