"""What a person of an insurer may decide, and what waits for a second name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from accounts.selectors import organisations_seen_by
from core.row_security import EVERYTHING
from insurers.models import Authority, WaitingDecision

if TYPE_CHECKING:
    from accounts.models import User


def authority_of(*, user_id: int, product_code: str, drug_code: str, currency: str) -> Authority | None:
    """The line that counts for this person on this product and drug, or None: then he decides nothing.

    A line that names both comes first, then the product's, then the drug's, then the one for everything: a narrower
    line may allow less as well as more.
    """
    lines = Authority.objects.filter(
        Q(product_id=product_code) | Q(product__isnull=True),
        Q(drug_id=drug_code) | Q(drug__isnull=True),
        user_id=user_id,
        currency=currency,
        revoked_at__isnull=True,
    )
    return max(lines, key=lambda line: (line.product_id is not None, line.drug_id is not None), default=None)


def authorities_visible_to(*, user: User) -> QuerySet[Authority]:
    """The matrix of the user's insurer, as it stands."""
    seen = organisations_seen_by(user=user)
    lines = Authority.objects.filter(revoked_at__isnull=True).select_related("user", "product", "drug")
    lines = lines.order_by("user__username", "product_id", "drug_id")
    return lines if seen == EVERYTHING else lines.filter(organisation_id__in=seen)


def waiting_visible_to(*, user: User) -> QuerySet[WaitingDecision]:
    """Decisions of the user's insurer that wait for a second name, oldest first."""
    seen = organisations_seen_by(user=user)
    rows = WaitingDecision.objects.filter(closed_at__isnull=True).select_related("claim").order_by("proposed_at")
    return rows if seen == EVERYTHING else rows.filter(organisation_id__in=seen)
