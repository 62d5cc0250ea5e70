"""One turn of the database thread: take what is due and arm it, or conclude what came back. Each is one commit.

A batch that raises is done again row by row in savepoints, so that one poisoned row never holds up its neighbours.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db import InterfaceError, OperationalError, transaction

from core.clock import database_now
from journal.handlers import ClaimedJob, Disposition, NetworkHandler, Outcome, Parked, Work, handlers
from journal.selectors import lanes_of_group
from journal.services import jobs_arm, jobs_claim, jobs_settle

logger = logging.getLogger(__name__)


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
    monotonic_now = time.monotonic()
    with transaction.atomic():
        now = database_now()
        jobs = jobs_claim(free_slots=free_slots, kinds=handlers(), due_before=now - overdue)
        turn = Turn(claimed=len(jobs))
        for kind, group in _by_kind(jobs).items():
            turn.add(_prepared(kind, group, now=now, monotonic_now=monotonic_now))
        jobs_arm(turn.works)
        jobs_settle(turn.dispositions, now=now, held=True)
    return turn


def _prepared(kind: str, jobs: list[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
    handler = handlers()[kind]

    def phase(batch: Sequence[ClaimedJob]) -> Sequence[Work | Disposition]:
        if hasattr(handler, "prepare"):
            return handler.prepare(batch, now=now, monotonic_now=monotonic_now)
        return handler.conclude_jobs(batch, now=now)

    try:
        with transaction.atomic():
            return list(phase(jobs))
    except (OperationalError, InterfaceError):
        raise
    except Exception as batch_error:
        logger.warning("%s: batch of %d goes row by row: %s", kind, len(jobs), batch_error)
    results: list[Work | Disposition] = []
    for job in jobs:
        try:
            with transaction.atomic():
                results += phase([job])
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("%s: job %s cannot be prepared", kind, job.id)
            results.append(_job_failed(kind, job, error, now=now))
    return results


def _job_failed(kind: str, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
    """The least that is true, or, where not even that can be written, a parked job: its neighbours go on."""
    try:
        with transaction.atomic():
            return handlers()[kind].job_failed(job, error, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as worse:
        logger.exception("%s: job %s is parked", kind, job.id)
        return Parked(job, f"{type(error).__name__}: {error}; then {type(worse).__name__}: {worse}"[:500])


def outcomes_conclude(outcomes: Sequence[Outcome]) -> None:
    """Write what the outcomes mean, in one commit; raises the database's error when it is not confirmed."""
    with transaction.atomic():
        now = database_now()
        dispositions: list[Disposition] = []
        by_kind: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            by_kind[outcome.work.job.kind].append(outcome)
        for kind, group in by_kind.items():
            dispositions += _concluded(kind, group, now=now)
        jobs_settle(dispositions, now=now)


def _concluded(kind: str, outcomes: list[Outcome], *, now: datetime) -> list[Disposition]:
    # Only network handlers bring outcomes.
    handler = cast(NetworkHandler, handlers()[kind])
    try:
        with transaction.atomic():
            return list(handler.conclude(outcomes, now=now))
    except (OperationalError, InterfaceError):
        raise
    except Exception as batch_error:
        logger.warning("%s: batch of %d outcomes goes one by one: %s", kind, len(outcomes), batch_error)
    results: list[Disposition] = []
    for outcome in outcomes:
        try:
            with transaction.atomic():
                results += handler.conclude([outcome], now=now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("%s: outcome of job %s cannot be concluded", kind, outcome.work.job.id)
            try:
                with transaction.atomic():
                    results.append(handler.outcome_failed(outcome, error, now=now))
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                # Its job is still the guard of the act and comes due after the deadline; the neighbours go on.
                logger.exception("%s: outcome of job %s is left to its guard", kind, outcome.work.job.id)
    return results


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
