"""Where an insurer stands on its way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from accounts.selectors import organisations_seen_by
from core.row_security import EVERYTHING
from insurers.models import Onboarding

if TYPE_CHECKING:
    from accounts.models import User


def onboardings_visible_to(*, user: User) -> QuerySet[Onboarding]:
    """The application of the user's insurer; all of them for the platform's staff."""
    seen = organisations_seen_by(user=user)
    rows = Onboarding.objects.select_related("organisation").order_by("applied_at")
    return rows if seen == EVERYTHING else rows.filter(organisation_id__in=seen)
