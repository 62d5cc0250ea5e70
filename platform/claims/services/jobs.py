"""Work for the floors above, written in the same commit as the state that needs it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from claims.models import Claim, ClaimEvent
from journal.selectors import platform_lane
from journal.services import JobDraft, jobs_ensure

TAKE: Final = "prereview.take"
PUSH: Final = "insurers.claim_push"
TELL: Final = "notices.tell"
CLAIM_MOVED: Final = "settlement.claim_moved"
# What may change whose money the claim is.
MONEY_FOLLOWS: Final = frozenset(
    {
        *("prereview.passed", "prereview.declined", "claim.withdrawn", "claim.reopened", "claim.closed"),
        *("confirmation.confirmed", "confirmation.partly_confirmed", "confirmation.declined"),
        *("appeal.filed", "appeal.upheld", "appeal.won", "goods.came_back"),
    }
)
# What somebody outside is told of. Each has its template in notices.
TOLD: Final = frozenset(
    {
        *("claim.submitted", "claim.withdrawn", "claim.reopened", "claim.closed"),
        *("materials.requested", "materials.answered", "materials.overdue"),
        *("prereview.passed", "prereview.declined"),
        *("confirmation.confirmed", "confirmation.partly_confirmed", "confirmation.declined"),
        *("appeal.filed", "appeal.upheld", "appeal.won"),
        *("paper.due", "paper.received", "letter.sent"),
    }
)


def job_for(
    *, kind: str, claim: Claim, now: datetime, subject_id: UUID | None = None, lane_id: int | None = None
) -> JobDraft:
    """A job of `kind` about the claim (or `subject_id` of it), due at once on the platform's own lane."""
    return JobDraft(
        kind=kind,
        lane_id=platform_lane() if lane_id is None else lane_id,
        organisation_id=claim.organisation_id,
        subject_id=subject_id or claim.pk,
        run_at=now,
        trace_id=claim.trace_id,
    )


def claim_hand_on(*, kind: str, claim: Claim, now: datetime) -> None:
    """The next floor's turn: a job of `kind` is there and due, whether or not an older one was parked."""
    jobs_ensure(drafts=[job_for(kind=kind, claim=claim, now=now)], now=now)


def event_tell(*, event: ClaimEvent, claim: Claim, now: datetime, hand_on: str = "") -> None:
    """One `notices.tell` per entry. Its subject is `event_subject`: claims.selectors.timeline finds it again.

    `hand_on`: the kind of job with which the next floor's turn comes, written along with it; and so is settlement's
    where the entry may move the claim's money.
    """
    kinds = [*([hand_on] if hand_on else []), *([CLAIM_MOVED] if event.kind in MONEY_FOLLOWS else [])]
    lane_id = platform_lane() if kinds or event.kind in TOLD else 0
    drafts = [job_for(kind=kind, claim=claim, now=now, lane_id=lane_id) for kind in kinds]
    if event.kind in TOLD:
        subject_id = event_subject(event.pk)
        drafts.append(job_for(kind=TELL, claim=claim, now=now, subject_id=subject_id, lane_id=lane_id))
    jobs_ensure(drafts=drafts, now=now)


def event_subject(event_id: int) -> UUID:
    """Entries are counted, jobs have identifiers: the count written as one."""
    return UUID(int=event_id)
