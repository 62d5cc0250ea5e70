"""The breaker of a lane, computed from the calls themselves: no state of its own to lose or to disagree about.

Open while, among the last finished and overdue calls of the recent past, the share that ended in doubt is too high. It
closes by itself when those calls have become old, and at once when answered calls outweigh them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

FRESH_SECONDS = 0.5

# Of the latest calls: how many ended, how many of these in doubt, and how many are still unanswered although they have
# taken longer than `p95_factor` times the 95th percentile of the answered ones.
SQL = """
WITH latest AS (
    SELECT outcome, armed_at, elapsed_ms FROM exchange_call
    WHERE interface_id = %(interface)s AND armed_at > %(since)s AND outcome IS DISTINCT FROM 'NOT_SENT'
    ORDER BY armed_at DESC LIMIT %(window)s
), pace AS (
    SELECT coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY elapsed_ms), 1000) AS p95
    FROM latest WHERE outcome <> 'UNKNOWN'
)
SELECT count(*) FILTER (WHERE outcome IS NOT NULL AND outcome <> 'UNKNOWN'),
       count(*) FILTER (WHERE outcome = 'UNKNOWN' OR (outcome IS NULL
           AND armed_at < %(now)s - make_interval(secs => greatest(1.0, %(factor)s * p95 / 1000.0)))),
       max(p95)
FROM latest, pace
"""


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """`state` is open (calls flow), slow or broken; the counts are over the recent window."""

    answered: int
    doubtful: int
    p95_ms: float

    @property
    def broken(self) -> bool:
        calls = self.answered + self.doubtful
        rule = settings.BREAKER
        return bool(calls >= rule["at_least"] and self.doubtful >= rule["doubt_share"] * calls)

    @property
    def state(self) -> str:
        if self.broken:
            return "broken"
        return "slow" if self.doubtful else "open"


def window_seconds() -> float:
    """How far back the breaker looks, in seconds: the cooling time and the longest call."""
    return float(settings.BREAKER["cool_seconds"] + max(settings.DEADLINE_SECONDS.values()))


def lane_health(*, interface_id: int, now: datetime) -> LaneHealth:
    """The breaker's reading for one interface. Role worker, or app within its own rows."""
    rule = settings.BREAKER
    with connection.cursor() as cursor:
        cursor.execute(
            SQL,
            {
                "interface": interface_id,
                "since": now - timedelta(seconds=window_seconds()),
                "window": rule["window"],
                "now": now,
                "factor": rule["p95_factor"],
            },
        )
        answered, doubtful, p95_ms = cursor.fetchone()
    return LaneHealth(answered, doubtful, float(p95_ms or 0))


class Breaker:
    """Readings kept for half a second: a burst of claims asks once."""

    def __init__(self) -> None:
        self.readings: dict[int, tuple[float, bool]] = {}

    def broken(self, *, interface_id: int, now: datetime) -> bool:
        read_at, broken = self.readings.get(interface_id, (float("-inf"), False))
        if time.monotonic() - read_at > FRESH_SECONDS:
            broken = lane_health(interface_id=interface_id, now=now).broken
            self.readings[interface_id] = (time.monotonic(), broken)
        return broken
