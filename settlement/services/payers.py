"""The payers before us at the counter: basic insurance settles first, and is undone first when goods come back.

Nobody guesses: until job A has proven what happened no goods leave and no money of ours moves.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from claims.services.facts import claim_basic_fact
from core.row_security import EVERYTHING, seen_by
from pharmacies.selectors.goods import handovers_pending, open_minor, returns_waiting
from pharmacies.services.basic import HOLDS, basic_of
from pharmacies.services.handovers import handover_abort
from pharmacies.states import BasicPurpose
from settlement.services.process import BY, handover_pay, return_end

if TYPE_CHECKING:
    from pharmacies.models import HandOver, Order


def payers_follow(*, order: Order, now: datetime, trace_id: str) -> None:
    """Go on with whatever has waited for basic insurance and is answered. Goes by what stands: again changes nothing.

    Settled: our part is reckoned on its fact, and the goods may go. Refused or never held: the hand-over ends, the code
    opens again. Undone: the return goes on with our own money. Needs an open transaction. Raises what handover_pay and
    return_end raise.
    """
    with seen_by(EVERYTHING):
        for handover in handovers_pending(order_id=order.pk):
            asked = handover.basic_settlements.filter(purpose=BasicPurpose.SETTLE).order_by("-number").first()
            if asked is None or asked.verdict == "":
                continue
            if asked.verdict in HOLDS:
                _fact(order, handover, now=now, trace_id=trace_id)
                handover_pay(handover_id=handover.pk, by=BY, now=now, trace_id=trace_id)
            else:
                handover_abort(handover_id=handover.pk, reason="basic_refused", by=BY, now=now, trace_id=trace_id)
        for row in returns_waiting(order_id=order.pk):
            if basic_of(handover=row.handover) is None:
                return_end(return_id=row.pk, by=BY, now=now, trace_id=trace_id)


def _fact(order: Order, handover: HandOver, *, now: datetime, trace_id: str) -> None:
    """What basic insurance has paid for the claim so far; of what is still to come, the part that was said."""
    claim = order.claim
    settled = [basic_of(handover=one) for one in order.handovers.all()]
    paid = sum(one.fund_minor or 0 for one in settled if one is not None and one.verdict in HOLDS)
    rest = open_minor(order=order) - handover.amount_minor
    if rest > 0 and not handover.give_up_rest:
        paid += claim.basic_minor * rest // order.total_minor
    claim_basic_fact(claim_id=claim.pk, basic_minor=paid, by=BY, now=now, trace_id=trace_id)
