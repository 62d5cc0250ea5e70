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
from exchange.models import Bill, Transaction
from exchange.services.books import bills_review
from exchange.services.endings import evidence_of
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


def tombstones_fill(*, late_wishes: Sequence[LateWish], now: datetime) -> None:
    """Give tombstones the person, bill and total of the wishes that came late; their cash moves to the right bill."""
    for late in late_wishes:
        bills = [one for one in (late.waiting_bill_id, late.wish.bill_id) if one is not None]
        locked = bills_and_transactions_lock([late.wish.pk], bill_ids=bills)
        row = locked.rows[late.wish.pk]
        if bytes(row.body_digest):
            continue
        waited_on = row.bill_id
        for name in FILLED:
            setattr(row, name, getattr(late.wish, name))
        if waited_on is not None and locked.bills[waited_on].visit_no == TOMBSTONES:
            row.bill_id = late.wish.bill_id
            _cash_move(locked, row, locked.bills[waited_on])
        write_many([row], fields=[*(name.removesuffix("_id") for name in FILLED), "bill", "state"])
        evidence = evidence_of(row, EvidenceKind.HOSPITAL_SAID, "late_wish", now=now)
        evidence.save(force_insert=True)
        changed = {one: evidence.pk for one in (waited_on, row.bill_id) if one is not None}
        bills_review(changed, locked=locked, now=now)
        verdicts_write({row.pk: ""}, locked=locked, now=now)


def _cash_move(locked: Locked, row: Transaction, waiting: Bill) -> None:
    """The sums follow the wish; the cash book stays the one in which it was posted."""
    assert row.bill_id is not None  # noqa: S101 - a late wish that moves money has its bill
    bill = locked.bills[row.bill_id]
    paid = locked.paid.get(row.pk, 0)
    bill.collected_minor += paid
    bill.cash_book_id = bill.cash_book_id or waiting.cash_book_id
    waiting.collected_minor -= paid
    for one in (bill, waiting):
        one.save(update_fields=["collected_minor", "cash_book"])


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
    ((bill_id, *_),) = bills_take({key: currency}, now=now)
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
