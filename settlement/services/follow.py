"""What a claim's money should be now, and the steps that bring it there. Goes by what stands: run twice, it acts once.

claim recommended     -> money is held and a shop looked for, or the claim waits with its reason
a shop has taken it   -> held at the accepted price; the code opens when the mode lets it
claim or order ended  -> what is held is free again
reimbursement         -> the patient is paid on confirmation, or before it within the contract's limit
drawn, and decided    -> the insurer's, or whose the recourse table says (`recourse.py`)
all of it collected   -> the claim is closed
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from claims.services.desk import claim_lock
from claims.services.ends import claim_close
from claims.states import ClaimState, Stage
from core.errors import NotFound, Problem
from core.row_security import EVERYTHING, seen_by
from pharmacies.selectors.goods import code_live, handovers_pending, order_by_id, order_running
from pharmacies.services.codes import code_make_usable
from pharmacies.services.dispatch import NoShop, order_offer_on, order_open
from pharmacies.states import Handing, OrderState
from registry.states import ConfirmationMode
from settlement.models import Advance, AdvanceMove, AdvanceWaiting
from settlement.selectors.contracts import ContractMissing, contract_on
from settlement.services.advances import (
    WAITING,
    advance_draw,
    advance_hold,
    advance_latest,
    advance_release,
    advance_running,
    laid_out_minor,
    open_of,
)
from settlement.services.jobs import claim_look
from settlement.services.legs import PATIENTS, due_on, leg_write
from settlement.services.payers import payers_follow
from settlement.services.process import CONFIRMED, code_opens, order_give_up, order_hold, owed_minor
from settlement.services.recourse import BY, review_apply
from settlement.states import AdvanceMoveKind, AdvanceState, LegKind

if TYPE_CHECKING:
    from claims.models import Claim
    from pharmacies.models import Order

S = ClaimState
OVER = (S.WITHDRAWN, S.DECLINED, S.PREREVIEW_DECLINED, S.CLOSED)
O = OrderState  # noqa: E741
TAKEN = (O.ACCEPTED, O.READY)
# Recommended, and not ended: money is held for these until their goods leave.
WANTING = (S.PREREVIEW_PASSED, S.IN_CONFIRMATION, S.INVESTIGATION, S.MATERIALS_REQUESTED, *CONFIRMED)
RENEWED_BEFORE = timedelta(days=1)
LOOKED_AT_AGAIN = timedelta(seconds=60)


@transaction.atomic
def claim_follow(*, claim_id: UUID, now: datetime, trace_id: str) -> None:
    """Bring the claim's money to what it should be. What cannot be held yet waits with its reason; nothing is lost."""
    with seen_by(EVERYTHING):
        try:
            claim = claim_lock(claim_id=claim_id)
        except NotFound:
            return
        if claim.confirmation_mode == ConfirmationMode.REIMBURSE:
            _reimburse(claim, now=now, trace_id=trace_id)
        else:
            _lay_out(claim, now=now, trace_id=trace_id)
        advance = advance_latest(claim.pk)
        if advance is not None:
            review_apply(claim=claim, advance=advance, now=now, trace_id=trace_id)
            _close(claim, advance, now=now, trace_id=trace_id)


def order_follow(*, order_id: UUID, now: datetime, trace_id: str) -> None:
    """An order has moved without money's process, or a payer before us has answered: its claim's money follows."""
    with seen_by(EVERYTHING):
        order = order_by_id(order_id=order_id)
    if order is not None:
        with transaction.atomic():
            payers_follow(order=order, now=now, trace_id=trace_id)
        claim_follow(claim_id=order.claim_id, now=now, trace_id=trace_id)


def waiting_look(*, now: datetime, limit: int) -> int:
    """A chore: claims that wait for their money are looked at again, and holds that run out are renewed. How many."""
    with seen_by(EVERYTHING):
        rows = AdvanceWaiting.objects.filter(closed_at__isnull=True, looked_at__lte=now - LOOKED_AT_AGAIN)
        found = list(rows.order_by("looked_at").values_list("claim_id", "organisation_id")[:limit])
        ending = Advance.objects.filter(state=AdvanceState.HELD, held_until__lte=now + RENEWED_BEFORE)
        found += list(ending.order_by("held_until").values_list("claim_id", "organisation_id")[:limit])
        for claim_id, organisation_id in found:
            claim_look(claim_id=claim_id, organisation_id=organisation_id, now=now, trace_id=f"{claim_id}")
    return len(found)


def _lay_out(claim: Claim, *, now: datetime, trace_id: str) -> None:
    order, advance = order_running(claim_id=claim.pk), advance_latest(claim.pk)
    if claim.state in OVER:
        _given_up(claim, order, advance, now=now, trace_id=trace_id)
    elif claim.state not in WANTING or claim.stage != Stage.CONFIRMATION:
        return
    elif order is not None and order.state in TAKEN:
        _taken(claim, order, now=now, trace_id=trace_id)
    elif order is not None and (order.state == O.HANDED_OVER or order.state_reason == "not_fetched"):
        _waits_no_more(claim, now)
        _free(advance, order.state, now=now, trace_id=trace_id)
    elif not laid_out_minor(claim.pk) and owed_minor(claim):
        held = _hold(claim, owed_minor(claim), now=now, trace_id=trace_id)
        if held is not None and (order is None or order.state != O.OFFERED):
            _offer(claim, order, now=now, trace_id=trace_id)


def _given_up(claim: Claim, order: Order | None, advance: Advance | None, *, now: datetime, trace_id: str) -> None:
    """The claim has ended: nothing more is handed over for it. What is at the counter just now ends first."""
    _waits_no_more(claim, now)
    if order is not None and order.state != O.HANDED_OVER:
        if handovers_pending(order_id=order.pk):
            return
        order_give_up(order_id=order.pk, reason=claim.state, by=BY, now=now, trace_id=trace_id)
    else:
        _free(advance, claim.state, now=now, trace_id=trace_id)


def _taken(claim: Claim, order: Order, *, now: datetime, trace_id: str) -> None:
    """A shop has it: held at the fact of this moment, and the code opens once the mode lets it."""
    try:
        if advance_running(claim.pk) is not None:
            order_hold(claim, order, until=now, by=BY, now=now, trace_id=trace_id)
    except WAITING as problem:
        _waits(claim, problem, now)
        return
    _waits_no_more(claim, now)
    code = code_live(order_id=order.pk)
    if order.state == O.READY and code is not None and not code.usable and code_opens(claim):
        code_make_usable(order_id=order.pk, by=BY, now=now, trace_id=trace_id)


def _offer(claim: Claim, order: Order | None, *, now: datetime, trace_id: str) -> None:
    """To a shop, or on to the next one; without any the claim waits, and its money with it."""
    try:
        if order is None:
            order_open(claim_id=claim.pk, handing=Handing.PICK_UP, by=BY, now=now, trace_id=trace_id)
        else:
            order_offer_on(order_id=order.pk, by=BY, now=now, trace_id=trace_id)
    except NoShop as problem:
        _waits(claim, problem, now)


def _free(advance: Advance | None, reason: str, *, now: datetime, trace_id: str) -> None:
    if advance is not None and open_of(advance):
        advance_release(advance_id=advance.pk, reason=reason, by=BY, now=now, trace_id=trace_id)


def _hold(claim: Claim, minor: int, *, now: datetime, trace_id: str) -> Advance | None:
    """Hold it while no shop has taken the order, or say why not."""
    advance = advance_latest(claim.pk)
    try:
        terms = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms
        until = now + timedelta(days=terms.held_days)
        if advance is not None and advance.state == AdvanceState.HELD and advance.held_until > now + RENEWED_BEFORE:
            until = advance.held_until
        held = advance_hold(claim_id=claim.pk, open_minor=minor, until=until, by=BY, now=now, trace_id=trace_id)
    except (*WAITING, ContractMissing) as problem:
        _waits(claim, problem, now)
        return None
    _waits_no_more(claim, now)
    return held


def _reimburse(claim: Claim, *, now: datetime, trace_id: str) -> None:
    """The patient has paid: his money on confirmation; before it only within the contract's limit for that."""
    advance = advance_latest(claim.pk)
    paid = advance is not None and advance.drawn_minor > 0
    if claim.state in OVER:
        _waits_no_more(claim, now)
        _free(advance, claim.state, now=now, trace_id=trace_id)
        return
    if claim.state not in WANTING or claim.stage != Stage.CONFIRMATION or not owed_minor(claim):
        return
    more = owed_minor(claim) - (advance.drawn_minor if advance is not None else 0)
    if paid and (claim.state not in CONFIRMED or more <= 0):
        return
    if claim.state not in CONFIRMED:
        try:
            terms = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms
        except ContractMissing as problem:
            _waits(claim, problem, now)
            return
        if owed_minor(claim) > terms.cash_advance_limit_minor:
            return
    held = _hold(claim, more, now=now, trace_id=trace_id)
    if held is not None:
        _pay_patient(claim, held, more, now=now, trace_id=trace_id)


def _pay_patient(claim: Claim, advance: Advance, minor: int, *, now: datetime, trace_id: str) -> None:
    """THIRD leg to the person, the amount drawn. Its cause is the claim, then each time that more is owed its own."""
    number = AdvanceMove.objects.filter(advance=advance, kind=AdvanceMoveKind.DRAW).count()
    cause = UUID(int=claim.pk.int ^ number)
    advance_draw(
        advance_id=advance.pk,
        amount_minor=minor,
        handover_id=cause,
        more_to_come=False,
        against=PATIENTS,
        by=BY,
        now=now,
        trace_id=trace_id,
    )
    terms = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms
    leg_write(
        kind=LegKind.THIRD,
        organisation_id=claim.organisation_id,
        insurer_id=claim.organisation_id,
        claim_id=claim.pk,
        cause_id=cause,
        amount_minor=minor,
        currency=claim.currency,
        due_on=due_on(now, terms.patient_pay_within_days),
        person_id=claim.person_id,
        advance=advance,
        by=BY,
        now=now,
        trace_id=trace_id,
    )


def _close(claim: Claim, advance: Advance, *, now: datetime, trace_id: str) -> None:
    """Confirmed whole, all drawn and collected: nothing is open any more. A part may still be appealed against."""
    if claim.state == S.CONFIRMED and advance.state == AdvanceState.COLLECTED and not open_of(advance):
        claim_close(claim_id=claim.pk, by=BY, reason="paid", now=now, trace_id=trace_id)


def _waits(claim: Claim, problem: Problem, now: datetime) -> None:
    row = AdvanceWaiting.objects.filter(pk=claim.pk).first()
    if row is None:
        row = AdvanceWaiting(claim_id=claim.pk, organisation_id=claim.organisation_id, since=now)
    elif row.closed_at is not None:
        row.since, row.closed_at = now, None
    row.reason, row.looked_at = problem.code, now
    row.save()


def _waits_no_more(claim: Claim, now: datetime) -> None:
    AdvanceWaiting.objects.filter(pk=claim.pk, closed_at__isnull=True).update(closed_at=now, looked_at=now)
