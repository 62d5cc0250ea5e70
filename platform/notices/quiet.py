"""When a message may leave: pure arithmetic over the reader's quiet hours."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def loud_from(*, now: datetime, quiet_from: time, quiet_until: time, time_zone: str) -> datetime:
    """`now`, or the end of the quiet hours it falls into. They may span midnight; equal ends mean none."""
    local = now.astimezone(ZoneInfo(time_zone))
    clock = local.time()
    if quiet_from < quiet_until:
        quiet, tomorrow = quiet_from <= clock < quiet_until, False
    else:
        quiet, tomorrow = quiet_from != quiet_until and not quiet_until <= clock < quiet_from, clock >= quiet_from
    if not quiet:
        return now
    day = local.date() + timedelta(days=1) if tomorrow else local.date()
    return datetime.combine(day, quiet_until, tzinfo=ZoneInfo(time_zone)).astimezone(now.tzinfo)
