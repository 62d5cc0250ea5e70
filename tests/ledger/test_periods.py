"""Closing days and months, snapshots, and the sums that build on them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from ledger import services
from ledger.models import ClosedPeriod, Posting, Snapshot
from ledger.selectors import trial_balance
from ledger.services import BookKey
from tests.ledger.cast import NOW, TODAY, constraints_now, make_book, mirror, raw_posting, settled, write
from tests.roles import as_role, refused, rows

YESTERDAY = TODAY - timedelta(days=1)
TOMORROW = NOW + timedelta(days=1)
PERIOD = """
    INSERT INTO ledger_closedperiod (book_id, organisation_id, length, first_day, last_day, closed_at, by, reason)
    SELECT id, %s, %s, %s, %s, %s, 'raw', '' FROM ledger_book LIMIT 1"""


def close(book: BookKey, day: date, **changes: Any) -> ClosedPeriod:
    arguments: dict[str, Any] = {"book": book, "day": day, "by": "test", "now": TOMORROW} | changes
    return services.period_close(**arguments)


def test_it_refuses_a_posting_into_a_closed_day(book: BookKey) -> None:
    with as_role("worker"):
        [old] = write(settled(book))
        close(book, TODAY)
        with pytest.raises(services.PeriodClosed):
            write(settled(book))
        with refused("no_posting_into_a_closed_period"):
            raw_posting(old)


def test_it_refuses_a_posting_before_a_closed_day(book: BookKey) -> None:
    close(book, TODAY)
    with pytest.raises(services.PeriodClosed):
        write(settled(book), now=NOW - timedelta(days=3))


def test_a_correction_is_posted_today_with_the_value_date_of_the_closed_day(book: BookKey) -> None:
    [old] = write(settled(book))
    close(book, TODAY)
    undone = mirror(old, now=TOMORROW, value_date=TODAY)
    constraints_now()
    assert (undone.booked_day, undone.value_date) == (TODAY + timedelta(days=1), TODAY)


def test_a_month_closes_its_days(book: BookKey) -> None:
    period = close(book, TODAY, whole_month=True, now=NOW + timedelta(days=30))
    assert (period.first_day, period.last_day) == (date(2026, 11, 1), date(2026, 11, 30))
    with pytest.raises(services.PeriodClosed):
        write(settled(book))


def test_it_refuses_to_close_a_period_that_is_not_over(book: BookKey) -> None:
    with pytest.raises(services.PeriodNotOver):
        close(book, TODAY, now=NOW)
    with pytest.raises(services.PeriodNotOver):
        close(book, TODAY, whole_month=True)


def test_closing_again_changes_nothing_and_other_books_stay_open(book: BookKey) -> None:
    assert close(book, TODAY).pk == close(book, TODAY, by="somebody else").pk
    write(settled(make_book("other")))


@pytest.mark.parametrize(
    ("length", "first", "last", "words"),
    [
        ("day", TODAY, TODAY, "this period is not over"),
        ("day", date(2026, 11, 1), date(2026, 11, 2), "a_period_is_a_day_or_a_month"),
        ("month", date(2026, 10, 1), date(2026, 10, 30), "a month runs"),
        ("month", date(2026, 10, 2), date(2026, 10, 31), "a month runs"),
        ("year", date(2025, 1, 1), date(2025, 12, 31), "a_period_is_a_day_or_a_month"),
    ],
)
def test_the_database_refuses_a_period(book: BookKey, length: str, first: date, last: date, words: str) -> None:
    write(settled(book))
    with as_role("worker"), refused(words):
        rows(PERIOD, [0, length, first, last, NOW])


def test_a_period_belongs_to_its_books_organisation(book: BookKey) -> None:
    write(settled(book))
    with as_role("worker"):
        rows(PERIOD, [0, "day", YESTERDAY, YESTERDAY, NOW])
    assert ClosedPeriod.objects.get().organisation_id == book.organisation_id


def test_snapshots_sum_the_closed_days_and_later_sums_build_on_them(book: BookKey) -> None:
    before = NOW - timedelta(days=1)
    write(settled(book, 100), now=before)
    write(settled(book, 1000))
    close(book, YESTERDAY)
    with as_role("worker"):
        assert services.snapshots_take(now=TOMORROW) == 3
        assert services.snapshots_take(now=TOMORROW) == 0
    assert {(row.day, row.debit_minor + row.credit_minor) for row in Snapshot.objects.all()} == {
        (YESTERDAY, 80),
        (YESTERDAY, 20),
        (YESTERDAY, 100),
    }
    assert _fees(book) == 1100
    assert _fees(book, until=YESTERDAY) == 100
    close(book, TODAY)
    assert services.snapshots_take(now=TOMORROW) == 3
    write(settled(book, 7), now=TOMORROW)
    assert _fees(book) == 1107
    assert _fees(book, until=TODAY) == 1100
    assert services.prove().holds


@pytest.mark.parametrize("day", [TODAY, TODAY + timedelta(days=400)])
def test_the_database_refuses_a_snapshot_of_an_open_day(book: BookKey, day: date) -> None:
    write(settled(book))
    close(book, YESTERDAY, now=NOW)
    with as_role("worker"), refused("only closed days"):
        rows(
            "INSERT INTO ledger_snapshot (account_id, organisation_id, day, debit_minor, credit_minor, taken_at) "
            "SELECT id, organisation_id, %s, 1, 1, created_at FROM ledger_account LIMIT 1",
            [day],
        )


def test_a_posting_may_still_be_written_on_the_day_after(book: BookKey) -> None:
    close(book, YESTERDAY, now=NOW)
    write(settled(book))
    assert Posting.objects.count() == 1


def _fees(book: BookKey, until: date | None = None) -> int:
    [row] = trial_balance(organisations=[book.organisation_id], account="fees", until=until)
    return row.balance_minor
