"""What the pages read, through selectors only, and in whose language they say it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.urls import reverse

from accounts.models import User
from claims.models import Claim
from claims.selectors.claims import claims_visible_to
from portal.acting import in_chinese
from portal.labels import label
from portal.site import PortalSite
from prereview.rules.reasons import found_in_words

if TYPE_CHECKING:
    from prereview.models import RuleResult


def claim_shown(*, user: User, claim_id: UUID) -> Claim | None:
    """The claim with all that the bench shows beside it."""
    related = ("prescription", "authorisation", "product__organisation", "lease")
    return claims_visible_to(user=user).select_related(*related).filter(pk=claim_id).first()


def finding_words(result: RuleResult, currency: str) -> str:
    """What a rule found, in the reader's language."""
    return found_in_words(
        result.evidence, chinese=in_chinese(), currency=currency, word=lambda code: str(label("document", code))
    )


def page_of(site: PortalSite, claim: Claim) -> str:
    return reverse(f"{site.name}:claim", args=[claim.pk])
