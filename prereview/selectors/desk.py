"""What lies on the pre-review's desk. Platform staff only: row security shows other askers nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F, QuerySet

from claims.selectors.alike import claims_of_stage, prereview_decision
from claims.selectors.claims import claim_by_id
from claims.states import ClaimState, Stage
from prereview.models import AskWaiting, SecondLook

if TYPE_CHECKING:
    from claims.models import Claim, Decision

S = ClaimState
BUCKETS: dict[str, tuple[ClaimState, ...]] = {
    "open": (S.SUBMITTED, S.IN_PREREVIEW, S.REOPENED),
    "asked": (S.MATERIALS_REQUESTED,),
    "investigation": (S.INVESTIGATION,),
    "appeals": (S.APPEALED,),
}
DECIDED = (S.PREREVIEW_PASSED, S.IN_CONFIRMATION, S.CONFIRMED, S.PARTLY_CONFIRMED, S.DECLINED, S.PREREVIEW_DECLINED)


def claim_before_us(*, claim_id: UUID) -> Claim | None:
    """A filed claim that is the pre-review's."""
    claim = claim_by_id(claim_id=claim_id)
    return claim if claim is not None and claim.stage == Stage.PREREVIEW and claim.terms_id is not None else None


def bucket(name: str) -> QuerySet[Claim]:
    """The claims of a bucket, urgent ones first, then the oldest."""
    rows = claims_of_stage(stage=Stage.PREREVIEW).filter(state__in=BUCKETS[name])
    return rows.order_by("-urgent", "submitted_at", "pk")


def asks_waiting() -> QuerySet[AskWaiting]:
    """Second asks that no supervisor has looked at, oldest first. One whose claim has moved since waits for nobody."""
    live = AskWaiting.objects.select_related("claim", "claim__drug").filter(
        outcome="", claim_version=F("claim__version")
    )
    return live.order_by("proposed_at")


def ask_waiting(*, ask_id: UUID) -> AskWaiting | None:
    return asks_waiting().filter(pk=ask_id).first()


def ask_of(*, claim_id: UUID) -> AskWaiting | None:
    """The second ask of the claim that waits for a supervisor."""
    return asks_waiting().filter(claim_id=claim_id).first()


def drawn() -> QuerySet[Claim]:
    """Claims whose decision was drawn for a second look that nobody has taken, the oldest decision first."""
    looked = SecondLook.objects.values("claim_id")
    rows = claims_of_stage(stage=None).filter(re_review=True, state__in=DECIDED)
    return rows.filter(decisions__stage=Stage.PREREVIEW).exclude(pk__in=looked).distinct().order_by("state_at", "pk")


def decision_drawn(*, claim_id: UUID) -> Decision | None:
    """The pre-review's last decision on a claim that was drawn."""
    claim = claim_by_id(claim_id=claim_id)
    return prereview_decision(claim=claim) if claim is not None and claim.re_review else None


def looks_of(*, claim_id: UUID) -> QuerySet[SecondLook]:
    return SecondLook.objects.filter(claim_id=claim_id).order_by("at")
