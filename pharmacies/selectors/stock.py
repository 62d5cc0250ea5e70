"""What may be sold of what lies on the shelves."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import F, QuerySet, Sum

from core.clock import local_day
from pharmacies.models import StockLot


def lots_for_sale(*, now: datetime, days_left: int = 0) -> QuerySet[StockLot]:
    """Lots with something free that are good for `days_left` days more, today included. Ordered by nothing."""
    good_until = local_day(now) + timedelta(days=days_left)
    return StockLot.objects.filter(expires_on__gte=good_until, on_hand__gt=F("reserved"))


def free_units(
    *, drug_codes: Collection[str], now: datetime, days_left: int = 0, shop_ids: Collection[UUID] | None = None
) -> dict[tuple[UUID, str], int]:
    """Units by shop and drug that nobody has reserved, of lots that are good for so many days."""
    lots = lots_for_sale(now=now, days_left=days_left).filter(drug_id__in=drug_codes)
    if shop_ids is not None:
        lots = lots.filter(shop_id__in=shop_ids)
    counted = lots.values("shop_id", "drug_id").annotate(units=Sum(F("on_hand") - F("reserved")))
    return {(row["shop_id"], row["drug_id"]): row["units"] for row in counted.order_by()}


def lots_expiring(*, organisation_ids: Collection[int], until: date) -> list[StockLot]:
    """Lots of those shops with something on the shelf that end by `until`, the first to end first."""
    lots = StockLot.objects.filter(organisation_id__in=organisation_ids, expires_on__lte=until, on_hand__gt=0)
    return list(lots.order_by("expires_on", "pk"))
