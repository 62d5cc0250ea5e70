"""`notices.tell`: an entry of a claim's timeline becomes notices to whom it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from claims.selectors.claims import materials_requests_of
from claims.selectors.timeline import event_by_subject
from claims.states import Audience
from core.faults import fault_told
from journal.handlers import ClaimedJob, Disposition, Done, Parked
from notices.services import notice_offer
from patients.selectors.standing import readers_of

if TYPE_CHECKING:
    from claims.models import ClaimEvent


class TellHandler:
    """Everything in the commit that claims the job: told once, or not at all."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        for job in jobs:
            event = event_by_subject(subject_id=job.subject_id)
            if event is not None and Audience.PATIENT in event.audience:
                _tell(event, now=now, trace_id=job.trace_id)
        return [Done(job) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        return Parked(job, f"nobody could be told: {fault_told(error)}")


def _tell(event: ClaimEvent, *, now: datetime, trace_id: str) -> None:
    claim = event.claim
    values: dict[str, object] = {"claim_no": claim.claim_no}
    if event.kind == "materials.requested":
        request = next(iter(materials_requests_of(claim=claim)), None)
        if request is not None:
            values["answer_by"] = request.answer_by
    for person_id in readers_of(person_id=claim.person_id, now=now):
        notice_offer(
            person_id=person_id,
            kind=event.kind,
            cause=f"claim-event:{event.pk}",
            subject=f"claim:{claim.pk}",
            values=values,
            now=now,
            trace_id=trace_id,
        )
