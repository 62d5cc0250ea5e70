"""Statutory clocks of a claim. Days are whole days of the product's calendar; the patient's turn does not count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from claims.models import Claim, ClaimClock
from claims.states import ClockKind
from registry.selectors.products import product_day

# The patient's own deadlines run on while it is his turn.
PAUSING = (ClockKind.DECIDE, ClockKind.PAY)


def day_end(*, claim: Claim, day: date) -> datetime:
    """The first moment after `day` in the product's time zone."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(claim.product.time_zone))


def clock_start(*, claim: Claim, kind: ClockKind, days: int, now: datetime) -> ClaimClock:
    """Due at the end of the `days`-th day after today. Started again in one episode, it counts anew."""
    return clock_start_until(
        claim=claim, kind=kind, day=product_day(product=claim.product, now=now) + timedelta(days=days), now=now
    )


def clock_start_until(*, claim: Claim, kind: ClockKind, day: date, now: datetime) -> ClaimClock:
    due_at = day_end(claim=claim, day=day)
    clock = ClaimClock(claim=claim, kind=kind, episode=claim.episode, started_at=now, due_at=due_at)
    fields = ("started_at", "due_at", "paused_at", "paused_seconds", "stopped_at")
    ClaimClock.objects.bulk_create(
        [clock], update_conflicts=True, unique_fields=("claim", "kind", "episode"), update_fields=fields
    )
    return clock


def clock_extend(*, claim: Claim, kind: ClockKind, days: int) -> None:
    """The clock has `days` from its start instead, and keeps its pauses; it is never made shorter."""
    for clock in _running(claim, (kind,)):
        start = product_day(product=claim.product, now=clock.started_at)
        due = day_end(claim=claim, day=start + timedelta(days=days)) + timedelta(seconds=clock.paused_seconds)
        clock.due_at = max(clock.due_at, due)
        clock.save(update_fields=["due_at"])


def clocks_pause(*, claim: Claim, now: datetime) -> None:
    """The patient's turn begins."""
    for clock in _running(claim, PAUSING):
        if clock.paused_at is None:
            clock.paused_at = now
            clock.save(update_fields=["paused_at"])


def clocks_resume(*, claim: Claim, now: datetime) -> None:
    """The patient's turn is over: `due_at` moves on by the length of the pause."""
    for clock in _running(claim, PAUSING):
        if clock.paused_at is not None:
            pause = max(timedelta(), now - clock.paused_at)
            clock.due_at += pause
            clock.paused_seconds += int(pause.total_seconds())
            clock.paused_at = None
            clock.save(update_fields=["due_at", "paused_seconds", "paused_at"])


def clocks_stop(*, claim: Claim, kinds: Iterable[ClockKind] = tuple(ClockKind), now: datetime) -> None:
    """What they measured has happened, or does not matter any more."""
    for clock in _running(claim, tuple(kinds)):
        clock.stopped_at = now
        clock.save(update_fields=["stopped_at"])


def _running(claim: Claim, kinds: Iterable[ClockKind]) -> list[ClaimClock]:
    found = claim.clocks.select_for_update().filter(episode=claim.episode, stopped_at__isnull=True, kind__in=kinds)
    return list(found.order_by("pk"))
