"""What every act on a claim shares: lock, check, signed move, entry of the timeline: all do it alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django_fsm import TransitionNotAllowed

from claims.models import Claim, ClaimEvent, ClaimLease
from claims.services.jobs import PUSH, TAKE, claim_hand_on, event_tell
from claims.states import Audience, ClaimState, Stage
from core.errors import Conflict, NotFound, Problem
from core.transitions import write_many

# A pharmacy learns what it may hand over, and nothing of the review.
PHARMACY_TOLD = frozenset(
    {
        *("confirmation.confirmed", "confirmation.partly_confirmed", "confirmation.declined"),
        *("claim.withdrawn", "claim.reopened", "claim.closed"),
    }
)
PARTIES = (Audience.PATIENT, Audience.PREREVIEW, Audience.INSURER)
REVIEWERS = (Audience.PREREVIEW, Audience.INSURER)
MONEY = (
    *("deductible_minor", "payable_minor", "recommended_minor", "confirmed_minor"),
    *("total_minor", "basic_minor", "other_minor", "charity_minor", "discount_minor"),
)
MOVED = (
    *("state", "stage", "terms", "confirmation_mode", "risk", "risk_reasons", "re_review", "state_before_appeal"),
    *("episode", "benefit_round", "materials_asked", "paper", "service_on", "submitted_at", "decided_at", "trace_id"),
    *MONEY,
)


# A claim in these leaves its cycle to another one (constraint one_running_claim_per_cycle).
CYCLE_FREE = (ClaimState.WITHDRAWN, ClaimState.DECLINED, ClaimState.PREREVIEW_DECLINED, ClaimState.CLOSED)


class CycleClaimed(Conflict):
    code = "cycle_claimed"
    title = "That cycle is claimed already"
    detail = "Claim {claim_no} is about cycle {cycle_no} of this authorisation."
    detail_zh = "该用药授权第 {cycle_no} 周期已有理赔申请 {claim_no}。"
    fix = "Go on with that claim, or withdraw it first."
    fix_zh = "请继续办理该申请，或先撤回。"


class ClaimMoved(Conflict):
    code = "claim_moved"
    title = "Somebody else was faster"
    detail = "Claim {claim_no} was changed since you opened it (version {seen}, now {current})."
    detail_zh = "理赔申请 {claim_no} 在您打开后已被他人更改（您看到的版本 {seen}，当前版本 {current}）。"
    fix = "Open the claim again, look at what changed, and decide then."
    fix_zh = "请重新打开该申请，查看变更后再作决定。"


class ClaimStateRefuses(Conflict):
    code = "claim_state_refuses"
    title = "Not possible in this state"
    detail = "Claim {claim_no} is {state}: {act} is not possible."
    detail_zh = "理赔申请 {claim_no} 当前状态为 {state}，不能执行 {act}。"
    fix = "Look at the claim's timeline; what can be done now is offered there."
    fix_zh = "请查看该申请的时间线，当前可执行的操作均已列出。"


class ClaimWithdrawn(Conflict):
    code = "claim_withdrawn"
    title = "The claim was withdrawn"
    detail = "Claim {claim_no} was withdrawn by the patient; nothing is decided on it any more."
    detail_zh = "理赔申请 {claim_no} 已由申请人撤回，不再作任何决定。"
    fix = "Nothing is to be done. The patient may file anew."
    fix_zh = "无需处理；申请人可重新提交。"


class ClaimHeld(Conflict):
    code = "claim_held"
    title = "Another person works on it"
    detail = "Claim {claim_no} is open with {holder} until {until:%H:%M} UTC."
    detail_zh = "理赔申请 {claim_no} 正由 {holder} 处理，至 {until:%H:%M}（UTC）。"
    fix = "Take another claim, or ask that person to give it back."
    fix_zh = "请处理其他申请，或请该人员交还。"


class ActorMissing(Problem):
    code = "actor_missing"
    status = 422
    title = "Whoever acts is named"
    detail = "{what} needs a name."
    detail_zh = "{what} 必须署名。"


def claim_lock(*, claim_id: UUID, version: int | None = None) -> Claim:
    """The claim, its row locked until the commit. Needs an open transaction.

    Raises NotFound also when this transaction may not see it, ClaimMoved when its version is not the one given.
    """
    locked = Claim.objects.select_for_update(of=("self",)).select_related("product", "drug")
    claim = locked.filter(pk=claim_id).order_by().first()
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    version_check(claim, version)
    return claim


def version_check(claim: Claim, version: int | None) -> None:
    """Raises ClaimMoved when the locked claim is not at the version given."""
    if version is not None and claim.version != version:
        raise ClaimMoved(claim_no=claim.claim_no, seen=version, current=claim.version)


def lease_respect(*, claim: Claim, by: str, now: datetime) -> None:
    """Raises ClaimHeld when another person has the claim open."""
    with suppress(ClaimLease.DoesNotExist):
        lease = ClaimLease.objects.get(pk=claim.pk)
        if lease.until > now and lease.holder != by:
            raise ClaimHeld(claim_no=claim.claim_no, holder=lease.holder_name, until=lease.until)


def lease_end(claim: Claim) -> None:
    ClaimLease.objects.filter(pk=claim.pk).delete()


def cycle_free_check(*, authorisation_id: UUID | None, cycle_no: int, but: Claim | None) -> None:
    """Raises CycleClaimed when a running claim other than `but` is about the same cycle."""
    if authorisation_id is None:
        return
    running = Claim.objects.filter(authorisation_id=authorisation_id, cycle_no=cycle_no).exclude(state__in=CYCLE_FREE)
    other = (running if but is None else running.exclude(pk=but.pk)).first()
    if other is not None:
        raise CycleClaimed(claim_no=other.claim_no, cycle_no=cycle_no)


def state_check(claim: Claim, *states: ClaimState, act: str) -> None:
    """Before anything of the act itself is looked at. Raises ClaimWithdrawn, ClaimStateRefuses."""
    if claim.state == ClaimState.WITHDRAWN:
        raise ClaimWithdrawn(claim_no=claim.claim_no)
    if claim.state not in states:
        raise ClaimStateRefuses(claim_no=claim.claim_no, state=claim.state, act=act)


def move(
    claim: Claim, step: Callable[[], None], *, act: str, by: str, now: datetime, trace_id: str, reason: str = ""
) -> None:
    """One transition of the locked claim, written with whatever fields were set before.

    Raises ClaimWithdrawn, ClaimStateRefuses.
    """
    if not by:
        raise ActorMissing(what=act)
    try:
        step()
    except TransitionNotAllowed:
        if claim.state == ClaimState.WITHDRAWN:
            raise ClaimWithdrawn(claim_no=claim.claim_no) from None
        raise ClaimStateRefuses(claim_no=claim.claim_no, state=claim.state, act=act) from None
    claim.trace_id = trace_id
    claim.moved(now=now, by=by, reason=reason)
    write_many([claim], fields=MOVED)


def claim_to_stage(claim: Claim, *, act: str, by: str, now: datetime, trace_id: str, reason: str = "") -> None:
    """Put the locked claim before whoever `stage` says, and hand the work on."""
    confirming = claim.stage == Stage.CONFIRMATION
    step = claim.take_into_confirmation if confirming else claim.take_into_prereview
    move(claim, step, act=act, by=by, now=now, trace_id=trace_id, reason=reason)
    claim_hand_on(kind=PUSH if confirming else TAKE, claim=claim, now=now)


def write(claim: Claim, fields: Sequence[str], *, by: str, now: datetime, trace_id: str) -> None:
    """Write fields of the locked claim without a move; its version counts up all the same."""
    claim.trace_id = trace_id
    claim.moved(now=now, by=by)
    write_many([claim], fields=[*fields, "trace_id"])


def event_write(
    claim: Claim,
    kind: str,
    *,
    audience: Iterable[Audience] = (),
    details: dict[str, Any] | None = None,
    by: str,
    on_behalf: bool = False,
    now: datetime,
    trace_id: str = "",
    hand_on: str = "",
) -> ClaimEvent:
    """An entry of the timeline; whoever is to be told of such entries learns of it by a job in the same commit.

    `audience` empty: patient and reviewers, and the pharmacy where it concerns its counter. `hand_on`: the kind of job
    that brings the claim to the next floor.
    """
    seen_by = tuple(audience) or (*PARTIES, *((Audience.PHARMACY,) if kind in PHARMACY_TOLD else ()))
    event = ClaimEvent.objects.create(
        claim=claim,
        kind=kind,
        audience=[Audience(one).value for one in seen_by],
        details=details or {},
        by=by,
        on_behalf=on_behalf,
        at=now,
        trace_id=trace_id,
    )
    event_tell(event=event, claim=claim, now=now, hand_on=hand_on)
    return event
