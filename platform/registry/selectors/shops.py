"""Shops: which are open on a day, what they charge, and how far they are."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import date
from uuid import UUID

from django.db.models import F, Q

from registry.models import Shop, ShopDrug

EARTH_METRES = 6_371_000


def shop_by_id(*, shop_id: UUID) -> Shop | None:
    return Shop.objects.filter(pk=shop_id).first()


def shop_of_organisation(*, organisation_id: int) -> Shop | None:
    return Shop.objects.filter(organisation_id=organisation_id).first()


def shops_open_on(*, day: date) -> list[Shop]:
    """Shops that take orders on that day: opened, not closed, licensed through it."""
    open_then = Q(open_since__lte=day, licence_until__gte=day) & (Q(closed_since=None) | Q(closed_since__gt=day))
    return list(Shop.objects.filter(open_then).select_related("organisation").order_by("pk"))


def shop_prices(
    *, shop_ids: Collection[UUID], drug_codes: Collection[str], currency: str | None = None
) -> dict[tuple[UUID, str], ShopDrug]:
    """What those shops charge for those drugs, by shop and drug; with `currency`, for drugs sold in it alone."""
    rows = ShopDrug.objects.filter(shop_id__in=shop_ids, drug_id__in=drug_codes)
    if currency is not None:
        rows = rows.filter(drug__currency=currency)
    return {(row.shop_id, row.drug_id): row for row in rows}


def drugs_of_skus(*, shop_id: UUID) -> dict[str, str]:
    """The catalogue's code for each of the shop's own numbers."""
    return dict(ShopDrug.objects.filter(shop_id=shop_id).values_list("sku", F("drug_id")))


def distance_metres(*, latitude_micro: int, longitude_micro: int, shop: Shop) -> int:
    """As the crow flies, in whole metres."""
    here, there = math.radians(latitude_micro / 1e6), math.radians(shop.latitude_micro / 1e6)
    across = math.radians((shop.longitude_micro - longitude_micro) / 1e6)
    half = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(across / 2) ** 2
    return round(2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, half))))
