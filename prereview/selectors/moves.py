"""What a reviewer may do with a claim now, and why not: the buttons of the bench."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from claims.selectors.alike import prereview_decision
from claims.states import ClaimState, Stage
from prereview.models import SecondLook
from prereview.selectors.desk import DECIDED, ask_of

if TYPE_CHECKING:
    from accounts.models import User
    from claims.models import Claim

REVIEW = ("pass", "ask", "investigate", "decline")


@dataclass(frozen=True, slots=True)
class Move:
    """`why_not` is empty, or take_first, held, own_decision, waits_for_supervisor."""

    act: str
    why_not: str = ""


def moves_of(*, claim: Claim, user: User, now: datetime) -> list[Move]:
    """The acts that the claim's state knows, in the order of the bar; paper originals come whatever the state."""
    return [*_by_state(claim, user, now), *([Move("paper")] if claim.paper_waits else [])]


def _by_state(claim: Claim, user: User, now: datetime) -> list[Move]:
    if claim.stage == Stage.PREREVIEW:
        if claim.state == ClaimState.IN_PREREVIEW:
            return _review(claim, user, now)
        if claim.state == ClaimState.INVESTIGATION:
            return [Move("investigated")]
        if claim.state == ClaimState.APPEALED:
            why_not = "own_decision" if _took_part(claim, user) else ""
            return [Move("reopen", why_not), Move("uphold", why_not)]
    if claim.re_review and claim.state in DECIDED and not SecondLook.objects.filter(claim_id=claim.pk).exists():
        if prereview_decision(claim=claim) is None:
            return []
        return [Move("look", "own_decision" if _took_part(claim, user) else "")]
    return []


def _review(claim: Claim, user: User, now: datetime) -> list[Move]:
    lease = getattr(claim, "lease", None)
    holder = lease.holder if lease is not None and lease.until > now else ""
    why_not = "" if holder == user.username else "held" if holder else "take_first"
    waits = not why_not and ask_of(claim_id=claim.pk) is not None
    return [Move(act, "waits_for_supervisor" if waits and act == "ask" else why_not) for act in REVIEW]


def _took_part(claim: Claim, user: User) -> bool:
    decision = prereview_decision(claim=claim)
    return decision is not None and user.username in (decision.by, decision.seconded_by)
