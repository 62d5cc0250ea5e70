"""Handler of the pre-review's job kind: local work, one claim after the other in the commit that claims the job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.faults import fault_told
from journal.handlers import ClaimedJob, Disposition, Done, Parked
from prereview.services.take import claim_take


class TakeHandler:
    """`prereview.take`: a claim was filed, came back with materials, or was reopened: the rules run over it."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        for job in jobs:
            claim_take(claim_id=job.subject_id, now=now, trace_id=job.trace_id)
        return [Done(job) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        """Nothing is decided by a fault: the claim waits in the queue for a person, the job for an operator."""
        return Parked(job, f"the rules could not run: {fault_told(error)}")
