"""What lies in suspense and how old it is; advices as their insurers see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from accounts.selectors import Seen
from settlement.models import RemittanceAdvice, SuspenseItem


@dataclass(frozen=True, slots=True)
class Suspended:
    """A transfer of which `rest_minor` is matched to nothing, for `age_days` whole days; nobody's while `owner` is
    empty."""

    entry_id: UUID
    bank_reference: str
    book: str
    reason: str
    rest_minor: int
    currency: str
    owner: str
    age_days: int


def suspense_open(*, seen: Seen, now: datetime) -> list[Suspended]:
    """What is in suspense, the oldest first: the platform's to see, as it may be anybody's money."""
    if not isinstance(seen, str):
        return []
    rows = SuspenseItem.objects.filter(closed_at__isnull=True).select_related("entry", "book_insurer").order_by("since")
    return [
        Suspended(
            entry_id=row.entry_id,
            bank_reference=row.entry.bank_reference,
            book=row.book_insurer.code,
            reason=row.reason,
            rest_minor=row.rest_minor,
            currency=row.currency,
            owner=row.owner,
            age_days=(now - row.since).days,
        )
        for row in rows
    ]


def advices_visible(*, seen: Seen) -> QuerySet[RemittanceAdvice]:
    """Advices of the caller's organisations with their lines, the latest first; all for the platform."""
    rows = RemittanceAdvice.objects.select_related("organisation").prefetch_related("lines").order_by("-received_at")
    return rows if isinstance(seen, str) else rows.filter(organisation_id__in=seen)
