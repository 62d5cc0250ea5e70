from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from notices.quiet import loud_from

SHANGHAI = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("clock", "quiet", "leaves"),
    [
        ("25 21:59", ("22:00", "08:00"), "25 21:59"),
        ("25 22:00", ("22:00", "08:00"), "26 08:00"),
        ("25 23:30", ("22:00", "08:00"), "26 08:00"),
        ("26 00:00", ("22:00", "08:00"), "26 08:00"),
        ("26 07:59", ("22:00", "08:00"), "26 08:00"),
        ("26 08:00", ("22:00", "08:00"), "26 08:00"),
        ("25 13:00", ("12:00", "14:00"), "25 14:00"),
        ("25 14:00", ("12:00", "14:00"), "25 14:00"),
        ("25 11:59", ("12:00", "14:00"), "25 11:59"),
        ("25 03:00", ("00:00", "00:00"), "25 03:00"),
        ("30 23:00", ("22:00", "08:00"), "31 08:00"),
    ],
)
def test_a_message_waits_for_the_end_of_the_readers_night(clock: str, quiet: tuple[str, str], leaves: str) -> None:
    def local(words: str) -> datetime:
        day, moment = words.split()
        return datetime.combine(datetime(2026, 10, int(day)), time.fromisoformat(moment), ZoneInfo(SHANGHAI))  # noqa: DTZ001

    begins, ends = map(time.fromisoformat, quiet)
    found = loud_from(now=local(clock).astimezone(UTC), quiet_from=begins, quiet_until=ends, time_zone=SHANGHAI)
    assert found == local(leaves)
    assert found.tzinfo is UTC
