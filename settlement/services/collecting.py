"""The insurer's money for an advance: collected, matched wrongly and receivable again, or taken back."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from core.row_security import EVERYTHING, seen_by
from settlement.models import AdvanceMove
from settlement.services.jobs import claim_look
from settlement.services.moves import MoveDraft, advance_lock, move_write
from settlement.states import AdvanceMoveKind

K = AdvanceMoveKind


def advance_collect(
    *,
    advance_id: UUID,
    amount_minor: int,
    cause_id: UUID,
    value_date: date | None,
    by: str,
    now: datetime,
    trace_id: str,
    against: str = "cash",
) -> AdvanceMove:
    """The insurer's money for it came: Dr `against` (cash; suspense, prefund where it lay before) / Cr receivable.

    `cause_id` names the allocation: the same again changes nothing. Raises NotFound, AdvanceTooSmall,
    AdvanceMoveDiffers.
    """
    return _moved(
        advance_id,
        MoveDraft(
            kind=K.COLLECT,
            amount_minor=amount_minor,
            cause="bank_entry",
            cause_id=cause_id,
            against=against,
            value_date=value_date,
        ),
        by=by,
        now=now,
        trace_id=trace_id,
    )


def advance_uncollect(
    *,
    advance_id: UUID,
    amount_minor: int,
    cause_id: UUID,
    reason: str,
    value_date: date | None,
    by: str,
    now: datetime,
    trace_id: str,
    against: str = "cash",
) -> AdvanceMove:
    """Matched wrongly, or the bank took it back: receivable again. `cause_id` names the undoing.

    Raises NotFound, AdvanceTooSmall, AdvanceMoveDiffers.
    """
    return _moved(
        advance_id,
        MoveDraft(
            kind=K.UNCOLLECT,
            amount_minor=amount_minor,
            cause="bank_entry",
            cause_id=cause_id,
            against=against,
            reason=reason,
            value_date=value_date,
        ),
        by=by,
        now=now,
        trace_id=trace_id,
    )


def advance_claw_back(
    *,
    advance_id: UUID,
    amount_minor: int,
    cause_id: UUID,
    reason: str,
    value_date: date | None,
    by: str,
    now: datetime,
    trace_id: str,
    against: str = "cash",
) -> AdvanceMove:
    """The insurer took back what it had paid (netted, or asked and paid back): it is asked for it again.

    Raises NotFound, AdvanceTooSmall, AdvanceMoveDiffers.
    """
    return _moved(
        advance_id,
        MoveDraft(
            kind=K.CLAW_BACK,
            amount_minor=amount_minor,
            cause="bank_entry",
            cause_id=cause_id,
            against=against,
            reason=reason,
            value_date=value_date,
        ),
        by=by,
        now=now,
        trace_id=trace_id,
    )


def _moved(advance_id: UUID, draft: MoveDraft, *, by: str, now: datetime, trace_id: str) -> AdvanceMove:
    with seen_by(EVERYTHING):
        advance = advance_lock(advance_id)
        move, fresh = move_write(advance=advance, draft=draft, by=by, now=now, trace_id=trace_id)
        if fresh:
            claim_look(claim_id=advance.claim_id, organisation_id=advance.organisation_id, now=now, trace_id=trace_id)
    return move
