"""What a reviewer does to a claim: each act is one of claims.services, under his name and his right to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from accounts.services import audit_write
from accounts.states import OrganisationKind, Role
from claims.services.decisions import DecisionDraft
from claims.services.ends import appeal_decide
from claims.services.leases import lease_give_back, lease_take
from claims.services.materials import materials_request
from claims.services.originals import paper_receive
from claims.services.review import claim_investigate, investigation_end, prereview_decline, prereview_pass
from claims.states import DecisionWord, Stage
from core.errors import Forbidden, NotFound, Problem
from core.ids import uuid7
from prereview.models import AskWaiting
from prereview.selectors.desk import claim_before_us
from prereview.states import AskOutcome

if TYPE_CHECKING:
    from accounts.models import User
    from claims.models import Claim, ClaimLease, Decision, MaterialsRequest

REVIEWERS = (Role.REVIEWER, Role.REVIEW_SUPERVISOR)


class SupervisorOnly(Problem):
    code = "supervisor_only"
    status = 403
    title = "A supervisor decides that"
    detail = "A second request to the patient goes out under a supervisor's name, and not under the name of who asks."
    detail_zh = "再次要求补充材料须由主管签发，且不能与提出人为同一人。"
    fix = "Ask a supervisor of the pre-review."
    fix_zh = "请联系预审主管。"


class ReasonMissing(Problem):
    code = "reason_missing"
    status = 422
    title = "The reason is missing"
    detail = "A second request says why it was not in the first one."
    detail_zh = "再次要求补充材料须说明首次未提出的原因。"
    fix = "Write the reason; the patient was not asked anything."
    fix_zh = "请填写原因；尚未向申请人发送任何请求。"


@transaction.atomic
def review_take(*, claim_id: UUID, user: User, now: datetime) -> ClaimLease:
    """The claim is this reviewer's for a while, the person's data with it. Raises Forbidden, NotFound, ClaimHeld."""
    reviewer_check(user=user)
    lease = lease_take(
        claim_id=claim_id, stage=Stage.PREREVIEW, holder=user.username, holder_name=user.display_name, now=now
    )
    audit_write(
        actor=user.username,
        organisation_id=user.organisation_id,
        action="claim.opened",
        subject=str(claim_id),
        now=now,
    )
    return lease


def review_give_back(*, claim_id: UUID, user: User) -> None:
    """Others may take it."""
    reviewer_check(user=user)
    lease_give_back(claim_id=claim_id, holder=user.username)


@transaction.atomic
def review_pass(
    *,
    claim_id: UUID,
    version: int,
    amounts_minor: Mapping[int, int],
    clause: str,
    clause_zh: str,
    risk: str,
    explanation: str,
    user: User,
    now: datetime,
    trace_id: str,
) -> Decision:
    """Recommend, line by line: `amounts_minor` by line number; what is below the payable quotes its clause.

    Raises Forbidden, and what claims.services.review.prereview_pass raises.
    """
    reviewer_check(user=user)
    lines = [
        {"line_no": number, "amount_minor": amount, "clause": clause}
        for number, amount in sorted(amounts_minor.items())
    ]
    draft = DecisionDraft(
        word=DecisionWord.PASS,
        by=user.username,
        amount_minor=sum(amounts_minor.values()),
        lines=lines,
        clause=clause,
        clause_zh=clause_zh,
        explanation=explanation,
        risk=risk,
    )
    return prereview_pass(claim_id=claim_id, version=version, decision=draft, now=now, trace_id=trace_id)


@transaction.atomic
def review_decline(
    *,
    claim_id: UUID,
    version: int,
    reason_code: str,
    clause: str,
    clause_zh: str,
    explanation: str,
    user: User,
    now: datetime,
    trace_id: str,
) -> Decision:
    """A person declines, with the clause that the letter quotes.

    Raises Forbidden, and what claims.services.review.prereview_decline raises.
    """
    reviewer_check(user=user)
    draft = DecisionDraft(
        word=DecisionWord.DECLINE,
        by=user.username,
        reason_code=reason_code,
        clause=clause,
        clause_zh=clause_zh,
        explanation=explanation,
    )
    return prereview_decline(claim_id=claim_id, version=version, decision=draft, now=now, trace_id=trace_id)


@transaction.atomic
def review_ask(
    *,
    claim_id: UUID,
    version: int,
    items: Sequence[Mapping[str, str]],
    message: str,
    message_zh: str,
    answer_by: date,
    why_not_before: str = "",
    user: User,
    now: datetime,
    trace_id: str,
) -> MaterialsRequest | AskWaiting:
    """Ask the patient once. A second ask of the claim waits for a supervisor, with the reason.

    Raises Forbidden, NotFound, ReasonMissing, and what claims.services.materials.materials_request raises.
    """
    reviewer_check(user=user)
    claim = _before_us(claim_id)
    if not claim.materials_asked:
        return materials_request(
            claim_id=claim_id,
            version=version,
            stage=Stage.PREREVIEW,
            items=items,
            message=message,
            message_zh=message_zh,
            answer_by=answer_by,
            by=user.username,
            now=now,
            trace_id=trace_id,
        )
    if not why_not_before.strip():
        raise ReasonMissing
    for waiting in AskWaiting.objects.select_for_update().filter(claim_id=claim_id, outcome=""):
        _ended(waiting, AskOutcome.OVERTAKEN, user.username, now)
    return AskWaiting.objects.create(
        id=uuid7(now),
        claim_id=claim_id,
        claim_version=version,
        items=[dict(item) for item in items],
        message=message,
        message_zh=message_zh,
        answer_by=answer_by,
        why_not_before=why_not_before,
        proposed_by=user.username,
        proposed_at=now,
    )


@transaction.atomic
def ask_let_out(*, ask_id: UUID, user: User, now: datetime, trace_id: str) -> MaterialsRequest:
    """A supervisor lets a second ask out, under both names. Raises SupervisorOnly, NotFound, ClaimMoved when the claim
    has changed since, and what materials_request raises."""
    ask = _ask_locked(ask_id)
    if not user.has_role(Role.REVIEW_SUPERVISOR) or user.username == ask.proposed_by:
        raise SupervisorOnly
    request = materials_request(
        claim_id=ask.claim_id,
        version=ask.claim_version,
        stage=Stage.PREREVIEW,
        items=ask.items,
        message=ask.message,
        message_zh=ask.message_zh,
        answer_by=ask.answer_by,
        by=ask.proposed_by,
        supervisor=user.username,
        why_not_before=ask.why_not_before,
        now=now,
        trace_id=trace_id,
    )
    _ended(ask, AskOutcome.ASKED, user.username, now)
    return request


@transaction.atomic
def ask_refuse(*, ask_id: UUID, note: str, user: User, now: datetime) -> AskWaiting:
    """A supervisor does not let it out, or who proposed it takes it back. Raises SupervisorOnly, NotFound."""
    ask = _ask_locked(ask_id)
    own = user.username == ask.proposed_by
    if not own and not user.has_role(Role.REVIEW_SUPERVISOR):
        raise SupervisorOnly
    _ended(ask, AskOutcome.WITHDRAWN if own else AskOutcome.REFUSED, user.username, now, note=note)
    return ask


@transaction.atomic
def review_investigate(*, claim_id: UUID, version: int, reason: str, user: User, now: datetime, trace_id: str) -> Claim:
    """Something is looked into outside. Raises Forbidden, and what claim_investigate raises."""
    reviewer_check(user=user)
    return claim_investigate(
        claim_id=claim_id, version=version, reason=reason, by=user.username, now=now, trace_id=trace_id
    )


@transaction.atomic
def review_investigated(
    *, claim_id: UUID, version: int, finding: str, user: User, now: datetime, trace_id: str
) -> Claim:
    """Back before the pre-review, whose rules run again. Raises Forbidden, and what investigation_end raises."""
    reviewer_check(user=user)
    return investigation_end(
        claim_id=claim_id, version=version, finding=finding, by=user.username, now=now, trace_id=trace_id
    )


def review_paper(*, claim_id: UUID, version: int, courier_no: str, user: User, now: datetime, trace_id: str) -> Claim:
    """The paper originals have come. Raises Forbidden, and what claims.services.originals.paper_receive raises."""
    reviewer_check(user=user)
    return paper_receive(
        claim_id=claim_id, version=version, courier_no=courier_no, by=user.username, now=now, trace_id=trace_id
    )


@transaction.atomic
def review_appeal(
    *,
    claim_id: UUID,
    version: int,
    uphold: bool,
    clause: str,
    clause_zh: str,
    explanation: str,
    user: User,
    now: datetime,
    trace_id: str,
) -> Decision:
    """The appeal desk: what the pre-review has refused, before another person. Raises Forbidden, NotFound, and what
    claims.services.ends.appeal_decide raises: AppealByAnother for whoever took part."""
    reviewer_check(user=user)
    _before_us(claim_id)
    draft = DecisionDraft(
        word=DecisionWord.UPHOLD if uphold else DecisionWord.REOPEN,
        by=user.username,
        clause=clause,
        clause_zh=clause_zh,
        explanation=explanation,
    )
    return appeal_decide(claim_id=claim_id, version=version, uphold=uphold, decision=draft, now=now, trace_id=trace_id)


def reviewer_check(*, user: User) -> None:
    """The pre-review is the platform's: an administrator's reviewers work for their insurer. Raises Forbidden."""
    if not user.has_role(*REVIEWERS) or user.organisation.kind != OrganisationKind.PLATFORM:
        raise Forbidden(subject="user", act="review")


def _before_us(claim_id: UUID) -> Claim:
    claim = claim_before_us(claim_id=claim_id)
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    return claim


def _ask_locked(ask_id: UUID) -> AskWaiting:
    ask = AskWaiting.objects.select_for_update().filter(pk=ask_id, outcome="").first()
    if ask is None:
        raise NotFound(noun="waiting request", noun_zh="待签发的补充材料请求", key=ask_id)
    return ask


def _ended(ask: AskWaiting, outcome: AskOutcome, by: str, now: datetime, *, note: str = "") -> None:
    ask.outcome, ask.ended_by, ask.ended_at, ask.note = outcome, by, now, note
    ask.save(update_fields=["outcome", "ended_by", "ended_at", "note"])
