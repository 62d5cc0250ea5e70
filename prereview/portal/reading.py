"""What the pages read, through selectors only, and in whose language they say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language

from accounts.models import User
from claims.models import Claim
from claims.selectors.claims import claims_visible_to
from core.errors import Problem
from portal.labels import label
from portal.site import PortalSite
from prereview.rules.reasons import found_in_words

if TYPE_CHECKING:
    from prereview.models import RuleResult


def reader(request: HttpRequest) -> User:
    """The person who asks; the site has let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def chinese() -> bool:
    return (get_language() or "").startswith("zh")


def claim_shown(*, user: User, claim_id: UUID) -> Claim | None:
    """The claim with all that the bench shows beside it."""
    related = ("prescription", "authorisation", "product__organisation", "lease")
    return claims_visible_to(user=user).select_related(*related).filter(pk=claim_id).first()


def claims_matching(*, user: User, term: str) -> QuerySet[Claim]:
    """Those whose number, policy number, trace id or transaction of this claim is `term`."""
    found = Q(claim_no__iexact=term) | Q(policy__policy_no=term) | Q(trace_id=term)
    return claims_visible_to(user=user).filter(found).order_by("-submitted_at")


def finding_words(result: RuleResult, currency: str) -> str:
    """What a rule found, in the reader's language."""
    return found_in_words(
        result.evidence, chinese=chinese(), currency=currency, word=lambda code: str(label("document", code))
    )


def told(problem: Problem) -> tuple[str, str]:
    """Cause and remedy in the reader's language."""
    ending = "_zh" if chinese() else ""
    return problem.text(f"detail{ending}"), problem.text(f"fix{ending}")


def back_of(site: PortalSite, wanted: str, claim: Claim | None) -> str:
    """The page of this portal to return to; anything else in the form leads to the claim."""
    home = site.address("index")
    if wanted.startswith(home) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return home if claim is None else reverse(f"{site.name}:claim", args=[claim.pk])


def version_of(values: Mapping[str, Any]) -> int:
    """The version that a form was shown with; -1, which no row has, for nonsense."""
    text = str(values.get("version", ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
