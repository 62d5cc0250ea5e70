"""Readers of the journal. Operators and workers only: role app has no right to read jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, QuerySet

from journal.models import Job, Lane

# Code of the lane, and of its worker group, for work that needs no network: every host may do it.
PLATFORM_GROUP = "platform"


@dataclass(frozen=True, slots=True)
class Liveness:
    """How late the work is, from the database alone. `oldest_due_seconds` is 0 when nothing is due."""

    due: int
    oldest_due_seconds: float
    parked: int
    without_handler: int


def liveness(*, now: datetime, kinds: set[str]) -> Liveness:
    """Age of the oldest due job that this installation has a handler for, and what waits otherwise."""
    waiting = Job.objects.filter(parked_at__isnull=True, run_at__lte=now)
    due = waiting.filter(kind__in=kinds).aggregate(count=Count("id"), oldest=Min("run_at"))
    age = (now - due["oldest"]) if due["oldest"] else timedelta(0)
    return Liveness(
        due=due["count"],
        oldest_due_seconds=age.total_seconds(),
        parked=Job.objects.filter(parked_at__isnull=False).count(),
        without_handler=waiting.exclude(kind__in=kinds).count(),
    )


def lanes_of_group(*, group_code: str | None) -> QuerySet[Lane]:
    """The lanes that a worker of `group_code` drains; all lanes for None (the sweeper)."""
    lanes = Lane.objects.select_related("group").order_by("pk")
    return lanes if group_code is None else lanes.filter(group__code=group_code)


def platform_lane() -> int:
    """Primary key of the lane for work that needs no network. A migration made it. Raises Lane.DoesNotExist."""
    return lanes_of_group(group_code=PLATFORM_GROUP).values_list("pk", flat=True)[:1].get()


def jobs_parked() -> QuerySet[Job]:
    return Job.objects.filter(parked_at__isnull=False).select_related("lane").order_by("parked_at")
