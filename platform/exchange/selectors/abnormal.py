"""What is not as it should be: the current list that the cashier's client, the portal and the reports read.

A transaction is on it while it is in doubt, being reversed, with a person or overdue, and once settled until the
hospital says that it has booked it; a bill, while cash is due back, too much was given back, or it is at rest and not
square. The order is that of arrival, which never changes: a page goes on behind the last row of the one before, so an
entry that stands through a whole reading is met once, whatever comes and goes meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from exchange.models import Bill, Transaction
from exchange.reasons import reason
from exchange.selectors.bills import unclaimed
from exchange.states import TransactionState
from exchange.verdicts import reason_of, verdict_word

PAGE_ENTRIES = 200
# Each branch runs along its partial index (transactions_not_ended, transactions_unacknowledged,
# bills_that_are_not_right) from the cursor on and stops after a page. Of a bill, the latest wish speaks.
SQL = """
WITH page AS (
    (SELECT received_at AS at, id, NULL::uuid AS bill_id FROM exchange_transaction
    WHERE organisation_id = %(organisation)s AND received_at >= %(at)s AND (received_at, id) > (%(at)s, %(id)s)
        AND state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING', 'NEEDS_HUMAN')
        AND (state NOT IN ('RECEIVED', 'SENDING') OR received_at < %(overdue)s)
    ORDER BY received_at, id LIMIT %(limit)s)
    UNION ALL
    (SELECT received_at, id, NULL FROM exchange_transaction
    WHERE organisation_id = %(organisation)s AND received_at >= %(at)s AND (received_at, id) > (%(at)s, %(id)s)
        AND state = 'SUCCEEDED' AND operation_class = 'MOVES' AND acknowledged_at IS NULL
    ORDER BY received_at, id LIMIT %(limit)s)
    UNION ALL
    (SELECT created_at, id, id FROM exchange_bill
    WHERE organisation_id = %(organisation)s AND created_at >= %(at)s AND (created_at, id) > (%(at)s, %(id)s)
        AND (refund_due_minor > 0 OR cash_short_minor > 0 OR unsquare_since IS NOT NULL)
    ORDER BY created_at, id LIMIT %(limit)s)
    ORDER BY at, id LIMIT %(limit)s
)
SELECT at, page.id, page.bill_id, coalesce(latest.id, page.id) FROM page LEFT JOIN LATERAL (
    SELECT wish.id FROM exchange_transaction wish
    WHERE wish.bill_id = page.bill_id AND wish.operation_class = 'MOVES' ORDER BY wish.id DESC LIMIT 1
) latest ON page.bill_id IS NOT NULL ORDER BY at, page.id
"""
HEAVY = ("sealed_body", "body_digest", "person_index", "shares")


class AbnormalKind(StrEnum):
    """Why something is on the list."""

    OVERDUE = "overdue"  # Long received or on its way, and nobody has moved it.
    IN_DOUBT = "in_doubt"
    REVERSING = "reversing"
    NEEDS_PERSON = "needs_person"
    UNACKNOWLEDGED = "unacknowledged"
    REFUND_DUE = "refund_due"
    CASH_SHORT = "cash_short"
    NOT_SQUARE = "not_square"


_BY_STATE = {
    TransactionState.RECEIVED: AbnormalKind.OVERDUE,
    TransactionState.SENDING: AbnormalKind.OVERDUE,
    TransactionState.IN_DOUBT: AbnormalKind.IN_DOUBT,
    TransactionState.REVERSING: AbnormalKind.REVERSING,
    TransactionState.NEEDS_HUMAN: AbnormalKind.NEEDS_PERSON,
    TransactionState.SUCCEEDED: AbnormalKind.UNACKNOWLEDGED,
}

# Nobody knows yet what the insurer holds: the transaction itself says why.
UNCERTAIN = (AbnormalKind.OVERDUE, AbnormalKind.IN_DOUBT, AbnormalKind.REVERSING, AbnormalKind.NEEDS_PERSON)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading has come to: behind the entry that arrived `at` under this id."""

    at: datetime
    id: UUID


TOP = Place(datetime.fromisoformat("0001-01-02T00:00:00+00:00"), UUID(int=0))


@dataclass(frozen=True, slots=True)
class AbnormalEntry:
    """One entry. `transaction` is what it is about; of a bill's entry, the latest wish of the `bill`.

    `since`: from when on it has been so. `amount_minor`: due back, short, or else the total of the wish.
    """

    kind: AbnormalKind
    transaction: Transaction
    bill: Bill | None
    since: datetime
    amount_minor: int | None
    unclaimed: bool = False

    @property
    def owner(self) -> str:
        """Who is on call for what needs a person, or for what nobody has moved although it should have been."""
        return self.transaction.owner if self.kind in UNCERTAIN else ""

    def reason(self) -> dict[str, Any]:
        """What happened and who must do what, in the form of a verdict's `reason`."""
        if self.kind in UNCERTAIN:
            return reason_of(self.transaction)
        return reason("refund_unclaimed" if self.unclaimed else self.kind)

    def as_dict(self, *, now: datetime) -> dict[str, Any]:
        """The entry as his-api tells it; times are aware."""
        row, bill = self.transaction, self.bill
        return {
            "kind": str(self.kind),
            "his_no": row.his_no,
            "operation": row.operation,
            "verdict": str(verdict_word(row)),
            "state": str(row.state),
            "visit_no": bill.visit_no if bill else None,
            "bill_no": bill.bill_no if bill else None,
            "amount_minor": self.amount_minor,
            "currency": row.currency,
            "since": self.since,
            "age_seconds": max(0, int((now - self.since).total_seconds())),
            "unclaimed": self.unclaimed,
            "owner": self.owner or None,
            "operator_no": row.operator_no or None,
            "shift_no": row.shift_no or None,
            "reason": self.reason(),
        }


@dataclass(frozen=True, slots=True)
class AbnormalPage:
    """At most a page of the list, oldest arrival first; `after` is where the next page begins, None on the last."""

    entries: Sequence[AbnormalEntry]
    after: Place | None


def abnormal_page(
    *, organisation_id: int, now: datetime, after: Place | None = None, limit: int = PAGE_ENTRIES
) -> AbnormalPage:
    """The next entries of one hospital's list. The caller has said whom it sees (core.row_security)."""
    place = after or TOP
    with connection.cursor() as cursor:
        cursor.execute(
            SQL,
            {
                "organisation": organisation_id,
                "at": place.at,
                "id": place.id,
                "overdue": now - timedelta(seconds=overdue_seconds()),
                "limit": limit + 1,
            },
        )
        found = cursor.fetchall()
    transactions = Transaction.objects.select_related("bill").defer(*HEAVY).in_bulk([row[3] for row in found[:limit]])
    looks = [_entry(transactions.get(named), bill_id is not None, now) for _, _, bill_id, named in found[:limit]]
    last = Place(*found[limit - 1][:2]) if len(found) > limit else None
    return AbnormalPage([entry for entry in looks if entry is not None], last)


def overdue_seconds() -> float:
    """No wish should be on its way for longer: patience, sending, the longest call and the look after it."""
    longest = max(settings.DEADLINE_SECONDS.values()) + settings.SEND_WITHIN_SECONDS
    return float(settings.PATIENCE_SECONDS + longest + settings.OVERDUE_AFTER_SECONDS)


def _entry(row: Transaction | None, of_bill: bool, now: datetime) -> AbnormalEntry | None:
    """None where it came right between the two looks."""
    if row is None:
        return None
    if of_bill:
        return None if row.bill is None else _of_bill(row, row.bill, now)
    kind = _BY_STATE.get(TransactionState(row.state))
    return None if kind is None else AbnormalEntry(kind, row, row.bill, row.state_at, row.total_minor)


def _of_bill(row: Transaction, bill: Bill, now: datetime) -> AbnormalEntry | None:
    if bill.refund_due_minor:
        since = bill.refund_due_since or bill.created_at
        late = unclaimed(bill, now=now)
        return AbnormalEntry(AbnormalKind.REFUND_DUE, row, bill, since, bill.refund_due_minor, late)
    if bill.cash_short_minor:
        return AbnormalEntry(AbnormalKind.CASH_SHORT, row, bill, row.state_at, bill.cash_short_minor)
    if bill.unsquare_since is None:
        return None
    return AbnormalEntry(AbnormalKind.NOT_SQUARE, row, bill, bill.unsquare_since, row.total_minor)
