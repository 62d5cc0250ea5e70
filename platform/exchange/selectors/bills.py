"""A bill as the hospital sees it: its wishes, its cash, and whether it is square."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings

from exchange.bills import BillTerms, CashView, cash_view
from exchange.locks import Locked, payments_of
from exchange.models import Bill, Refund, Resettlement, SelfPayment, Transaction
from exchange.states import OPEN, OperationClass, TransactionState


def bills_read(bill_ids: Iterable[UUID]) -> Locked:
    """These bills with all their transactions and cash, read without locks: for answers, never for decisions."""
    bills = {bill.pk: bill for bill in Bill.objects.filter(pk__in=list(bill_ids))}
    rows = {row.pk: row for row in Transaction.objects.filter(bill_id__in=bills).defer("sealed_body").order_by("pk")}
    return Locked(bills, rows, payments_of(rows) if any(bill.collected_minor for bill in bills.values()) else {})


def cash_views_of(rows: Iterable[Transaction]) -> dict[UUID, CashView]:
    """What each of these is told of its cash now; nothing for those without a bill."""
    read = bills_read({row.bill_id for row in rows if row.bill_id is not None})
    views: dict[UUID, CashView] = {}
    for bill_id in read.bills:
        views |= read.views(bill_id)
    return views


def unclaimed(bill: Bill, *, now: datetime) -> bool:
    """Whether the patient's refund has been due for longer than is good."""
    since = bill.refund_due_since
    return since is not None and now - since > timedelta(seconds=settings.UNCLAIMED_AFTER_SECONDS)


class ResettleState(StrEnum):
    """How far a fee is that is settled anew for its rest."""

    CANCELLING = "cancelling"
    BETWEEN_HALVES = "between_halves"  # Cancelled; the rest is on its way.
    DONE = "done"
    CANCEL_FAILED = "cancel_failed"  # The old settlement stands.
    REST_NOT_SETTLED = "rest_not_settled"  # Cancelled, and the rest came to nothing.


@dataclass(frozen=True, slots=True)
class Resettle:
    """One fee that is settled anew: `rest` waits for `cancel`. `since`: from when on it has been in this state."""

    cancel: Transaction
    rest: Transaction
    state: ResettleState
    since: datetime


@dataclass(frozen=True, slots=True)
class BillReport:
    """A bill with everything on it, in order of arrival. `views` is what each wish is told of its cash."""

    bill: Bill
    terms: BillTerms
    transactions: Sequence[Transaction]
    self_payments: Sequence[SelfPayment]
    refunds: Sequence[Refund]
    resettles: Sequence[Resettle]
    views: dict[UUID, CashView]
    unclaimed: bool

    def his_no_of(self, transaction_id: UUID | None) -> str | None:
        return next((row.his_no for row in self.transactions if row.pk == transaction_id), None)

    def as_dict(self, *, now: datetime) -> dict[str, Any]:
        """The bill as his-api tells it, but for the verdicts of its transactions; times are aware."""
        bill, terms = self.bill, self.terms
        return {
            "visit_no": bill.visit_no,
            "bill_no": bill.bill_no,
            "currency": bill.currency,
            "created_at": bill.created_at,
            "square": terms.square,
            "outside": terms.outside,
            "resting": terms.resting,
            "price_minor": terms.price_minor,
            "payers_minor": terms.shares_minor,
            "own_share_minor": terms.own_minor,
            "self_paid_minor": bill.collected_minor,
            "refunded_minor": terms.refunded_minor,
            "net_cash_minor": terms.net_minor + terms.assumed_minor,
            "refund_due_minor": terms.refund_due_minor,
            "refund_due_since": bill.refund_due_since,
            "unclaimed": self.unclaimed,
            "cash_short_minor": terms.cash_short_minor,
            "not_square_since": bill.unsquare_since,
            "self_payments": [self._payment(one) for one in self.self_payments],
            "refunds": [self._refund(one) for one in self.refunds],
            "resettles": [
                {
                    "cancel": one.cancel.his_no,
                    "rest": one.rest.his_no,
                    "state": str(one.state),
                    "since": one.since,
                    "age_seconds": max(0, int((now - one.since).total_seconds())),
                }
                for one in self.resettles
            ],
        }

    def links_of(self, row: Transaction) -> dict[str, Any]:
        """How one wish stands to the others, and what the hospital said of it."""
        cancels = [one for one in self.transactions if one.of_id == row.pk]
        return {
            "batch_no": row.batch_no,
            "of": self.his_no_of(row.of_id),
            "replaces": self.his_no_of(row.replaces_id),
            "retry_of": self.his_no_of(row.retry_of_id),
            "cancel_open": any(one.state in OPEN for one in cancels),
            "received_at": row.received_at,
            "abandoned_at": row.abandoned_at,
            "disowned_at": row.disowned_at,
            "service_cancelled_at": row.service_cancelled_at,
        }

    def _payment(self, one: SelfPayment) -> dict[str, Any]:
        return {
            "his_no": self.his_no_of(one.transaction_id),
            "state": self.views[one.transaction_id].state,
            "amount_minor": one.amount_minor,
            "currency": one.currency,
            "collected_at": one.collected_at,
            "tender": one.tender,
            "receipt_no": one.receipt_no,
            "told_at": one.told_at,
        }

    def _refund(self, one: Refund) -> dict[str, Any]:
        return {
            "his_no": self.his_no_of(one.transaction_id),
            "amount_minor": one.amount_minor,
            "currency": one.currency,
            "refund_no": one.refund_no,
            "tender": one.tender,
            "original_tender_ref": one.original_tender_ref,
            "red_receipt_no": one.red_receipt_no,
            "told_at": one.told_at,
        }


def bill_report(bill_id: UUID, *, now: datetime) -> BillReport:
    """The bill as it is now. Who needs one moment for all of it holds the bill first (locks.bill_hold)."""
    read = bills_read([bill_id])
    bill, terms, lines = read.bills[bill_id], read.terms(bill_id), read.lines(bill_id)
    late = unclaimed(bill, now=now)
    return BillReport(
        bill=bill,
        terms=terms,
        transactions=list(read.rows.values()),
        self_payments=list(SelfPayment.objects.filter(transaction_id__in=read.rows).order_by("pk")),
        refunds=list(Refund.objects.filter(transaction_id__in=read.rows).order_by("pk")),
        resettles=_resettles(read.rows),
        views={line.id: cash_view(line, lines, terms, unclaimed=late) for line in lines},
        unclaimed=late,
    )


def _resettles(rows: dict[UUID, Transaction]) -> list[Resettle]:
    cancels = [pk for pk, row in rows.items() if row.operation_class == OperationClass.UNDOES]
    sagas = Resettlement.objects.filter(cancel_id__in=cancels).order_by("pk") if cancels else ()
    return [_resettle(rows[saga.cancel_id], rows[saga.rest_id]) for saga in sagas]


def _resettle(cancel: Transaction, rest: Transaction) -> Resettle:
    if cancel.state in OPEN:
        return Resettle(cancel, rest, ResettleState.CANCELLING, cancel.received_at)
    if cancel.state != TransactionState.SUCCEEDED:
        return Resettle(cancel, rest, ResettleState.CANCEL_FAILED, cancel.state_at)
    if rest.state in OPEN:
        return Resettle(cancel, rest, ResettleState.BETWEEN_HALVES, cancel.state_at)
    settled = rest.state in (TransactionState.SUCCEEDED, TransactionState.CANCELLED)
    return Resettle(cancel, rest, ResettleState.DONE if settled else ResettleState.REST_NOT_SETTLED, rest.state_at)


def cash_of(transaction_ids: Iterable[UUID]) -> tuple[list[SelfPayment], list[Refund]]:
    """Cash taken and given back for these, in order of telling."""
    ids = list(transaction_ids)
    taken = SelfPayment.objects.filter(transaction_id__in=ids).order_by("told_at", "pk")
    return list(taken), list(Refund.objects.filter(transaction_id__in=ids).order_by("told_at", "pk"))
