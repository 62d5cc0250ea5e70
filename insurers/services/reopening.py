"""Looking into a claim, looking anew at what was decided, and answering an appeal against the insurer's decision."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from claims.services.decisions import DecisionDraft
from claims.services.ends import appeal_decide, claim_reopen
from claims.services.review import claim_investigate, investigation_end
from claims.states import DecisionWord, Stage
from insurers.services.desk import DecisionUnclear, alone_over, authority_over, claim_of

if TYPE_CHECKING:
    from accounts.models import User
    from claims.models import Claim


@transaction.atomic
def investigation_begin(*, claim_id: UUID, version: int, reason: str, user: User, now: datetime, trace_id: str) -> None:
    """Something is looked into outside. Raises as claim_investigate, NoAuthority."""
    claim = _own_turn(claim_id, user)
    authority_over(claim, user)
    claim_investigate(claim_id=claim.pk, version=version, reason=reason, by=user.username, now=now, trace_id=trace_id)


@transaction.atomic
def investigation_close(
    *, claim_id: UUID, version: int, finding: str, user: User, now: datetime, trace_id: str
) -> None:
    """Back to the insurer's desk. Raises as investigation_end, NoAuthority."""
    claim = _own_turn(claim_id, user)
    authority_over(claim, user)
    investigation_end(claim_id=claim.pk, version=version, finding=finding, by=user.username, now=now, trace_id=trace_id)


@transaction.atomic
def decided_reopen(*, claim_id: UUID, version: int, reason: str, user: User, now: datetime, trace_id: str) -> None:
    """Look anew at what was decided, by somebody who could decide it alone. Raises NoAuthority, as claim_reopen."""
    claim = _own_turn(claim_id, user)
    alone_over(claim, user)
    claim_reopen(claim_id=claim.pk, version=version, reason=reason, by=user.username, now=now, trace_id=trace_id)


@transaction.atomic
def appeal_answer(
    *, claim_id: UUID, version: int, uphold: bool, explanation: str, user: User, now: datetime, trace_id: str
) -> None:
    """The word on an appeal against the insurer's decision, by another person than those of the decision.

    Raises DecisionUnclear, NoAuthority, and as appeal_decide.
    """
    claim = _own_turn(claim_id, user)
    alone_over(claim, user)
    word = DecisionWord.UPHOLD if uphold else DecisionWord.REOPEN
    appeal_decide(
        claim_id=claim.pk,
        version=version,
        uphold=uphold,
        decision=DecisionDraft(word=word, explanation=explanation, by=user.username),
        now=now,
        trace_id=trace_id,
    )


def _own_turn(claim_id: UUID, user: User) -> Claim:
    claim = claim_of(claim_id, user)
    if claim.stage != Stage.CONFIRMATION:
        raise DecisionUnclear(
            explanation="The claim is in the hands of the pre-review.", explanation_zh="该理赔由预审方处理。"
        )
    return claim
