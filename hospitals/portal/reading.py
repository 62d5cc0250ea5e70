"""What the pages read, through selectors and the fence only, and how they read their addresses' parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from core.clock import database_now
from exchange.models import Transaction
from exchange.selectors.messages import MessageQuery, messages_find
from exchange.selectors.transactions import transactions_visible
from exchange.states import TransactionState
from portal.selectors import organisations_of, scoped

PAGE_ROWS = 50
# Nobody knows yet, or not finally, what the insurer holds.
UNCERTAIN = (TransactionState.IN_DOUBT, TransactionState.REVERSING, TransactionState.NEEDS_HUMAN)

# A choice of the state filter: settled, and the HIS has not said that it booked it.
UNBOOKED = "unbooked"


def transactions_of(*, user: User) -> QuerySet[Transaction]:
    """The transactions that this person's pages may show, newest first."""
    return scoped(transactions_visible(), user=user).order_by("-received_at", "-pk")


def unbooked(rows: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """Settled fees that the HIS has not said to have booked."""
    return rows.filter(state=TransactionState.SUCCEEDED, operation_class="MOVES", acknowledged_at__isnull=True)


def transactions_matching(*, user: User, term: str) -> QuerySet[Transaction]:
    """Those whose HIS number, bill number, visit number, settlement number, trace id or a message's id is `term`."""
    found = Q(his_no=term) | Q(trace_id=term) | Q(bill__bill_no=term) | Q(bill__visit_no=term) | Q(settlement_no=term)
    calls = messages_find(organisations=organisations_of(user), query=MessageQuery(msgid=term), now=database_now())
    return transactions_of(user=user).filter(found | Q(pk__in=calls.order_by().values("transaction_id")))


def day_of(text: str | None) -> date | None:
    """A day as the date field sends it; None for nothing or nonsense."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """First moment of `day` and of the next one, in the hospital's time zone (which the site has activated)."""
    zone = timezone.get_current_timezone()
    first = datetime.combine(day, time.min, tzinfo=zone)
    # The last days of the calendar have no next one.
    following = day + timedelta(days=1) if day < date.max else day
    return first, datetime.combine(following, time.min, tzinfo=zone)


@dataclass(frozen=True, slots=True)
class PageOf[Row: Model]:
    """Some rows, and the cursor at which older ones begin."""

    rows: Sequence[Row]
    older: str


def page_of[Row: Model](rows: QuerySet[Row], *, moment: str, cursor: str) -> PageOf[Row]:
    """The PAGE_ROWS rows after `cursor` of a queryset ordered by (-moment, -pk): no counting, no skipping."""
    at, key = _cursor(cursor)
    if at is not None:
        older = Q(**{f"{moment}__lt": at}) | Q(**{moment: at, "pk__lt": key})
        rows = rows.filter(older)
    found = list(rows[: PAGE_ROWS + 1])
    last = found[PAGE_ROWS - 1] if len(found) > PAGE_ROWS else None
    return PageOf(found[:PAGE_ROWS], f"{getattr(last, moment).isoformat()}|{last.pk}" if last else "")


def _cursor(text: str) -> tuple[datetime | None, UUID | None]:
    """A cursor that somebody has tampered with begins at the top."""
    at, _, key = text.partition("|")
    try:
        moment = datetime.fromisoformat(at)
        return (moment, UUID(key)) if moment.tzinfo is not None else (None, None)
    except ValueError:
        return None, None
