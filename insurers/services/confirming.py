"""The insurer's second review, by people: within their authority alone, above it by two names, never one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from accounts.states import Role
from claims.services.decisions import DecisionDraft
from claims.services.desk import ClaimMoved
from claims.services.materials import materials_request
from claims.services.review import confirmation_decide
from claims.states import ClaimState, DecisionWord, Stage
from core.errors import Conflict, Forbidden, NotFound
from core.ids import uuid7
from insurers.models import WaitingDecision
from insurers.services.desk import DecisionUnclear, authority_over, claim_of, no_authority, stake_minor
from insurers.states import WaitingOutcome, WaitingWord

if TYPE_CHECKING:
    from accounts.models import User
    from claims.models import Claim

WORDS = {
    DecisionWord.APPROVE: WaitingWord.APPROVE,
    DecisionWord.APPROVE_PARTLY: WaitingWord.APPROVE_PARTLY,
    DecisionWord.DECLINE: WaitingWord.DECLINE,
}


class DecisionWaits(Conflict):
    code = "decision_waits"
    title = "A decision waits already"
    detail = "{proposed_by} has proposed a decision on this claim."
    detail_zh = "{proposed_by} 已对该理赔提出决定，等待复核。"
    fix = "Confirm it, or have it withdrawn."
    fix_zh = "请复核该决定，或请其撤回。"


class OwnDecision(Conflict):
    code = "own_decision"
    title = "Somebody else confirms it"
    detail = "Nobody confirms his own decision."
    detail_zh = "不能复核自己提出的决定。"
    fix = "Ask a colleague with the authority."
    fix_zh = "请由具有权限的其他同事复核。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a clerk decides. `amount_minor` is what is confirmed, in minor units of the claim's currency."""

    word: DecisionWord
    amount_minor: int
    reason_code: str = ""
    clause: str = ""
    clause_zh: str = ""
    explanation: str = ""
    lines: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a clerk asks the patient for: `items` [{kind, reason, reason_zh}], the wording, and until when."""

    items: Sequence[Mapping[str, str]]
    message: str
    message_zh: str
    answer_by: date
    why_not_before: str = ""


@transaction.atomic
def decision_enter(
    *, claim_id: UUID, version: int, wanted: Wanted, user: User, now: datetime, trace_id: str
) -> WaitingDecision | None:
    """Decide: at once within the user's own authority, else proposed for a second name, which is returned.

    Raises NotFound, Forbidden, NoAuthority, DecisionUnclear, DecisionWaits and what confirmation_decide raises.
    """
    claim = _confirmable(claim_id, user)
    line = authority_over(claim, user)
    _check_wanted(claim, wanted)
    stake = max(stake_minor(claim), wanted.amount_minor)
    waiting = _waiting_locked(claim)
    if waiting is not None:
        raise DecisionWaits(proposed_by=waiting.proposed_by)
    if stake > line.alone_minor:
        details = {"lines": [dict(one) for one in wanted.lines]}
        return _propose(claim, version, WORDS[wanted.word], wanted, details, stake, user, now)
    confirmation_decide(
        claim_id=claim.pk, version=version, decision=_draft(wanted, user.username, ""), now=now, trace_id=trace_id
    )
    return None


@transaction.atomic
def materials_ask(
    *, claim_id: UUID, version: int, asked: Asked, user: User, now: datetime, trace_id: str
) -> WaitingDecision | None:
    """Ask the patient for more. The first time at once; a second ask waits for a supervisor and says why.

    Raises NotFound, Forbidden, NoAuthority, DecisionUnclear, DecisionWaits and what materials_request raises.
    """
    claim = _confirmable(claim_id, user)
    authority_over(claim, user)
    waiting = _waiting_locked(claim)
    if waiting is not None:
        raise DecisionWaits(proposed_by=waiting.proposed_by)
    if claim.materials_asked == 0:
        _ask(claim.pk, version, asked, user.username, "", now, trace_id)
        return None
    if not asked.why_not_before.strip():
        raise DecisionUnclear(
            explanation="A second ask says why it was not in the first.",
            explanation_zh="再次索要材料须说明首次未提出的原因。",
        )
    details = {
        "items": [dict(one) for one in asked.items],
        "message": asked.message,
        "message_zh": asked.message_zh,
        "answer_by": asked.answer_by.isoformat(),
        "why_not_before": asked.why_not_before,
    }
    return _propose(claim, version, WaitingWord.ASK_AGAIN, None, details, stake_minor(claim), user, now)


@transaction.atomic
def waiting_second(*, waiting_id: UUID, user: User, now: datetime, trace_id: str) -> WaitingDecision:
    """The second name: now it counts. Where the claim moved meanwhile, it is closed as OVERTAKEN and nothing counts.

    Raises NotFound, Forbidden, OwnDecision, NoAuthority and what the act itself raises.
    """
    waiting = _open(waiting_id, user)
    claim = claim_of(waiting.claim_id, user)
    if waiting.proposed_by == user.username:
        raise OwnDecision
    line = authority_over(claim, user)
    if line.second_minor < waiting.stake_minor:
        raise no_authority(claim, waiting.stake_minor)
    if claim.version != waiting.claim_version:
        return _close(waiting, WaitingOutcome.OVERTAKEN, now)
    waiting.seconded_by = user.username
    _close(waiting, WaitingOutcome.COUNTED, now)
    _carry_out(waiting, user, now, trace_id)
    return waiting


@transaction.atomic
def waiting_withdraw(*, waiting_id: UUID, user: User, now: datetime) -> WaitingDecision:
    """Take a proposal back: its maker, or a colleague who will not confirm it. Raises NotFound, Forbidden."""
    waiting = _open(waiting_id, user)
    return _close(waiting, WaitingOutcome.WITHDRAWN, now)


def waiting_overtake(*, claim_id: UUID, now: datetime) -> None:
    """The claim was decided elsewhere: what waited for a second name counts no more. Needs a transaction."""
    waiting = WaitingDecision.objects.select_for_update().filter(claim_id=claim_id, closed_at__isnull=True).first()
    if waiting is not None:
        _close(waiting, WaitingOutcome.OVERTAKEN, now)


def _confirmable(claim_id: UUID, user: User) -> Claim:
    claim = claim_of(claim_id, user)
    if claim.state != ClaimState.IN_CONFIRMATION:
        raise DecisionUnclear(
            explanation=f"The claim is not before the insurer: it is {claim.state}.",
            explanation_zh=f"该理赔不在保险公司审核中，当前状态为 {claim.state}。",
        )
    return claim


def _check_wanted(claim: Claim, wanted: Wanted) -> None:
    """What would be refused when it counts is refused when it is proposed."""
    recommended = stake_minor(claim)
    fits = {
        DecisionWord.APPROVE: wanted.amount_minor == recommended,
        DecisionWord.APPROVE_PARTLY: 0 < wanted.amount_minor < recommended,
        DecisionWord.DECLINE: wanted.amount_minor == 0,
    }
    if not fits.get(wanted.word, False):
        raise DecisionUnclear(
            explanation="The amount does not go with the decision.", explanation_zh="金额与所选决定不一致。"
        )
    if wanted.word != DecisionWord.APPROVE and not (wanted.clause.strip() and wanted.clause_zh.strip()):
        raise DecisionUnclear(
            explanation="A refusal, whole or in part, quotes its clause in both languages.",
            explanation_zh="拒赔或部分赔付须以中英文引用条款。",
        )


def _propose(
    claim: Claim,
    version: int,
    word: WaitingWord,
    wanted: Wanted | None,
    details: dict[str, Any],
    stake: int,
    user: User,
    now: datetime,
) -> WaitingDecision:
    if claim.version != version:
        raise ClaimMoved(claim_no=claim.claim_no, seen=version, current=claim.version)
    return WaitingDecision.objects.create(
        id=uuid7(now),
        claim_id=claim.pk,
        organisation_id=claim.organisation_id,
        claim_version=version,
        word=word,
        amount_minor=wanted.amount_minor if wanted else 0,
        stake_minor=stake,
        currency=claim.currency,
        details=details,
        reason_code=wanted.reason_code if wanted else "",
        clause=wanted.clause if wanted else "",
        clause_zh=wanted.clause_zh if wanted else "",
        explanation=wanted.explanation if wanted else "",
        proposed_by=user.username,
        proposed_at=now,
    )


def _carry_out(waiting: WaitingDecision, user: User, now: datetime, trace_id: str) -> None:
    if waiting.word == WaitingWord.ASK_AGAIN:
        asked = waiting.details
        again = Asked(
            items=asked["items"],
            message=asked["message"],
            message_zh=asked["message_zh"],
            answer_by=date.fromisoformat(asked["answer_by"]),
            why_not_before=asked["why_not_before"],
        )
        _ask(waiting.claim_id, waiting.claim_version, again, waiting.proposed_by, user.username, now, trace_id)
        return
    wanted = Wanted(
        word=DecisionWord(waiting.word),
        amount_minor=waiting.amount_minor,
        reason_code=waiting.reason_code,
        clause=waiting.clause,
        clause_zh=waiting.clause_zh,
        explanation=waiting.explanation,
        lines=waiting.details.get("lines", []),
    )
    confirmation_decide(
        claim_id=waiting.claim_id,
        version=waiting.claim_version,
        decision=_draft(wanted, waiting.proposed_by, user.username),
        now=now,
        trace_id=trace_id,
    )


def _draft(wanted: Wanted, by: str, seconded_by: str) -> DecisionDraft:
    return DecisionDraft(
        word=wanted.word,
        amount_minor=wanted.amount_minor,
        lines=[dict(one) for one in wanted.lines],
        reason_code=wanted.reason_code,
        clause=wanted.clause,
        clause_zh=wanted.clause_zh,
        explanation=wanted.explanation,
        by=by,
        seconded_by=seconded_by,
    )


def _ask(claim_id: UUID, version: int, asked: Asked, by: str, supervisor: str, now: datetime, trace_id: str) -> None:
    materials_request(
        claim_id=claim_id,
        version=version,
        stage=Stage.CONFIRMATION,
        items=[dict(one) for one in asked.items],
        message=asked.message,
        message_zh=asked.message_zh,
        answer_by=asked.answer_by,
        by=by,
        supervisor=supervisor,
        why_not_before=asked.why_not_before,
        now=now,
        trace_id=trace_id,
    )


def _waiting_locked(claim: Claim) -> WaitingDecision | None:
    """What waits for a second name; where the claim has moved since, it waits no more."""
    waiting = WaitingDecision.objects.select_for_update().filter(claim_id=claim.pk, closed_at__isnull=True).first()
    if waiting is not None and waiting.claim_version != claim.version:
        _close(waiting, WaitingOutcome.OVERTAKEN, claim.state_at)
        return None
    return waiting


def _open(waiting_id: UUID, user: User) -> WaitingDecision:
    waiting = (
        WaitingDecision.objects.select_for_update()
        .filter(pk=waiting_id, organisation_id=user.organisation_id, closed_at__isnull=True)
        .first()
    )
    if waiting is None:
        raise NotFound(noun="waiting decision", noun_zh="待复核决定", key=waiting_id)
    if not user.has_role(Role.INSURER_CLERK):
        raise Forbidden(subject="user", act="confirm decisions")
    return waiting


def _close(waiting: WaitingDecision, outcome: WaitingOutcome, now: datetime) -> WaitingDecision:
    waiting.outcome, waiting.closed_at = outcome, now
    waiting.save(update_fields=["outcome", "closed_at", "seconded_by"])
    return waiting
