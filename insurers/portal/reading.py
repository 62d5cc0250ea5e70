"""What the pages read, through selectors only."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from accounts.states import Role
from claims.models import Claim
from claims.selectors.claims import claims_visible_to

PAGE_ROWS = 50


def claim_shown(*, user: User, claim_id: UUID) -> Claim | None:
    """The claim, if the user's insurer is a party of it."""
    return claims_visible_to(user=user).filter(pk=claim_id).first()


def decides(user: User, claim: Claim) -> bool:
    """Whether the user is of those who decide it: a clerk of the insurer that leads."""
    return user.has_role(Role.INSURER_CLERK) and claim.organisation_id == user.organisation_id
