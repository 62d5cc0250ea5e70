"""Row locks of job A, in one order for everybody: jobs, then bills by their numbers, then transactions by id.

Plain SQL: these statements run for every batch, and Django would take longer to build them than PostgreSQL to run them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from core.ids import uuid7
from exchange.bills import BillLine, BillTerms, CashView, bill_terms, cash_view
from exchange.models import Bill, Transaction
from exchange.states import OperationClass

BILLS = """
SELECT * FROM exchange_bill
WHERE id IN (SELECT bill_id FROM exchange_transaction WHERE id = ANY (%s)) OR id = ANY (%s)
ORDER BY organisation_id, visit_no COLLATE "C", bill_no COLLATE "C" FOR NO KEY UPDATE
"""
HOLD = """
SELECT * FROM exchange_bill WHERE organisation_id = %s AND visit_no = %s AND bill_no = %s FOR SHARE
"""
# The hospital's code rides along as `hospital_code`.
TRANSACTIONS = """
SELECT exchange_transaction.*, organisation.code AS hospital_code
FROM exchange_transaction JOIN accounts_organisation organisation ON organisation.id = organisation_id
WHERE exchange_transaction.id = ANY (%s) OR exchange_transaction.bill_id = ANY (%s)
ORDER BY exchange_transaction.id FOR NO KEY UPDATE OF exchange_transaction
"""
PAID = """
SELECT transaction_id, sum(amount_minor)::bigint FROM exchange_selfpayment WHERE transaction_id = ANY (%s) GROUP BY 1
"""


TAKE = """
INSERT INTO exchange_bill (id, organisation_id, visit_no, bill_no, currency, requests, created_at, collected_minor,
    refunded_minor, refund_due_minor, cash_short_minor, recognised_fees_minor, recognised_own_minor, recognition_no)
SELECT id, organisation_id, visit_no, bill_no, currency, 1, %s, 0, 0, 0, 0, 0, 0, 0
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS wanted (id, organisation_id, visit_no, bill_no, currency)
ON CONFLICT (organisation_id, visit_no, bill_no) DO UPDATE SET requests = exchange_bill.requests + 1
RETURNING id, organisation_id, visit_no, bill_no, requests, currency
"""
BillKey = tuple[int, str, str]  # organisation id, visit_no, bill_no


def bills_take(currencies: Mapping[BillKey, str], *, now: datetime) -> list[tuple[UUID, int, str, str, int, str]]:
    """The bills of these keys, made where missing, locked in key order until the commit.

    Returns (id, organisation id, visit_no, bill_no, requests, currency) of each; `requests` above 1: it was there
    before, and its currency may be another one than was asked for.
    """
    ordered = sorted(currencies)
    with connection.cursor() as cursor:
        cursor.execute(
            TAKE,
            [
                now,
                [uuid7(now) for _ in ordered],
                [key[0] for key in ordered],
                [key[1] for key in ordered],
                [key[2] for key in ordered],
                [currencies[key] for key in ordered],
            ],
        )
        return list(cursor.fetchall())


@dataclass(slots=True)
class Locked:
    """Bills and all transactions on them, locked until the commit. `before` is what each wish was told of its cash."""

    bills: dict[UUID, Bill]
    rows: dict[UUID, Transaction]
    paid: dict[UUID, int]
    before: dict[UUID, CashView] = field(default_factory=dict)
    by_bill: dict[UUID, list[Transaction]] = field(init=False)

    def __post_init__(self) -> None:
        self.group()

    def group(self) -> None:
        """Sort the transactions to their bills; again where one has moved to another bill."""
        self.by_bill = {bill_id: [] for bill_id in self.bills}
        for row in self.rows.values():
            if row.bill_id is not None:
                self.by_bill.setdefault(row.bill_id, []).append(row)

    def lines(self, bill_id: UUID) -> list[BillLine]:
        """The bill's MOVES wishes in order of arrival, as they are in memory now."""
        return [
            BillLine(
                row.pk,
                row.state,
                row.total_minor or 0,
                row.cash_minor or 0,
                self.paid.get(row.pk, 0),
                row.replaces_id or row.retry_of_id,
                row.service_cancelled_at is not None,
            )
            for row in self.by_bill[bill_id]
            if row.operation_class == OperationClass.MOVES
        ]

    def terms(self, bill_id: UUID) -> BillTerms:
        return bill_terms(self.lines(bill_id), refunded_minor=self.bills[bill_id].refunded_minor)

    def views(self, bill_id: UUID) -> dict[UUID, CashView]:
        """What each wish of the bill is told of its cash, as things are in memory now."""
        lines = self.lines(bill_id)
        terms = bill_terms(lines, refunded_minor=self.bills[bill_id].refunded_minor)
        views = {line.id: cash_view(line, lines, terms) for line in lines}
        # A cancel has no cash of its own; it too says how the bill stands.
        others = [row.pk for row in self.rows.values() if row.bill_id == bill_id and row.pk not in views]
        return views | dict.fromkeys(others, CashView(square=terms.square, outside=terms.outside))

    def remember(self) -> None:
        """Keep what was told, of the bills where one wish's end may change what another is told."""
        for bill in self.bills.values():
            if bill.collected_minor or len(self.by_bill[bill.pk]) > 1:
                self.before |= self.views(bill.pk)


def bill_hold(*, organisation_id: int, visit_no: str, bill_no: str) -> Bill | None:
    """The bill, with nothing on it moving until the commit: for one look at everything."""
    return next(iter(Bill.objects.raw(HOLD, [organisation_id, visit_no, bill_no])), None)


def transactions_lock(transaction_ids: Sequence[UUID], *, bill_ids: Sequence[UUID] = ()) -> dict[UUID, Transaction]:
    """The transactions by id, and all on these bills, locked until the commit, in order of arrival."""
    return {row.pk: row for row in Transaction.objects.raw(TRANSACTIONS, [list(transaction_ids), list(bill_ids)])}


def bills_and_transactions_lock(transaction_ids: Sequence[UUID], *, bill_ids: Iterable[UUID] = ()) -> Locked:
    """The bills of these transactions (and `bill_ids`), then everything on these bills."""
    bills = {bill.pk: bill for bill in Bill.objects.raw(BILLS, [list(transaction_ids), list(bill_ids)])}
    rows = transactions_lock(transaction_ids, bill_ids=list(bills))
    paid: dict[UUID, int] = {}
    if any(bill.collected_minor for bill in bills.values()):
        paid = payments_of(rows)
    locked = Locked(bills, rows, paid)
    locked.remember()
    return locked


def payments_of(transaction_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The told cash of each transaction that has any, minor units."""
    with connection.cursor() as cursor:
        cursor.execute(PAID, [list(transaction_ids)])
        return dict(cursor.fetchall())
