"""What turned out at the counter: another payer's real share, and that the goods have left it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from claims.models import Claim, ClaimLine
from claims.payable import AmountsContradict
from claims.services.benefits import claim_benefits_hold, claim_benefits_use
from claims.services.desk import PARTIES, claim_lock, event_write, state_check, write
from claims.states import Audience, ClaimState

S = ClaimState
CONFIRMED = (S.CONFIRMED, S.PARTLY_CONFIRMED)
# Recommended at least: before that nothing is at any counter.
AT_THE_COUNTER = (S.PREREVIEW_PASSED, S.IN_CONFIRMATION, S.INVESTIGATION, S.MATERIALS_REQUESTED, *CONFIRMED)
WRITTEN = ("basic_minor", "payable_minor", "deductible_minor", "recommended_minor", "confirmed_minor", "benefit_round")


@transaction.atomic
def claim_basic_fact(*, claim_id: UUID, basic_minor: int, by: str, now: datetime, trace_id: str) -> Claim:
    """Basic insurance has paid `basic_minor` for the claim's goods: the arithmetic is done anew, the benefits follow.

    Nobody is bound to more than he said: what was recommended or confirmed becomes less with the payable, never more.
    The same fact again changes nothing. Raises NotFound, ClaimStateRefuses, AmountsContradict.
    """
    claim = claim_lock(claim_id=claim_id)
    state_check(claim, *AT_THE_COUNTER, act="claim.basic_fact")
    if claim.basic_minor == basic_minor:
        return claim
    _spread(claim, basic_minor)
    claim.basic_minor = basic_minor
    claim_benefits_hold(claim=claim, by=by, now=now, again=True)
    if claim.recommended_minor is not None:
        claim.recommended_minor = min(claim.recommended_minor, claim.payable_minor)
    if claim.confirmed_minor is not None:
        claim.confirmed_minor = min(claim.confirmed_minor, claim.payable_minor)
    if claim.state in CONFIRMED:
        claim_benefits_use(claim=claim, by=by, now=now)
    write(claim, WRITTEN, by=by, now=now, trace_id=trace_id)
    seen_by = (*PARTIES, Audience.PHARMACY)
    event_write(claim, "basic.settled", audience=seen_by, by=by, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def claim_handed_over(*, claim_id: UUID, by: str, now: datetime, trace_id: str) -> Claim:
    """The goods have left the counter: from now on the patient cannot withdraw. Again changes nothing. Raises NotFound,
    ClaimStateRefuses."""
    claim = claim_lock(claim_id=claim_id)
    state_check(claim, *AT_THE_COUNTER, act="claim.handed_over")
    if claim.handed_over_at is None:
        claim.handed_over_at = now
        write(claim, ["handed_over_at"], by=by, now=now, trace_id=trace_id)
        event_write(
            claim, "goods.handed_over", audience=(*PARTIES, Audience.PHARMACY), by=by, now=now, trace_id=trace_id
        )
    return claim


@transaction.atomic
def claim_came_back(*, claim_id: UUID, by: str, now: datetime, trace_id: str) -> Claim:
    """The goods are back, or never left: the hand-over was undone or returned. Raises NotFound."""
    claim = claim_lock(claim_id=claim_id)
    if claim.handed_over_at is not None:
        claim.handed_over_at = None
        write(claim, ["handed_over_at"], by=by, now=now, trace_id=trace_id)
        event_write(claim, "goods.came_back", audience=(*PARTIES, Audience.PHARMACY), by=by, now=now, trace_id=trace_id)
    return claim


def _spread(claim: Claim, basic_minor: int) -> None:
    """Over the lines by their amounts, whole minor units: the first lines take the units that do not divide."""
    rows = list(claim.lines.order_by("line_no"))
    room = [row.amount_minor - row.other_minor - row.charity_minor for row in rows]
    if not 0 <= basic_minor <= sum(room) - claim.discount_minor:
        raise AmountsContradict(
            place="basic_minor",
            fault=f"{basic_minor} is more than the price without the other payers",
            fault_zh="超过扣除其他支付方后的价格",
        )
    parts = shares_of(basic_minor, room)
    for row, part in zip(rows, parts, strict=True):
        row.basic_minor = part
    ClaimLine.objects.bulk_update(rows, ["basic_minor"])


def shares_of(whole_minor: int, weights: Sequence[int]) -> list[int]:
    """`whole_minor` in parts by `weights`: they sum to the whole, and none is above its weight when the whole is not.

    Largest remainder first; of equal ones the earlier.
    """
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    parts = [whole_minor * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: (-(whole_minor * weights[at] % total), at))
    for at in order[: whole_minor - sum(parts)]:
        parts[at] += 1
    return parts
