"""`notices.send`: the journal's phases around one message that leaves the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from core.faults import fault_told
from journal.handlers import ClaimedJob, Disposition, Done, Later, Outcome, Parked, Work
from notices.senders import Message, message_send
from notices.services.deliveries import (
    SEND,
    Sent,
    deliveries_arm,
    deliveries_conclude,
    delivery_cannot_be_built,
)

WITHIN_SECONDS = 30.0
# Longer than any door takes: whoever finds the job then sends again under the same reference.
GUARD_SECONDS = 120.0


class SendHandler:
    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        armed = deliveries_arm(delivery_ids=[job.subject_id for job in jobs], now=now)
        guard_at = now + timedelta(seconds=GUARD_SECONDS)
        return [
            Work(job, armed[job.subject_id], SEND, guard_at, monotonic_now + WITHIN_SECONDS)
            if job.subject_id in armed
            else Done(job)
            for job in jobs
        ]

    async def perform(self, work: Work) -> str:
        message: Message = work.payload
        return await asyncio.to_thread(message_send, message)

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        results = [
            Sent(outcome.work.job.subject_id, provider_no=outcome.result or "", error=outcome.error)
            for outcome in outcomes
        ]
        again = deliveries_conclude(results=results, now=now)
        return [_once_more(outcome.work.job, again[outcome.work.job.subject_id]) for outcome in outcomes]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        delivery_cannot_be_built(delivery_id=job.subject_id)
        return Done(job)

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        return Parked(outcome.work.job, f"outcome could not be concluded: {fault_told(error)}")

    async def close(self) -> None:
        """Nothing is kept open between messages."""


def _once_more(job: ClaimedJob, again_at: datetime | None) -> Disposition:
    return Done(job) if again_at is None else Later(job, again_at)
