"""The breaker of a lane, computed from the calls themselves: no state of its own to lose or to disagree about.

Open while more than the allowed share of the last finished and overdue calls ended in doubt. It stops first sends only.
Queries and reversals go on, so they are its probes: each answered one weighs against a doubtful call, and what earlier
probes did not bring is forgotten with it. So the lane closes when what was in doubt has been answered for, one act at a
time if acts go on failing; and by itself when the doubtful calls have become old.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

FRESH_SECONDS = 0.5

# Of the latest calls: how many were answered, and how many ended in doubt or have taken longer than `p95_factor` times
# the 95th percentile of the answered acts. A silent probe counts until a later one speaks.
SQL = """
WITH latest AS (
    SELECT outcome, armed_at, elapsed_ms, kind IN ('QUERY', 'REVERSE') AS probes FROM exchange_call
    WHERE interface_id = %(interface)s AND armed_at > %(since)s AND outcome IS DISTINCT FROM 'NOT_SENT'
    ORDER BY armed_at DESC LIMIT %(window)s
), pace AS (
    SELECT coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY elapsed_ms), 1000) AS p95
    FROM latest WHERE outcome <> 'UNKNOWN' AND NOT probes
), probed AS (
    SELECT coalesce(max(armed_at) FILTER (WHERE probes AND outcome <> 'UNKNOWN'), '-infinity') AS answered_at
    FROM latest
)
SELECT count(*) FILTER (WHERE outcome IS NOT NULL AND outcome <> 'UNKNOWN'),
       count(*) FILTER (WHERE NOT (probes AND armed_at <= answered_at) AND (outcome = 'UNKNOWN' OR (outcome IS NULL
           AND armed_at < %(now)s - make_interval(secs => greatest(1.0, %(factor)s * p95 / 1000.0))))),
       max(p95)
FROM latest, pace, probed
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
        return bool(calls >= rule["at_least"] and self.doubtful > rule["doubt_share"] * calls)

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
