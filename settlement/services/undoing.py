"""Goods that came back: what was drawn for their hand-over is undone, from wherever it stands by now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from settlement.models import AdvanceMove, SettlementLeg
from settlement.selectors.contracts import contract_on
from settlement.services.legs import leg_reverse
from settlement.services.moves import advance_lock
from settlement.services.recourse import Act, give_back, legs_fit, recovery_to_unconfirmed
from settlement.states import AdvanceMoveKind, LegKind, LegState

if TYPE_CHECKING:
    from claims.models import Claim

K = AdvanceMoveKind
OWED = (LegKind.SECOND, LegKind.OWN_SHARE)


def money_back(*, claim: Claim, handover_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> int:
    """Undo what was drawn for the hand-over, minor units; 0 when nothing was, or it is undone already.

    Not paid out yet: the chain is owed it no more. Paid out: the chain owes it, set off on its statement. What the
    insurer had paid for it is owed back to the insurer. Of the locked claim; raises LegStateRefuses while the bank may
    be paying.
    """
    drawn = AdvanceMove.objects.filter(kind=K.DRAW, cause_id=handover_id, advance__claim_id=claim.pk).first()
    legs = {leg.kind: leg for leg in SettlementLeg.objects.filter(kind__in=OWED, cause_id=handover_id)}
    if all(leg.state == LegState.REVERSED for leg in legs.values()):
        return 0
    for leg in legs.values():
        leg_reverse(leg_id=leg.pk, reason=reason, by=by, now=now, trace_id=trace_id)
    if drawn is None:
        return 0
    advance = advance_lock(drawn.advance_id)
    terms = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms
    act = Act(claim, advance, terms, "return", handover_id, by, now, trace_id)
    paid = legs[LegKind.SECOND].settled_minor > 0
    against = "recovery:pharmacy" if paid else f"payable:p{legs[LegKind.SECOND].organisation_id}"
    _returned(act, drawn.amount_minor, against)
    return drawn.amount_minor


def _returned(act: Act, amount_minor: int, against: str) -> None:
    """From what nobody has confirmed first, then from what others bear, then from what the insurer owes or has paid."""
    advance = act.advance
    if advance.unconfirmed_minor < amount_minor and advance.in_recovery_minor:
        recovery_to_unconfirmed(act, "goods came back")
    missing = amount_minor - advance.unconfirmed_minor
    if missing > 0 and advance.written_off_minor:
        act.move(K.WRITE_BACK, min(missing, advance.written_off_minor))
        missing = amount_minor - advance.unconfirmed_minor
    if missing > 0 and advance.recovered_minor:
        give_back(act, min(missing, advance.recovered_minor))
    first = min(amount_minor, advance.unconfirmed_minor)
    if first:
        act.move(K.RETURN, first, against=against)
    rest = amount_minor - first
    if rest > advance.receivable_minor:
        owed_back = f"payable:i{act.claim.organisation_id}"
        act.move(K.UNCOLLECT, rest - advance.receivable_minor, against=owed_back, reason="goods came back")
    if rest:
        legs_fit(act, act.move(K.RETURN_RECEIVABLE, rest, against=against))
