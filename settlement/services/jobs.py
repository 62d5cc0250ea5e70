"""Work that settlement leaves for later, written in the same commit as what causes it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from journal.selectors import platform_lane
from journal.services import JobDraft, jobs_ensure

CLAIM_MOVED: Final = "settlement.claim_moved"
ORDER_MOVED: Final = "settlement.order_moved"


def claim_look(*, claim_id: UUID, organisation_id: int, now: datetime, trace_id: str) -> None:
    """Somebody looks at what the claim's money should be now: `claim_follow`, once however many ask."""
    draft = JobDraft(
        kind=CLAIM_MOVED,
        lane_id=platform_lane(),
        organisation_id=organisation_id,
        subject_id=claim_id,
        run_at=now,
        trace_id=trace_id,
    )
    jobs_ensure(drafts=[draft], now=now)
