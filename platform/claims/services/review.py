"""The review of a claim: the only writers of its moves from pre-review to the insurer's word.

Each act in five beats: lock, check, move, rows, announce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from claims.models import Claim, Decision
from claims.services.benefits import claim_benefits_release, claim_benefits_use
from claims.services.clocks import clock_extend, clock_start, clocks_stop
from claims.services.decisions import DecisionDraft, DecisionInvalid, decision_check, decision_known, decision_write
from claims.services.desk import (
    REVIEWERS,
    claim_lock,
    claim_to_stage,
    event_write,
    lease_end,
    lease_respect,
    move,
    state_check,
    version_check,
    write,
)
from claims.services.grants import cycle_authorised
from claims.services.jobs import PUSH, claim_hand_on
from claims.states import ClaimState, ClockKind, DecisionWord, RiskGrade, Stage
from core.errors import Conflict
from registry.selectors.terms import terms_read
from registry.states import ConfirmationMode
from registry.terms import TermsOfProduct

DECIDED = (ClaimState.CONFIRMED, ClaimState.PARTLY_CONFIRMED, ClaimState.DECLINED, ClaimState.CLOSED)


class ClaimDecided(Conflict):
    code = "claim_decided"
    title = "Decided already"
    detail = "Claim {claim_no} is {state} already; another decision cannot follow."
    detail_zh = "理赔申请 {claim_no} 已有决定（{state}），不能再次决定。"
    fix = "Reopen the claim first, then decide anew."
    fix_zh = "请先重新打开该申请，再作新的决定。"


@transaction.atomic
def prereview_begin(
    *,
    claim_id: UUID,
    by: str,
    now: datetime,
    trace_id: str,
    risk: str = "",
    risk_reasons: Sequence[Mapping[str, Any]] = (),
    re_review: bool = False,
) -> Claim:
    """Taken into the pre-review: SUBMITTED or REOPENED becomes IN_PREREVIEW. Grade and draw may come along.

    Raises NotFound, ClaimStateRefuses, ClaimWithdrawn.
    """
    claim = claim_lock(claim_id=claim_id)
    # The patient's answer and the end of an investigation bring a claim back by acts of their own.
    state_check(claim, ClaimState.SUBMITTED, ClaimState.REOPENED, act="prereview.begin")
    claim.stage = Stage.PREREVIEW
    if risk:
        claim.risk, claim.risk_reasons, claim.re_review = RiskGrade(risk), list(risk_reasons), re_review
    move(claim, claim.take_into_prereview, act="prereview.begin", by=by, now=now, trace_id=trace_id)
    event_write(claim, "prereview.began", by=by, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def claim_grade(
    *,
    claim_id: UUID,
    risk: str,
    risk_reasons: Sequence[Mapping[str, Any]],
    re_review: bool,
    by: str,
    now: datetime,
    trace_id: str,
) -> Claim:
    """The risk grade of rules that ran again; the claim stays where it is. Raises NotFound, ClaimStateRefuses."""
    claim = claim_lock(claim_id=claim_id)
    state_check(claim, ClaimState.IN_PREREVIEW, act="claim.grade")
    claim.risk, claim.risk_reasons, claim.re_review = RiskGrade(risk), list(risk_reasons), re_review
    write(claim, ["risk", "risk_reasons", "re_review"], by=by, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def prereview_pass(*, claim_id: UUID, version: int, decision: DecisionDraft, now: datetime, trace_id: str) -> Decision:
    """Recommend `decision.amount_minor`, then go on by the product's confirmation mode.

    DELEGATED within its limit: CONFIRMED at once. Else with the insurer, and a job `insurers.claim_push`.
    Raises NotFound, ClaimMoved, ClaimHeld, ClaimStateRefuses, ClaimWithdrawn, DecisionInvalid.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    state_check(claim, ClaimState.IN_PREREVIEW, act="prereview.pass")
    lease_respect(claim=claim, by=decision.by, now=now)
    _word(decision, DecisionWord.PASS)
    decision_check(claim=claim, draft=decision)
    if decision.amount_minor == 0 or (decision.amount_minor < claim.payable_minor and not decision.clause.strip()):
        raise DecisionInvalid(
            explanation="Less than the payable quotes its clause, and nothing at all is a refusal.",
            explanation_zh="推荐金额低于应付金额须引用条款；金额为零应按拒绝处理。",
        )
    claim.recommended_minor = decision.amount_minor
    claim.risk = decision.risk or claim.risk
    move(claim, claim.pass_prereview, act="prereview.pass", by=decision.by, now=now, trace_id=trace_id)
    row = decision_write(claim=claim, draft=decision, stage=Stage.PREREVIEW, now=now)
    lease_end(claim)
    event_write(claim, "prereview.passed", by=decision.by, now=now, trace_id=trace_id)
    if _delegated(claim):
        _confirm_delegated(claim, decision, now=now, trace_id=trace_id)
    else:
        claim.stage = Stage.CONFIRMATION
        move(claim, claim.take_into_confirmation, act="confirmation.begin", by=decision.by, now=now, trace_id=trace_id)
        claim_hand_on(kind=PUSH, claim=claim, now=now)
    return row


@transaction.atomic
def prereview_decline(
    *, claim_id: UUID, version: int, decision: DecisionDraft, now: datetime, trace_id: str
) -> Decision:
    """A person declines with a clause; what was held of the benefits is free again, the appeal clock runs.

    Raises NotFound, ClaimMoved, ClaimHeld, ClaimStateRefuses, ClaimWithdrawn, DecisionInvalid.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    state_check(claim, ClaimState.IN_PREREVIEW, act="prereview.decline")
    lease_respect(claim=claim, by=decision.by, now=now)
    _word(decision, DecisionWord.DECLINE)
    decision_check(claim=claim, draft=decision)
    claim.recommended_minor, claim.decided_at = 0, now
    claim.risk = decision.risk or claim.risk
    move(claim, claim.decline_in_prereview, act="prereview.decline", by=decision.by, now=now, trace_id=trace_id)
    row = decision_write(claim=claim, draft=decision, stage=Stage.PREREVIEW, now=now)
    _refused(claim, "prereview.declined", row, now=now, trace_id=trace_id)
    return row


@transaction.atomic
def confirmation_decide(
    *, claim_id: UUID, version: int | None, decision: DecisionDraft, now: datetime, trace_id: str
) -> Decision:
    """The insurer's word: APPROVE (at least the recommended), APPROVE_PARTLY (less, with clause) or DECLINE.

    `version` is None for a message of the insurer's system, which goes by `external_no`: the same number with the same
    content again changes nothing and returns the stored row. A lease binds people only.
    Raises NotFound, ClaimMoved, ClaimHeld, ClaimWithdrawn, ClaimDecided, ClaimStateRefuses, DecisionInvalid,
    DecisionNumberUsed.
    """
    claim = claim_lock(claim_id=claim_id)
    stored = decision_known(claim=claim, draft=decision)
    if stored is not None:
        return stored
    version_check(claim, version)
    if claim.state in DECIDED:
        raise ClaimDecided(claim_no=claim.claim_no, state=claim.state)
    # CONFIRMED is reached from PREREVIEW_PASSED too, but by delegation only.
    state_check(claim, ClaimState.IN_CONFIRMATION, act="confirmation.decide")
    if decision.external_no is None:
        lease_respect(claim=claim, by=decision.by, now=now)
    _word(decision, DecisionWord.APPROVE, DecisionWord.APPROVE_PARTLY, DecisionWord.DECLINE)
    decision_check(claim=claim, draft=decision)
    _amount_fits(claim, decision)
    claim.confirmed_minor, claim.decided_at = decision.amount_minor, now
    step = {
        DecisionWord.APPROVE: claim.confirm,
        DecisionWord.APPROVE_PARTLY: claim.confirm_partly,
        DecisionWord.DECLINE: claim.decline,
    }[decision.word]
    move(claim, step, act="confirmation.decide", by=decision.by, now=now, trace_id=trace_id)
    row = decision_write(claim=claim, draft=decision, stage=Stage.CONFIRMATION, now=now)
    if decision.word == DecisionWord.DECLINE:
        _refused(claim, "confirmation.declined", row, now=now, trace_id=trace_id)
    else:
        _confirmed(claim, row, now=now, trace_id=trace_id)
    return row


@transaction.atomic
def claim_investigate(*, claim_id: UUID, version: int, reason: str, by: str, now: datetime, trace_id: str) -> Claim:
    """Something is looked into outside: the longer statutory clock of complex claims counts from now on.

    `reason` has no personal data and no diagnosis: it stands in the history. Raises as `prereview_pass`.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    lease_respect(claim=claim, by=by, now=now)
    move(claim, claim.investigate, act="claim.investigate", by=by, now=now, trace_id=trace_id, reason=reason)
    lease_end(claim)
    clock_extend(claim=claim, kind=ClockKind.DECIDE, days=_terms(claim).decide_complex_within_days)
    event_write(claim, "investigation.began", audience=REVIEWERS, by=by, now=now, trace_id=trace_id)
    return claim


@transaction.atomic
def investigation_end(*, claim_id: UUID, version: int, finding: str, by: str, now: datetime, trace_id: str) -> Claim:
    """Back to whose stage it was; pre-review runs its rules again. Raises as `claim_investigate`."""
    claim = claim_lock(claim_id=claim_id, version=version)
    state_check(claim, ClaimState.INVESTIGATION, act="investigation.end")
    claim_to_stage(claim, act="investigation.end", by=by, now=now, trace_id=trace_id, reason=finding)
    event_write(claim, "investigation.ended", audience=REVIEWERS, by=by, now=now, trace_id=trace_id)
    return claim


def _word(decision: DecisionDraft, *allowed: DecisionWord) -> None:
    if decision.word not in allowed:
        raise DecisionInvalid(
            explanation=f"{decision.word} is not a word of this decision.", explanation_zh="该决定用语不适用于此处。"
        )


def _amount_fits(claim: Claim, decision: DecisionDraft) -> None:
    recommended = claim.recommended_minor if claim.recommended_minor is not None else claim.payable_minor
    amount = decision.amount_minor
    fits = {
        DecisionWord.APPROVE: amount >= recommended > 0,
        DecisionWord.APPROVE_PARTLY: 0 < amount < recommended,
        DecisionWord.DECLINE: amount == 0,
    }[decision.word]
    if not fits:
        raise DecisionInvalid(
            explanation=f"{decision.word} does not go with {amount}: {recommended} was recommended (minor units).",
            explanation_zh=f"{decision.word} 与金额 {amount} 不符：推荐金额为 {recommended}（最小货币单位）。",
        )


def _terms(claim: Claim) -> TermsOfProduct:
    if claim.terms is None:
        raise RuntimeError(f"claim {claim.claim_no} was filed without terms")
    return terms_read(terms=claim.terms)


def _delegated(claim: Claim) -> bool:
    recommended = claim.recommended_minor or 0
    within = recommended <= _terms(claim).delegated_limit_minor
    return claim.confirmation_mode == ConfirmationMode.DELEGATED and within and not claim.re_review


def _confirm_delegated(claim: Claim, decision: DecisionDraft, *, now: datetime, trace_id: str) -> None:
    claim.confirmed_minor, claim.decided_at = decision.amount_minor, now
    claim.stage = Stage.CONFIRMATION
    move(claim, claim.confirm, act="confirmation.delegated", by=decision.by, now=now, trace_id=trace_id)
    bound = DecisionDraft(
        word=DecisionWord.APPROVE,
        by=decision.by,
        amount_minor=decision.amount_minor,
        lines=decision.lines,
        risk=decision.risk,
        seconded_by=decision.seconded_by,
    )
    row = decision_write(claim=claim, draft=bound, stage=Stage.CONFIRMATION, now=now, delegated=True)
    _confirmed(claim, row, now=now, trace_id=trace_id)


def _confirmed(claim: Claim, row: Decision, *, now: datetime, trace_id: str) -> None:
    claim_benefits_use(claim=claim, by=row.by, now=now)
    before = claim.authorisation_id
    cycle_authorised(claim=claim, terms=_terms(claim), by=row.by, now=now, trace_id=trace_id)
    if claim.authorisation_id != before:
        write(claim, ["authorisation"], by=row.by, now=now, trace_id=trace_id)
    lease_end(claim)
    clocks_stop(claim=claim, kinds=(ClockKind.DECIDE,), now=now)
    clock_start(claim=claim, kind=ClockKind.PAY, days=_terms(claim).pay_within_days, now=now)
    partly = row.word == DecisionWord.APPROVE_PARTLY
    if partly:
        _appealable(claim, now=now)
    kind = "confirmation.partly_confirmed" if partly else "confirmation.confirmed"
    event_write(claim, kind, details={"delegated": row.delegated}, by=row.by, now=now, trace_id=trace_id)


def _refused(claim: Claim, kind: str, row: Decision, *, now: datetime, trace_id: str) -> None:
    claim_benefits_release(claim=claim, by=row.by, now=now)
    lease_end(claim)
    clocks_stop(claim=claim, kinds=(ClockKind.DECIDE,), now=now)
    _appealable(claim, now=now)
    event_write(claim, kind, details={"reason_code": row.reason_code}, by=row.by, now=now, trace_id=trace_id)


def _appealable(claim: Claim, *, now: datetime) -> None:
    terms = _terms(claim)
    clock_start(claim=claim, kind=ClockKind.REFUSAL_LETTER, days=terms.refusal_letter_within_days, now=now)
    clock_start(claim=claim, kind=ClockKind.APPEAL, days=terms.appeal_within_days, now=now)
