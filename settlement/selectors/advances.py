"""The only readers of advances for others: whose they are, how old what is open is, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Min, Q, QuerySet

from accounts.selectors import organisations_seen_by
from settlement.models import Advance, AdvanceMove, AdvanceWaiting, SettlementLeg
from settlement.states import AdvanceState

if TYPE_CHECKING:
    from accounts.models import User

AGES = (30, 60, 90)  # Days: up to the first, up to the second, ..., older.


@dataclass(frozen=True, slots=True)
class Ageing:
    """What is open with one insurer in one currency, minor units, by days since it was drawn: AGES, then older."""

    organisation_id: int
    currency: str
    buckets_minor: tuple[int, ...]
    oldest: datetime | None

    @property
    def open_minor(self) -> int:
        return sum(self.buckets_minor)


def advances_visible_to(*, user: User) -> QuerySet[Advance]:
    """Advances of the user's insurer; all for the platform. A pharmacy sees its legs, not the advance."""
    seen = organisations_seen_by(user=user)
    rows = Advance.objects.select_related("organisation", "pharmacy", "claim").order_by("-created_at", "-id")
    return rows if isinstance(seen, str) else rows.filter(organisation_id__in=seen)


def legs_visible_to(*, user: User) -> QuerySet[SettlementLeg]:
    """Legs of the user's organisations; all for the platform."""
    seen = organisations_seen_by(user=user)
    rows = SettlementLeg.objects.select_related("organisation", "claim").order_by("-created_at", "-id")
    return rows if isinstance(seen, str) else rows.filter(organisation_id__in=seen)


def moves_of(*, advance: Advance) -> list[AdvanceMove]:
    """Oldest first."""
    return list(advance.moves.order_by("at", "id"))


def advance_of_claim(*, claim_id: UUID) -> Advance | None:
    """The latest of the claim, if this database transaction sees it."""
    return Advance.objects.filter(claim_id=claim_id).order_by("-episode").first()


def legs_of_claim(*, claim_id: UUID) -> list[SettlementLeg]:
    """Oldest first; REVERSED ones too."""
    return list(SettlementLeg.objects.filter(claim_id=claim_id).order_by("created_at", "id"))


def waiting_visible_to(*, user: User) -> QuerySet[AdvanceWaiting]:
    """Claims whose money could not be held yet, the longest waiting first."""
    seen = organisations_seen_by(user=user)
    rows = AdvanceWaiting.objects.select_related("organisation", "claim").filter(closed_at__isnull=True)
    rows = rows.order_by("since")
    return rows if isinstance(seen, str) else rows.filter(organisation_id__in=seen)


def ageing(*, user: User, now: datetime) -> list[Ageing]:
    """What is open per insurer and currency: unconfirmed and receivable, by the day it was drawn."""
    seen = organisations_seen_by(user=user)
    rows = _open_advances()
    if not isinstance(seen, str):
        rows = rows.filter(organisation_id__in=seen)
    found: dict[tuple[int, str], list[int]] = {}
    oldest: dict[tuple[int, str], datetime] = {}
    for row in rows.order_by("drawn_at"):
        if row.drawn_at is None:
            continue
        key = (row.organisation_id, row.currency)
        days = (now - row.drawn_at).days
        at = next((at for at, most in enumerate(AGES) if days <= most), len(AGES))
        found.setdefault(key, [0] * (len(AGES) + 1))[at] += row.unconfirmed_minor + row.receivable_minor
        oldest.setdefault(key, row.drawn_at)
    return [Ageing(key[0], key[1], tuple(sums), oldest[key]) for key, sums in sorted(found.items())]


def overdue_of(*, organisation_id: int, days: int, now: datetime) -> tuple[int, datetime | None]:
    """How many advances of the insurer are open for more than `days`, and since when the oldest of them."""
    rows = _open_advances().filter(organisation_id=organisation_id, drawn_at__lt=now - timedelta(days=days))
    return rows.count(), rows.aggregate(oldest=Min("drawn_at"))["oldest"]


def _open_advances() -> QuerySet[Advance]:
    rows = Advance.objects.exclude(state__in=(AdvanceState.HELD, AdvanceState.RELEASED))
    return rows.filter(Q(unconfirmed_minor__gt=0) | Q(receivable_minor__gt=0)).filter(drawn_minor__gt=0)
