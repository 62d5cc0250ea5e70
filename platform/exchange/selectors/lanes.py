"""State of each insurer's lane as a hospital may know it: open, slow, broken or paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exchange.breaker import lane_health
from exchange.models import InsurerInterface


@dataclass(frozen=True, slots=True)
class LaneLink:
    """One lane. `state` is open, slow, broken or paused; the counts are over the asker's own recent calls."""

    lane: str
    interface: str
    insurer: str
    insurer_name: str
    insurer_name_zh: str
    state: str
    paused_at: datetime | None
    paused_reason: str
    answered: int
    doubtful: int


def lane_links(*, now: datetime) -> list[LaneLink]:
    """All lanes by code. Lanes are no secret; their health is judged by the calls that the asker may see."""
    return [
        _link(row, now) for row in InsurerInterface.objects.select_related("lane", "insurer").order_by("lane__code")
    ]


def _link(row: InsurerInterface, now: datetime) -> LaneLink:
    health = lane_health(interface_id=row.pk, now=now)
    return LaneLink(
        lane=row.lane.code,
        interface=row.code,
        insurer=row.insurer.code,
        insurer_name=row.insurer.name,
        insurer_name_zh=row.insurer.name_zh,
        state="paused" if row.lane.paused_at is not None else health.state,
        paused_at=row.lane.paused_at,
        paused_reason=row.lane.paused_reason,
        answered=health.answered,
        doubtful=health.doubtful,
    )
