"""Closing days and months, and the snapshots that keep sums short."""

from __future__ import annotations

import calendar
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from core.errors import Problem
from ledger.models import ClosedPeriod, LedgerBook
from ledger.services.directory import books_resolve
from ledger.services.drafts import BookKey


class PeriodNotOver(Problem):
    code = "period_not_over"
    status = 409
    title = "The period is not over"
    detail = "{last_day} is not over yet in {time_zone}."
    detail_zh = "{time_zone} 时区的 {last_day} 尚未结束。"
    fix = "Close it on the following day."
    fix_zh = "请在次日关账。"


def period_close(
    *, book: BookKey, day: date, whole_month: bool = False, by: str, reason: str = "", now: datetime
) -> ClosedPeriod:
    """Close `day`, or its month, of a book: no posting is booked on it or before it any more. Again: changes nothing.

    Waits for the postings of that book that are being committed. Raises PeriodNotOver.
    """
    with transaction.atomic():
        row = LedgerBook.objects.get(pk=books_resolve([book], now=now)[book])
        first_day, last_day = _month(day) if whole_month else (day, day)
        if last_day >= now.astimezone(ZoneInfo(row.time_zone)).date():
            raise PeriodNotOver(last_day=last_day, time_zone=row.time_zone)
        period = ClosedPeriod(
            book=row,
            # The trigger writes the book's own organisation over it.
            organisation_id=row.organisation_id,
            length=ClosedPeriod.Length.MONTH if whole_month else ClosedPeriod.Length.DAY,
            first_day=first_day,
            last_day=last_day,
            closed_at=now,
            by=by,
            reason=reason,
        )
        ClosedPeriod.objects.bulk_create([period], ignore_conflicts=True)
        return ClosedPeriod.objects.get(book=row, last_day=last_day, length=period.length)


SNAPSHOTS = """
INSERT INTO ledger_snapshot (account_id, organisation_id, day, debit_minor, credit_minor, taken_at)
SELECT a.id, a.organisation_id, closed.day,
    coalesce(last.debit_minor, 0) + legs.debit_minor, coalesce(last.credit_minor, 0) + legs.credit_minor, %s
FROM (SELECT book_id, max(last_day) AS day FROM ledger_closedperiod GROUP BY book_id) closed
JOIN ledger_account a ON a.book_id = closed.book_id AND NOT a.limited
LEFT JOIN LATERAL (
    SELECT s.day, s.debit_minor, s.credit_minor FROM ledger_snapshot s
    WHERE s.account_id = a.id AND s.day <= closed.day ORDER BY s.day DESC LIMIT 1) last ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(l.amount_minor) FILTER (WHERE l.side = 'D'), 0) AS debit_minor,
        coalesce(sum(l.amount_minor) FILTER (WHERE l.side = 'C'), 0) AS credit_minor, count(*) AS number
    FROM ledger_leg l
    WHERE l.account_id = a.id AND l.booked_day <= closed.day AND l.booked_day > coalesce(last.day, '-infinity')) legs
WHERE legs.number > 0 AND last.day IS DISTINCT FROM closed.day
ON CONFLICT DO NOTHING
"""


def snapshots_take(*, now: datetime) -> int:
    """Sum every unlimited account up to the last closed day of its book, from its last snapshot on.

    One statement for all books; accounts without a new leg get none. Returns how many were taken.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SNAPSHOTS, [now])
        return int(cursor.rowcount)


def _month(day: date) -> tuple[date, date]:
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])
