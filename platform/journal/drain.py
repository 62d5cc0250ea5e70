"""One turn of the database thread: take what is due and arm it, or conclude what came back. Each is one commit.

A batch that raises is done again row by row in savepoints, so that one poisoned row never holds up its neighbours.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db import OperationalError, connection, transaction

from core.clock import database_now
from core.faults import database_lost, fault_told
from journal.handlers import ClaimedJob, Disposition, Later, NetworkHandler, Outcome, Parked, Work, handlers
from journal.selectors import lanes_of_group
from journal.services import jobs_arm, jobs_claim, jobs_lock, jobs_settle

logger = logging.getLogger(__name__)
Prepare = Callable[[str, Sequence[ClaimedJob], datetime, float], Sequence[Work | Disposition]]
Conclude = Callable[[str, Sequence[Outcome], list[Outcome], datetime], Sequence[Disposition]]
AGAIN = timedelta(seconds=1)


@dataclass
class Turn:
    claimed: int = 0
    works: list[Work] = field(default_factory=list)
    dispositions: list[Disposition] = field(default_factory=list)

    def add(self, items: Sequence[Work | Disposition]) -> None:
        for item in items:
            (self.works if isinstance(item, Work) else self.dispositions).append(item)  # type: ignore[arg-type]


def jobs_take(*, free_slots: dict[int, int], overdue: timedelta) -> Turn:
    """Claim due jobs and, in one commit, finish the local ones and arm the rest; returns what to perform.

    Raises the database's error when the commit is not confirmed: then nothing is armed and nothing may be sent.
    """
    try:
        return _take(free_slots, overdue, prepare=_prepared)
    except Exception as error:
        if database_lost(error):
            raise
        logger.warning("a batch of jobs goes row by row: %s", fault_told(error))
        return _take(free_slots, overdue, prepare=_prepared_one_by_one)


def _take(free_slots: dict[int, int], overdue: timedelta, *, prepare: Prepare) -> Turn:
    monotonic_now = time.monotonic()
    with transaction.atomic():
        now = database_now()
        jobs = jobs_claim(free_slots=free_slots, kinds=handlers(), due_before=now - overdue)
        turn = Turn(claimed=len(jobs))
        for kind, group in _by_kind(jobs).items():
            turn.add(prepare(kind, group, now, monotonic_now))
        jobs_arm(turn.works)
        jobs_settle(turn.dispositions, now=now, held=True)
    return turn


def _prepared(
    kind: str, jobs: Sequence[ClaimedJob], now: datetime, monotonic_now: float
) -> Sequence[Work | Disposition]:
    handler = handlers()[kind]
    if hasattr(handler, "prepare"):
        return handler.prepare(jobs, now=now, monotonic_now=monotonic_now)
    return handler.conclude_jobs(jobs, now=now)


def _prepared_one_by_one(
    kind: str, jobs: Sequence[ClaimedJob], now: datetime, monotonic_now: float
) -> Sequence[Work | Disposition]:
    _wait_briefly()
    results: list[Work | Disposition] = []
    for job in jobs:
        try:
            with transaction.atomic():
                results += _prepared(kind, [job], now, monotonic_now)
        except Exception as error:
            if database_lost(error):
                raise
            logger.error("%s: job %s cannot be prepared: %s", kind, job.id, fault_told(error))
            # Somebody holds the row: that is no fault of the job's, it waits a moment.
            held = isinstance(error, OperationalError)
            results.append(Later(job, now + AGAIN) if held else _job_failed(kind, job, error, now=now))
    return results


def _job_failed(kind: str, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
    """The least that is true, or, where not even that can be written, a parked job: its neighbours go on."""
    try:
        with transaction.atomic():
            return handlers()[kind].job_failed(job, error, now=now)
    except Exception as worse:
        if database_lost(worse):
            raise
        logger.error("%s: job %s is parked: %s", kind, job.id, fault_told(worse))
        return Parked(job, f"{fault_told(error)}; then {fault_told(worse)}"[:500])


def outcomes_conclude(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Write what the outcomes mean, in one commit; returns those whose rows somebody else holds: try them again.

    Raises the database's error when the commit is not confirmed: then all of them are to be tried again.
    """
    try:
        return _conclude(outcomes, conclude=_concluded)
    except Exception as error:
        if database_lost(error):
            raise
        logger.warning("a batch of %d outcomes goes one by one: %s", len(outcomes), fault_told(error))
        return _conclude(outcomes, conclude=_concluded_one_by_one)


def _conclude(outcomes: Sequence[Outcome], *, conclude: Conclude) -> list[Outcome]:
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.work.job.kind].append(outcome)
    again: list[Outcome] = []
    with transaction.atomic():
        jobs_lock([outcome.work.job for outcome in outcomes])
        now = database_now()
        dispositions: list[Disposition] = []
        for kind, group in by_kind.items():
            dispositions += conclude(kind, group, again, now)
        jobs_settle(dispositions, now=now)
    return again


def _concluded(kind: str, outcomes: Sequence[Outcome], again: list[Outcome], now: datetime) -> Sequence[Disposition]:
    # Only network handlers bring outcomes.
    return cast(NetworkHandler, handlers()[kind]).conclude(outcomes, now=now)


def _concluded_one_by_one(
    kind: str, outcomes: Sequence[Outcome], again: list[Outcome], now: datetime
) -> Sequence[Disposition]:
    _wait_briefly()
    results: list[Disposition] = []
    for outcome in outcomes:
        try:
            with transaction.atomic():
                results += _concluded(kind, [outcome], again, now)
        except Exception as error:
            if database_lost(error):
                raise
            logger.error("%s: job %s cannot be concluded: %s", kind, outcome.work.job.id, fault_told(error))
            if isinstance(error, OperationalError):
                again.append(outcome)
            else:
                results += _outcome_failed(kind, outcome, error, now=now)
    return results


def _outcome_failed(kind: str, outcome: Outcome, error: Exception, *, now: datetime) -> Sequence[Disposition]:
    """The least that is true; where not even that can be written, the job stays the guard of the act."""
    try:
        with transaction.atomic():
            return [cast(NetworkHandler, handlers()[kind]).outcome_failed(outcome, error, now=now)]
    except Exception as worse:
        if database_lost(worse):
            raise
        logger.error("%s: job %s is left to its guard: %s", kind, outcome.work.job.id, fault_told(worse))
        return []


def _wait_briefly() -> None:
    """Row by row, a row that somebody holds must not keep the others waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '500ms'")


def _by_kind(jobs: Sequence[ClaimedJob]) -> dict[str, list[ClaimedJob]]:
    groups: dict[str, list[ClaimedJob]] = defaultdict(list)
    for job in jobs:
        groups[job.kind].append(job)
    return groups


class LaneTable:
    """The lanes of a group with this process's share of each cap, re-read every few seconds."""

    def __init__(self, *, group_code: str | None, fresh_seconds: float) -> None:
        self.group_code = group_code
        self.fresh_seconds = fresh_seconds
        self.shares: dict[int, int] = {}
        self.read_at = float("-inf")

    def free_slots(self, in_flight: Counter[int], *, batch: int) -> dict[int, int]:
        """Lane id -> how many more calls this process may start, for lanes where that is at least one."""
        if time.monotonic() - self.read_at > self.fresh_seconds:
            # The sweeper counts as one more child: it must find room even where workers hold all they may.
            self.shares = {
                lane.pk: max(1, lane.cap_in_flight // (lane.group.children + 1))
                for lane in lanes_of_group(group_code=self.group_code)
            }
            self.read_at = time.monotonic()
        free = {lane_id: min(batch, share - in_flight[lane_id]) for lane_id, share in self.shares.items()}
        return {lane_id: slots for lane_id, slots in free.items() if slots > 0}
