"""Handlers of settlement's job kinds for local work, one after the other in the commit that claims the job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.faults import fault_told
from journal.handlers import ClaimedJob, Disposition, Done, Parked
from settlement.services.follow import claim_follow, order_follow


class ClaimMovedHandler:
    """`settlement.claim_moved`: the review has said something, or money has moved: what should be the claim's now?"""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        for job in jobs:
            claim_follow(claim_id=job.subject_id, now=now, trace_id=job.trace_id)
        return [Done(job) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        """Nothing moved: the money stands as it stood, an operator looks."""
        return Parked(job, f"the claim's money could not be brought to its state: {fault_told(error)}")


class OrderMovedHandler:
    """`settlement.order_moved`: an order has ended or moved on by itself; its claim's money follows."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        for job in jobs:
            order_follow(order_id=job.subject_id, now=now, trace_id=job.trace_id)
        return [Done(job) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        """Nothing moved: goods and money stand as they stood, an operator looks."""
        return Parked(job, f"the order's money could not be brought to its state: {fault_told(error)}")
