"""Products and drugs, as everybody may read them. And a product's calendar."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from registry.models import Drug, Product, ProductShare


def product_day(*, product: Product, now: datetime) -> date:
    """The calendar day at `now` (aware) in the product's time zone: what its waiting days and lists go by."""
    return now.astimezone(ZoneInfo(product.time_zone)).date()


def products_offered(*, on: date) -> QuerySet[Product]:
    """What can be had on that day, by code."""
    still = Q(offered_until__isnull=True) | Q(offered_until__gte=on)
    return Product.objects.select_related("organisation").filter(still, offered_from__lte=on).order_by("code")


def product_by_code(*, code: str) -> Product | None:
    return Product.objects.select_related("organisation", "administrator").filter(code=code).first()


def shares_of(*, product: Product) -> list[ProductShare]:
    """Who carries it, the lead first, then by size."""
    return list(product.shares.select_related("organisation").order_by("-leads", "-basis_points", "organisation_id"))


def drugs_known(*, on: date) -> QuerySet[Drug]:
    """The catalogue without what is discontinued on that day, by code."""
    return Drug.objects.filter(Q(discontinued_on__isnull=True) | Q(discontinued_on__gt=on)).order_by("code")


def drug_by_code(*, code: str) -> Drug | None:
    return Drug.objects.filter(code=code).first()
