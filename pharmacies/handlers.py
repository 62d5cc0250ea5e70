"""Handlers of the pharmacies' job kinds: thin shells that put the journal's phases onto the services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.faults import fault_told
from journal.handlers import ClaimedJob, Disposition, Done, Later, Parked
from pharmacies.services.basic import basic_follow


class BasicFollowHandler:
    """`pharmacies.basic_follow`: what job A has proven of a counter's wish, looked for until it has ended."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        again = basic_follow(settlement_ids=[job.subject_id for job in jobs], now=now)
        return [Later(job, again[job.subject_id]) if job.subject_id in again else Done(job) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        return Parked(job, f"job A could not be followed: {fault_told(error)}")
