"""What the pages read, through selectors only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import get_language

from accounts.models import User
from accounts.states import Role
from claims.models import Claim
from claims.selectors.claims import claims_visible_to

PAGE_ROWS = 50


def reader(request: HttpRequest) -> User:
    """The person who asks; the site has let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def in_chinese() -> bool:
    return (get_language() or "").startswith("zh")


def claim_shown(*, user: User, claim_id: UUID) -> Claim | None:
    """The claim, if the user's insurer is a party of it."""
    return claims_visible_to(user=user).filter(pk=claim_id).first()


def claims_matching(*, user: User, term: str) -> QuerySet[Claim]:
    """Those whose claim number, policy number or trace id is `term`."""
    found = Q(claim_no=term) | Q(policy__policy_no=term) | Q(trace_id=term)
    return claims_visible_to(user=user).filter(found).order_by("-submitted_at")


def decides(user: User, claim: Claim) -> bool:
    """Whether the user is of those who decide it: a clerk of the insurer that leads."""
    return user.has_role(Role.INSURER_CLERK) and claim.organisation_id == user.organisation_id


def address_with(parameters: Mapping[str, Any]) -> str:
    """The query string of `parameters`, without what is empty."""
    return "?" + urlencode({name: value for name, value in parameters.items() if value})
