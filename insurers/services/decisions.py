"""The work behind an insurer's message: its decision carried out once, and an outcome for each way it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from claims.selectors.claims import claim_by_no
from claims.services.decisions import DecisionDraft
from claims.services.desk import ClaimHeld
from claims.services.materials import materials_request
from claims.services.review import confirmation_decide
from claims.states import ClaimState, DecisionWord, Stage
from core.crypto import unseal
from core.errors import Problem
from insurers.models import ClaimPush, InboundMessage
from insurers.services.confirming import waiting_overtake
from insurers.services.inbound import inbound_context
from insurers.services.pushes import push_proven
from insurers.spi.inbound import NotReadable, Told, ToldWord, decision_read
from insurers.states import InboundOutcome
from registry.selectors.products import product_day

if TYPE_CHECKING:
    from claims.models import Claim

ANSWER_WITHIN = timedelta(days=10)
WORDS = {
    ToldWord.APPROVE: DecisionWord.APPROVE,
    ToldWord.APPROVE_PARTLY: DecisionWord.APPROVE_PARTLY,
    ToldWord.DECLINE: DecisionWord.DECLINE,
}
# Refusals of the claim's own services that have an outcome of their own here; every other is NOT_POSSIBLE.
OUTCOMES = {
    "claim_withdrawn": InboundOutcome.CLAIM_WITHDRAWN,
    "decision_number_used": InboundOutcome.NUMBER_USED,
}


@dataclass(frozen=True, slots=True)
class Worked:
    """What a message came to. `code` says more where the outcome does not say all."""

    outcome: InboundOutcome
    code: str = ""
    decision_no: str = ""
    claim_id: UUID | None = None


def messages_work(*, message_keys: Sequence[UUID], now: datetime) -> set[UUID]:
    """Carry out what these messages say; each gets its outcome. Needs a transaction. Role worker.

    Returns those that have to wait, as a person has the claim open that they ask something of.
    """
    rows = InboundMessage.objects.select_for_update().filter(pk__in=message_keys).order_by("pk")
    held = set()
    for row in rows:
        if row.outcome != InboundOutcome.WAITING:
            continue
        worked = _work(row, now)
        if worked.code == ClaimHeld.code:
            held.add(row.pk)
        else:
            _close(row, worked, now)
    return held


def message_unworkable(*, message_key: UUID, fault: str, now: datetime) -> None:
    """A fault of ours stopped the work: the message keeps that outcome, nothing was decided."""
    row = InboundMessage.objects.select_for_update().filter(pk=message_key, outcome=InboundOutcome.WAITING).first()
    if row is not None:
        _close(row, Worked(InboundOutcome.NOT_POSSIBLE, fault[:60]), now)


def _close(row: InboundMessage, worked: Worked, now: datetime) -> None:
    row.outcome, row.outcome_code, row.outcome_at = worked.outcome, worked.code[:60], now
    row.decision_no, row.claim_id = worked.decision_no, worked.claim_id
    row.save(update_fields=["outcome", "outcome_code", "outcome_at", "decision_no", "claim"])


def _work(row: InboundMessage, now: datetime) -> Worked:
    raw = unseal(row.sealed_message, context=inbound_context(row.pk)).partition(b"\n")[2]
    try:
        told = decision_read(raw)
    except NotReadable as broken:
        return Worked(InboundOutcome.NOT_READABLE, broken.place)
    claim = claim_by_no(claim_no=told.claim_no)
    # Another insurer's claim is answered like one that does not exist.
    if claim is None or claim.organisation_id != row.organisation_id:
        return Worked(InboundOutcome.UNKNOWN_CLAIM, decision_no=told.decision_no)
    known = _known(row, told, claim)
    if known is not None:
        return known
    if claim.state == ClaimState.WITHDRAWN:
        return Worked(InboundOutcome.CLAIM_WITHDRAWN, "", told.decision_no, claim.pk)
    if told.currency != claim.currency:
        return Worked(InboundOutcome.NOT_POSSIBLE, "currency", told.decision_no, claim.pk)
    if not _of_this_round(told, claim):
        return Worked(InboundOutcome.NOT_POSSIBLE, "push_overtaken", told.decision_no, claim.pk)
    return _carry_out(row, told, claim, now)


def _known(row: InboundMessage, told: Told, claim: Claim) -> Worked | None:
    """The outcome of a number that was carried out before: the same again, or other content under it."""
    before = InboundMessage.objects.filter(
        organisation_id=row.organisation_id, decision_no=told.decision_no, outcome=InboundOutcome.APPLIED
    ).first()
    if before is None:
        return None
    same = before.digest == row.digest
    outcome = InboundOutcome.ALREADY_DECIDED if same else InboundOutcome.NUMBER_USED
    return Worked(outcome, "", told.decision_no, claim.pk)


def _of_this_round(told: Told, claim: Claim) -> bool:
    """Whether the message speaks of the latest push; one that names none is of what the claim is now."""
    if not told.push_no:
        return True
    latest = ClaimPush.objects.filter(claim_id=claim.pk).order_by("-round").first()
    return latest is not None and latest.push_no == told.push_no


def _carry_out(row: InboundMessage, told: Told, claim: Claim, now: datetime) -> Worked:
    by = f"insurer:{claim.organisation.code}"
    try:
        # A refusal of the claim's services undoes its own writes; the outcome is written all the same.
        with transaction.atomic():
            if told.word == ToldWord.NEED_MATERIALS:
                _ask(told, claim, by, now, row.trace_id)
            else:
                _decide(row, told, claim, by, now)
    except Problem as problem:
        outcome = OUTCOMES.get(problem.code, InboundOutcome.NOT_POSSIBLE)
        return Worked(outcome, problem.code, told.decision_no, claim.pk)
    waiting_overtake(claim_id=claim.pk, now=now)
    push_proven(claim_id=claim.pk, now=now)
    return Worked(InboundOutcome.APPLIED, "", told.decision_no, claim.pk)


def _decide(row: InboundMessage, told: Told, claim: Claim, by: str, now: datetime) -> None:
    confirmation_decide(
        claim_id=claim.pk,
        version=None,
        decision=DecisionDraft(
            word=WORDS[told.word],
            amount_minor=told.amount_minor,
            lines=[dict(one) for one in told.lines],
            reason_code=told.reason_code,
            clause=told.clause,
            clause_zh=told.clause_zh,
            explanation=told.explanation,
            external_no=told.decision_no,
            digest=row.digest,
            by=by,
        ),
        now=now,
        trace_id=row.trace_id,
    )


def _ask(told: Told, claim: Claim, by: str, now: datetime, trace_id: str) -> None:
    materials_request(
        claim_id=claim.pk,
        version=claim.version,
        stage=Stage.CONFIRMATION,
        items=[dict(one) for one in told.items],
        message=told.message,
        message_zh=told.message_zh,
        answer_by=product_day(product=claim.product, now=now + ANSWER_WITHIN),
        by=by,
        supervisor=told.supervisor,
        why_not_before=told.why_not_before,
        now=now,
        trace_id=trace_id,
    )
