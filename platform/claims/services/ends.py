"""How a claim ends, and how it is opened again: withdrawn, appealed, reopened, closed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction

from claims.models import Claim, ClaimClock, Decision
from claims.services.benefits import claim_benefits_hold, claim_benefits_release, claim_benefits_use
from claims.services.clocks import clock_start, clocks_stop
from claims.services.decisions import DecisionDraft, DecisionInvalid, decision_write
from claims.services.desk import (
    MONEY,
    ClaimStateRefuses,
    ClaimWithdrawn,
    claim_lock,
    claim_to_stage,
    cycle_free_check,
    event_write,
    lease_end,
    move,
    state_check,
    write,
)
from claims.states import PARTLY_OR_WHOLLY_REFUSED, ClaimState, ClockKind, DecisionWord, Stage
from core.errors import Conflict
from core.ids import new_trace_id
from registry.selectors.terms import terms_read
from registry.terms import TermsOfProduct

REOPENING = (ClaimState.CONFIRMED, ClaimState.PARTLY_CONFIRMED, ClaimState.DECLINED, ClaimState.CLOSED)


class AppealOver(Conflict):
    code = "appeal_over"
    title = "No appeal is possible any more"
    detail = "Claim {claim_no}: {why}."
    detail_zh = "理赔申请 {claim_no}：{why_zh}。"
    fix = "You may still turn to the insurer's complaints office or the supervisory authority."
    fix_zh = "您仍可向保险公司投诉部门或监管机构反映。"


class AppealByAnother(Conflict):
    code = "appeal_by_another"
    title = "Another person decides on an appeal"
    detail = "{by} took part in the decision that claim {claim_no} appeals against."
    detail_zh = "{by} 参与了理赔申请 {claim_no} 被申诉的决定，不能处理该申诉。"
    fix = "Give the appeal to a colleague."
    fix_zh = "请将该申诉交由其他同事处理。"


class GoodsHandedOver(Conflict):
    code = "goods_handed_over"
    title = "The drug was handed over already"
    detail = "Claim {claim_no}: the drug left the pharmacy's counter; the claim cannot be withdrawn any more."
    detail_zh = "理赔申请 {claim_no}：药品已交付，不能再撤回申请。"
    fix = "If something is wrong with the drug, take it back to the pharmacy; for anything else ask customer service."
    fix_zh = "如药品有问题，请退回药房；其他问题请联系客服。"


@transaction.atomic
def claim_withdraw(
    *, claim_id: UUID, by: str, on_behalf: bool = False, reason: str = "", now: datetime, trace_id: str
) -> Claim:
    """By the patient's wish, before the insurer has decided: what was held is free again.

    Raises NotFound, ClaimWithdrawn, ClaimStateRefuses, GoodsHandedOver.
    """
    claim = claim_lock(claim_id=claim_id)
    if claim.handed_over_at is not None:
        raise GoodsHandedOver(claim_no=claim.claim_no)
    move(claim, claim.withdraw, act="claim.withdraw", by=by, now=now, trace_id=trace_id, reason=reason)
    claim.materials_requests.filter(closed_reason="").update(closed_reason="withdrawn")
    claim_benefits_release(claim=claim, by=by, now=now)
    lease_end(claim)
    clocks_stop(claim=claim, now=now)
    event_write(claim, "claim.withdrawn", by=by, on_behalf=on_behalf, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def claim_appeal(
    *, claim_id: UUID, by: str, on_behalf: bool = False, reason: str, now: datetime, trace_id: str
) -> Claim:
    """The patient disagrees with a refusal, whole or in part, within his time. The benefits are held anew.

    `reason` goes to the appeal desk through the history: the door keeps what is personal in the conversation.
    Raises NotFound, ClaimStateRefuses, ClaimWithdrawn, AppealOver, CycleClaimed.
    """
    claim = claim_lock(claim_id=claim_id)
    before = claim.state
    state_check(claim, *PARTLY_OR_WHOLLY_REFUSED, act="claim.appeal")
    _appeal_in_time(claim, now)
    cycle_free_check(authorisation_id=claim.authorisation_id, cycle_no=claim.cycle_no, but=claim)
    clocks_stop(claim=claim, now=now)
    claim.state_before_appeal = before
    move(claim, claim.appeal, act="claim.appeal", by=by, now=now, trace_id=trace_id, reason=reason)
    _look_anew(claim, by=by, now=now, trace_id=trace_id)
    clock_start(claim=claim, kind=ClockKind.DECIDE, days=_complex_days(claim), now=now)
    event_write(claim, "appeal.filed", by=by, on_behalf=on_behalf, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def appeal_decide(
    *, claim_id: UUID, version: int, uphold: bool, decision: DecisionDraft, now: datetime, trace_id: str
) -> Decision:
    """By another person than those of the decision. Upheld: back to what it was. Won: reopened, before the same stage.

    `decision.word` is UPHOLD or REOPEN and follows `uphold`. Raises NotFound, ClaimMoved, ClaimStateRefuses,
    AppealByAnother, DecisionInvalid.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    by = decision.by
    state_check(claim, ClaimState.APPEALED, act="appeal.decide")
    against = _decision_appealed(claim)
    if by in (against.by, against.seconded_by):
        raise AppealByAnother(claim_no=claim.claim_no, by=by)
    if decision.word != (DecisionWord.UPHOLD if uphold else DecisionWord.REOPEN):
        raise DecisionInvalid(explanation="The word and the verdict differ.", explanation_zh="决定用语与裁定不一致。")
    step = _upholding(claim) if uphold else claim.reopen
    move(claim, step, act="appeal.decide", by=by, now=now, trace_id=trace_id)
    row = decision_write(claim=claim, draft=decision, stage=Stage(claim.stage), now=now)
    lease_end(claim)
    if uphold:
        _restore(claim, by=by, now=now, trace_id=trace_id)
        event_write(claim, "appeal.upheld", by=by, now=now, trace_id=trace_id)
    else:
        event_write(claim, "appeal.won", by=by, now=now, trace_id=trace_id)
        claim_to_stage(claim, act="appeal.reopen", by=by, now=now, trace_id=trace_id)
    return row


@transaction.atomic
def claim_reopen(*, claim_id: UUID, version: int, reason: str, by: str, now: datetime, trace_id: str) -> Claim:
    """The insurer looks anew at what was decided or closed: benefits back and held anew, before its own stage.

    Raises NotFound, ClaimMoved, ClaimStateRefuses, ClaimWithdrawn.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    clocks_stop(claim=claim, now=now)
    # An appeal is decided by its own act, and by another person.
    state_check(claim, *REOPENING, act="claim.reopen")
    cycle_free_check(authorisation_id=claim.authorisation_id, cycle_no=claim.cycle_no, but=claim)
    move(claim, claim.reopen, act="claim.reopen", by=by, now=now, trace_id=trace_id, reason=reason)
    _look_anew(claim, by=by, now=now, trace_id=trace_id)
    clock_start(claim=claim, kind=ClockKind.DECIDE, days=_complex_days(claim), now=now)
    event_write(claim, "claim.reopened", by=by, now=now, trace_id=trace_id)
    claim_to_stage(claim, act="claim.reopen", by=by, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def claim_close(*, claim_id: UUID, by: str, reason: str, now: datetime, trace_id: str) -> Claim:
    """Nothing is open any more: paid, or the time to appeal is over. Raises NotFound, ClaimStateRefuses."""
    claim = claim_lock(claim_id=claim_id)
    move(claim, claim.close, act="claim.close", by=by, now=now, trace_id=trace_id, reason=reason)
    lease_end(claim)
    clocks_stop(claim=claim, now=now)
    event_write(claim, "claim.closed", by=by, now=now, trace_id=trace_id)
    return claim


def claims_close_due(*, now: datetime, limit: int) -> int:
    """A chore: close refusals that nobody appealed against in time; returns how many. What was confirmed waits for pay.

    Each in a transaction of its own: one that moves meanwhile is left for the next time.
    """
    over = ClaimClock.objects.filter(
        kind=ClockKind.APPEAL,
        stopped_at__isnull=True,
        due_at__lte=now,
        claim__state__in=(ClaimState.PREREVIEW_DECLINED, ClaimState.DECLINED),
    )
    count = 0
    for claim_id in list(over.order_by("due_at").values_list("claim_id", flat=True)[:limit]):
        with suppress(ClaimStateRefuses, ClaimWithdrawn):
            claim_close(claim_id=claim_id, by="clock", reason="not appealed", now=now, trace_id=new_trace_id())
            count += 1
    return count


def _look_anew(claim: Claim, *, by: str, now: datetime, trace_id: str) -> None:
    """The next episode: what was used is given back, and the payable of today held."""
    claim.episode += 1
    claim_benefits_hold(claim=claim, by=by, now=now, again=True, most_deductible_minor=claim.deductible_minor)
    claim.confirmed_minor = claim.decided_at = None
    if claim.recommended_minor is not None:
        claim.recommended_minor = min(claim.recommended_minor, claim.payable_minor)
    write(claim, ["episode", "benefit_round", "decided_at", *MONEY], by=by, now=now, trace_id=trace_id)


def _restore(claim: Claim, *, by: str, now: datetime, trace_id: str) -> None:
    """The decision that was appealed against stands: its amount is used again, the rest is free."""
    clocks_stop(claim=claim, now=now)
    last = _decision_appealed(claim)
    partly = claim.state == ClaimState.PARTLY_CONFIRMED
    claim.confirmed_minor = min(last.amount_minor, claim.payable_minor) if partly else None
    if claim.state == ClaimState.DECLINED:
        claim.confirmed_minor = 0
    claim.decided_at = now
    write(claim, ["decided_at", "confirmed_minor"], by=by, now=now, trace_id=trace_id)
    if partly:
        claim_benefits_use(claim=claim, by=by, now=now)
        clock_start(claim=claim, kind=ClockKind.PAY, days=_terms(claim).pay_within_days, now=now)
    else:
        claim_benefits_release(claim=claim, by=by, now=now)


def _upholding(claim: Claim) -> Callable[[], None]:
    if claim.state_before_appeal == ClaimState.PREREVIEW_DECLINED:
        return lambda: claim.uphold_prereview()
    if claim.state_before_appeal == ClaimState.PARTLY_CONFIRMED:
        return lambda: claim.uphold_part()
    return lambda: claim.uphold()


def _decision_appealed(claim: Claim) -> Decision:
    """The latest decision that refused, also in part: what the appeal is about."""
    refusals = claim.decisions.filter(word__in=(DecisionWord.DECLINE, DecisionWord.APPROVE_PARTLY))
    last = refusals.order_by("-at", "-id").first()
    if last is None:
        raise RuntimeError(f"claim {claim.claim_no} was appealed without a refusal")
    return last


def _appeal_in_time(claim: Claim, now: datetime) -> None:
    if claim.decisions.filter(episode=claim.episode, word=DecisionWord.UPHOLD).exists():
        raise AppealOver(claim_no=claim.claim_no, why="the appeal was decided", why_zh="申诉已作出决定")
    clock = claim.clocks.filter(kind=ClockKind.APPEAL, episode=claim.episode).first()
    if clock is None or clock.due_at <= now:
        raise AppealOver(claim_no=claim.claim_no, why="the time to appeal has passed", why_zh="申诉期限已过")


def _terms(claim: Claim) -> TermsOfProduct:
    if claim.terms is None:
        raise RuntimeError(f"claim {claim.claim_no} was filed without terms")
    return terms_read(terms=claim.terms)


def _complex_days(claim: Claim) -> int:
    return _terms(claim).decide_complex_within_days
