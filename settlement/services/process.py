"""Steps that move goods and money together: each is one commit of the pharmacies' services and the ledger.

No reachable state hands over without a held advance, pays twice, or keeps stock or room for nothing.

order_take       accepted, money held at the accepted price, ready: the patient has his code
goods_hand_over  everything right at the counter, the payers before us, drawn, owed to the chain, gone
goods_undo       the box never left the counter: what was drawn is back, and held
goods_give_up    nothing leaves the counter after all: the code opens again, basic insurance is undone
goods_take_back  returned: each payer undone in reverse order, then quarantine
order_give_up    nothing (more) will be handed over: stock and money are free
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from accounts.selectors import chain_of
from claims.services.desk import claim_lock
from claims.states import ClaimState
from core.errors import Conflict, NotFound
from core.row_security import EVERYTHING, seen_by
from pharmacies.selectors.goods import (
    goods_return_by_id,
    handed_minor,
    handover_by_id,
    open_minor,
)
from pharmacies.services.desk import order_locked
from pharmacies.services.handovers import (
    handover_abort,
    handover_finish,
    handover_goods_lock,
    handover_open,
    handover_undo,
)
from pharmacies.services.orders import order_accept, order_cancel, order_ready
from pharmacies.services.returns import goods_return_finish, goods_return_open
from pharmacies.states import HandOverState, ReturnReason
from registry.states import ConfirmationMode
from settlement.selectors.contracts import contract_on
from settlement.services.advances import (
    AdvanceNotHeld,
    advance_draw,
    advance_hold,
    advance_release,
    advance_running,
    laid_out_minor,
    open_of,
)
from settlement.services.basic_first import basic_back, basic_first
from settlement.services.legs import due_on, leg_write
from settlement.services.recourse import review_apply
from settlement.services.undoing import money_back
from settlement.states import LegKind

if TYPE_CHECKING:
    from claims.models import Claim
    from pharmacies.models import GoodsReturn, HandOver, Order, PickUpCode
    from pharmacies.services.counter import HandOverDraft
    from settlement.models import Advance

BY = "settlement"
S = ClaimState
CONFIRMED = (S.CONFIRMED, S.PARTLY_CONFIRMED)
HELD_LONGER = timedelta(days=1)  # Than the code: at its edge the money is still there.


class NothingOwed(Conflict):
    code = "nothing_owed"
    title = "No insurer pays for this order"
    detail = "Claim {claim_no}: at this price nothing is left for the insurer to pay."
    detail_zh = "理赔申请 {claim_no}：按该价格保险公司无需支付。"
    fix = "The patient pays at the till; no order is needed."
    fix_zh = "由患者在收银台支付，无需订单。"


def owed_minor(claim: Claim) -> int:
    """What the insurer pays for the claim as far as anybody has said: confirmed, else recommended. Minor units."""
    if claim.state in CONFIRMED:
        return claim.confirmed_minor or 0
    return claim.recommended_minor or 0


def others_minor(claim: Claim) -> int:
    """What other payers than the insurer and the patient give for the claim."""
    return claim.basic_minor + claim.other_minor + claim.charity_minor + claim.discount_minor


def wanted_minor(claim: Claim, order: Order) -> int:
    """What the advance for the order is in all: what the insurer owes, within the accepted price less other payers."""
    return min(owed_minor(claim), max(0, order.total_minor - others_minor(claim)))


def open_wanted_minor(claim: Claim, order: Order) -> int:
    """What has to be held for the goods of the order that may still be handed over."""
    still_open, handed = open_minor(order=order), handed_minor(order=order)
    whole = wanted_minor(claim, order)
    upto = share_minor(whole_minor=whole, part_minor=handed + still_open, of_minor=order.total_minor)
    return max(0, upto - laid_out_minor(claim.pk)) if still_open else 0


def order_hold(claim: Claim, order: Order, *, until: datetime, by: str, now: datetime, trace_id: str) -> Advance:
    """Money for what the taken order may still hand over, at the fact of this moment. Raises what advance_hold raises.

    What is held longer already stays so.
    """
    running = advance_running(claim.pk)
    return advance_hold(
        claim_id=claim.pk,
        open_minor=open_wanted_minor(claim, order),
        until=max(until, running.held_until) if running is not None else until,
        order_id=order.pk,
        pharmacy_id=chain_of(order.organisation_id),
        by=by,
        now=now,
        trace_id=trace_id,
    )


def code_opens(claim: Claim) -> bool:
    """Whether goods may leave before the insurer has confirmed, by the product's mode; else only after."""
    return claim.confirmation_mode == ConfirmationMode.AFTER or claim.state in CONFIRMED


@transaction.atomic
def order_take(
    *, order_id: UUID, version: int, materials_seen: bool, by: str, now: datetime, trace_id: str
) -> PickUpCode:
    """The shop takes the order: stock reserved, money held at its price, the patient's code made; all or nothing.

    Raises what order_accept, advance_hold and order_ready raise, and NothingOwed.
    """
    order = order_accept(
        order_id=order_id, version=version, materials_seen=materials_seen, by=by, now=now, trace_id=trace_id
    )
    with seen_by(EVERYTHING):
        claim = claim_lock(claim_id=order.claim_id)
        if wanted_minor(claim, order) <= 0:
            raise NothingOwed(claim_no=claim.claim_no)
        fetch_by = now + timedelta(days=_held_days(claim, now))
        order_hold(claim, order, until=fetch_by + HELD_LONGER, by=by, now=now, trace_id=trace_id)
        return order_ready(
            order_id=order_id, usable=code_opens(claim), fetch_by=fetch_by, by=by, now=now, trace_id=trace_id
        )


@transaction.atomic
def goods_hand_over(
    *, order_id: UUID, version: int, draft: HandOverDraft, by: str, now: datetime, trace_id: str
) -> HandOver:
    """Goods for money that is held: DONE, or PENDING while a payer before us has not answered. The same key again is
    the same hand-over. Raises what handover_open, advance_hold, advance_draw and handover_finish raise."""
    handover = handover_open(order_id=order_id, version=version, draft=draft, by=by, now=now, trace_id=trace_id)
    if handover.outcome != HandOverState.PENDING or basic_first(handover=handover, now=now, trace_id=trace_id):
        return handover
    return handover_pay(handover_id=handover.pk, by=by, now=now, trace_id=trace_id)


@transaction.atomic
def handover_pay(*, handover_id: UUID, by: str, now: datetime, trace_id: str) -> HandOver:
    """The payers before us have answered: draw, owe it to the chain, and let the goods go. Again changes nothing.

    Raises NotFound, AdvanceNotHeld and what advance_hold and handover_finish raise.
    """
    with seen_by(EVERYTHING):
        found = handover_by_id(handover_id=handover_id)
        if found is None:
            raise NotFound(noun="hand-over", noun_zh="交付记录", key=handover_id)
        with order_locked(order_id=found.order_id) as order:
            claim = claim_lock(claim_id=order.claim_id)
            handover = handover_by_id(handover_id=handover_id)
            if handover is None or handover.outcome != HandOverState.PENDING:
                return handover or found
            handover_goods_lock(handover_id=handover_id)
            _drawn(claim, order, handover, by=by, now=now, trace_id=trace_id)
            done = handover_finish(handover_id=handover_id, by=by, now=now, trace_id=trace_id)
            _reviewed(claim.pk, handover_id, by=by, now=now, trace_id=trace_id)
    return done


@transaction.atomic
def goods_give_up(*, handover_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> HandOver:
    """Nobody waits any longer: the pending hand-over ends; what basic insurance settled, or may have, is undone.

    Again changes nothing. Raises NotFound, HandOverEnded.
    """
    handover = handover_abort(handover_id=handover_id, reason=reason, by=by, now=now, trace_id=trace_id)
    basic_back(handover=handover, now=now, trace_id=trace_id)
    return handover


@transaction.atomic
def goods_undo(*, handover_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> HandOver:
    """The box is still on the counter: reserved again, and its money held again. Again changes nothing.

    Raises what handover_undo raises, and LegStateRefuses while the bank may be paying for it.
    """
    handover = handover_undo(handover_id=handover_id, reason=reason, by=by, now=now, trace_id=trace_id)
    with seen_by(EVERYTHING):
        order, claim = handover.order, claim_lock(claim_id=handover.order.claim_id)
        if money_back(claim=claim, handover_id=handover_id, reason="undone", by=by, now=now, trace_id=trace_id):
            until = (order.fetch_by or now) + HELD_LONGER
            order_hold(claim, order, until=max(until, now + HELD_LONGER), by=by, now=now, trace_id=trace_id)
    return handover


@transaction.atomic
def goods_take_back(
    *, handover_id: UUID, reason: ReturnReason, note: str = "", by: str, now: datetime, trace_id: str
) -> GoodsReturn:
    """What was handed over has come back: ended at once, or open while basic insurance has to be undone first.

    Raises what goods_return_open raises, and LegStateRefuses while the bank may be paying for it.
    """
    row = goods_return_open(handover_id=handover_id, reason=reason, note=note, by=by, now=now, trace_id=trace_id)
    if row.waits_for:
        basic_back(handover=row.handover, now=now, trace_id=trace_id)
        return row
    if row.ended_at is not None:
        return row
    return return_end(return_id=row.pk, by=by, now=now, trace_id=trace_id)


@transaction.atomic
def return_end(*, return_id: UUID, by: str, now: datetime, trace_id: str) -> GoodsReturn:
    """Basic insurance is undone, or had no part: our money, then the boxes into quarantine. Again changes nothing.

    Raises NotFound, LegStateRefuses.
    """
    with seen_by(EVERYTHING):
        row = goods_return_by_id(return_id=return_id)
        if row is None:
            raise NotFound(noun="return", noun_zh="退货", key=return_id)
        with order_locked(order_id=row.handover.order_id) as order:
            claim = claim_lock(claim_id=order.claim_id)
            handover_goods_lock(handover_id=row.handover_id)
            money_back(claim=claim, handover_id=row.handover_id, reason=row.reason, by=by, now=now, trace_id=trace_id)
            done = goods_return_finish(return_id=return_id, by=by, now=now, trace_id=trace_id)
            _reviewed(claim.pk, return_id, by=by, now=now, trace_id=trace_id)
    return done


@transaction.atomic
def order_give_up(*, order_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Order:
    """Nothing (more) will be handed over: stock is free, the code void, what is held for it free.

    Raises NotFound, OrderStateRefuses, HandOverPending.
    """
    with order_locked(order_id=order_id) as order:
        order = order_cancel(order_id=order.pk, reason=reason, by=by, now=now, trace_id=trace_id)
        advance = advance_running(order.claim_id)
        if advance is not None and advance.order_id in (None, order.pk):
            advance_release(advance_id=advance.pk, reason=reason, by=by, now=now, trace_id=trace_id)
    return order


def share_minor(*, whole_minor: int, part_minor: int, of_minor: int) -> int:
    """The part of `whole_minor` that goes with `part_minor` of goods worth `of_minor`; the last part takes the rest."""
    return whole_minor if part_minor >= of_minor else whole_minor * part_minor // of_minor


def _drawn(claim: Claim, order: Order, handover: HandOver, *, by: str, now: datetime, trace_id: str) -> None:
    """Ours of what is handed over: drawn, and legs of the chain. Held at the fact of this moment, less or more."""
    advance, wanted = advance_running(claim.pk), open_wanted_minor(claim, order)
    if advance is None or wanted <= 0:
        raise AdvanceNotHeld(claim_no=claim.claim_no, minor=wanted, held_minor=0)
    if open_of(advance) != wanted or advance.held_until <= now:
        advance = order_hold(claim, order, until=now + HELD_LONGER, by=by, now=now, trace_id=trace_id)
    still_open = open_minor(order=order)
    share = share_minor(whole_minor=wanted, part_minor=handover.amount_minor, of_minor=still_open)
    chain = chain_of(order.organisation_id)
    if share:
        advance_draw(
            advance_id=advance.pk,
            amount_minor=share,
            handover_id=handover.pk,
            more_to_come=handover.amount_minor < still_open and not handover.give_up_rest,
            against=f"payable:p{chain}",
            by=by,
            now=now,
            trace_id=trace_id,
        )
        _leg(LegKind.SECOND, claim, advance, chain, handover, share, by=by, now=now, trace_id=trace_id)
    own = _own_minor(claim, order, handover, share)
    if own:
        _leg(LegKind.OWN_SHARE, claim, advance, chain, handover, own, by=by, now=now, trace_id=trace_id)


def _own_minor(claim: Claim, order: Order, handover: HandOver, share: int) -> int:
    """What the patient pays at the till for this hand-over: its price less ours and the other payers' part of it."""
    before, others = handed_minor(order=order), others_minor(claim)
    upto = before + handover.amount_minor
    part = others * upto // order.total_minor - others * before // order.total_minor
    return max(0, handover.amount_minor - share - part)


def _leg(
    kind: LegKind,
    claim: Claim,
    advance: Advance,
    chain: int,
    handover: HandOver,
    amount_minor: int,
    *,
    by: str,
    now: datetime,
    trace_id: str,
) -> None:
    days = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms.pharmacy_pay_within_days
    leg_write(
        kind=kind,
        organisation_id=chain,
        insurer_id=claim.organisation_id,
        claim_id=claim.pk,
        cause_id=handover.pk,
        amount_minor=amount_minor,
        currency=claim.currency,
        due_on=due_on(now, days),
        advance=advance,
        by=by,
        now=now,
        trace_id=trace_id,
    )


def _reviewed(claim_id: UUID, cause_id: UUID, *, by: str, now: datetime, trace_id: str) -> None:
    claim = claim_lock(claim_id=claim_id)
    advance = advance_running(claim_id)
    if advance is not None:
        review_apply(claim=claim, advance=advance, handover_id=cause_id, by=by, now=now, trace_id=trace_id)


def _held_days(claim: Claim, now: datetime) -> int:
    return contract_on(organisation_id=claim.organisation_id, on=now.date()).terms.held_days
