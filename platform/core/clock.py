"""The clock of the house is the database's: read once per unit of work and passed on as `now`.

Monotonic readings (socket deadlines) come from `time.monotonic` in the process that needs them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """The database's time plus `CLOCK_OFFSET_SECONDS` (demo and tests only), aware, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment + timedelta(seconds=settings.CLOCK_OFFSET_SECONDS)


def local_day(now: datetime) -> date:
    """The calendar day of the platform's hospitals at `now` (settings.TIME_ZONE): what dated rules go by."""
    return timezone.localdate(now, timezone.get_default_timezone())


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier; of 29 February the 28th where that year has none."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
