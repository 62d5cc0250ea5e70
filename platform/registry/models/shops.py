"""Pharmacies where patients get their drugs: master data that claims, orders and patients point down to."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from registry.models.drugs import Drug


class Shop(models.Model):
    """One counter. Its organisation is of kind pharmacy_shop, whose parent is the chain that holds contract and
    account."""

    id = models.UUIDField(primary_key=True)
    organisation = models.OneToOneField("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    name_zh = models.CharField(max_length=120)
    address = models.CharField(max_length=200)
    phone = models.CharField(max_length=30, blank=True)
    latitude_micro = models.IntegerField(help_text="Millionths of a degree, north positive.")
    longitude_micro = models.IntegerField(help_text="Millionths of a degree, east positive.")
    licence_no = models.CharField(max_length=60)
    licence_until = models.DateField()
    cold_chain = models.BooleanField(default=False)
    infusion = models.BooleanField(default=False, help_text="Gives infusions itself.")
    delivers = models.BooleanField(default=False)
    basic_insurance = models.BooleanField(
        default=False, help_text="Dual-channel: settles basic insurance through job A."
    )
    basic_scheme = models.CharField(
        max_length=20, default="", blank=True, help_text="Scheme its basic insurance is routed by."
    )
    basic_region = models.CharField(
        max_length=20, default="", blank=True, help_text="Administrative division it is routed by."
    )
    opens_minute = models.PositiveSmallIntegerField(default=8 * 60, help_text="Of the local day.")
    closes_minute = models.PositiveSmallIntegerField(default=20 * 60)
    orders_at_once = models.PositiveSmallIntegerField(default=20, help_text="Open orders it works at a time.")
    open_since = models.DateField(null=True, blank=True, help_text="Takes orders from this day on.")
    closed_since = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(latitude_micro__gte=-90_000_000, latitude_micro__lte=90_000_000)
                & Q(longitude_micro__gte=-180_000_000, longitude_micro__lte=180_000_000),
                name="a_shop_is_on_earth",
            ),
            models.CheckConstraint(
                condition=Q(basic_insurance=False) | ~Q(basic_scheme=""), name="a_dual_channel_shop_has_its_scheme"
            ),
            models.CheckConstraint(
                condition=Q(closes_minute__gt=F("opens_minute")), name="a_shop_closes_after_it_opens"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ShopDrug(models.Model):
    """A shop's own number and price of a drug. The price of an order is fixed when the shop accepts it."""

    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="drugs")
    drug = models.ForeignKey(Drug, on_delete=models.PROTECT, related_name="+")
    sku = models.CharField(max_length=60)
    price_minor = models.BigIntegerField(help_text="Per unit of the drug.")
    price_source = models.CharField(max_length=80, help_text="Where the price is from: contract, list and its day.")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "drug"], name="one_price_per_shop_and_drug"),
            models.UniqueConstraint(fields=["shop", "sku"], name="one_drug_per_shop_and_sku"),
            models.CheckConstraint(condition=Q(price_minor__gt=0), name="a_shop_has_its_price"),
        ]

    def __str__(self) -> str:
        return f"{self.sku} of {self.shop_id}"
