"""A bill as the hospital sees it: its wishes, its cash, and whether it is square."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from exchange.bills import CashView
from exchange.locks import Locked, payments_of
from exchange.models import Bill, Transaction


def bills_read(bill_ids: Iterable[UUID]) -> Locked:
    """These bills with all their transactions and cash, read without locks: for answers, never for decisions."""
    bills = {bill.pk: bill for bill in Bill.objects.filter(pk__in=list(bill_ids))}
    rows = {row.pk: row for row in Transaction.objects.filter(bill_id__in=bills).order_by("pk")}
    return Locked(bills, rows, payments_of(rows) if any(bill.collected_minor for bill in bills.values()) else {})


def cash_views_of(rows: Iterable[Transaction]) -> dict[UUID, CashView]:
    """What each of these is told of its cash now; nothing for those without a bill."""
    read = bills_read({row.bill_id for row in rows if row.bill_id is not None})
    views: dict[UUID, CashView] = {}
    for bill_id in read.bills:
        views |= read.views(bill_id)
    return views
