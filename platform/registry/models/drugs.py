"""The master drug catalogue, owned by operations."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Drug(models.Model):
    """One pack of one drug. Shops map their own numbers and prices to it; lists and caps are a product's terms."""

    code = models.SlugField(max_length=40, primary_key=True, help_text="Stable code of ours, e.g. TRAST-440.")
    national_code = models.CharField(max_length=40, help_text="National drug code.")
    generic_name = models.CharField(max_length=120)
    generic_name_zh = models.CharField(max_length=120)
    brand = models.CharField(max_length=120)
    brand_zh = models.CharField(max_length=120)
    specification = models.CharField(max_length=80, help_text="E.g. 440 mg x 1 vial.")
    unit = models.CharField(max_length=20, default="box")
    origin = models.CharField(max_length=80, blank=True, help_text="Maker or country, where a list asks for it.")
    cold_chain = models.BooleanField(default=False)
    infusion_only = models.BooleanField(default=False)
    reference_price_minor = models.BigIntegerField(help_text="Per unit, minor units; terms and shops may say else.")
    currency = models.CharField(max_length=3, default="CNY")
    discontinued_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["national_code"], name="one_drug_per_national_code"),
            models.CheckConstraint(condition=Q(reference_price_minor__gt=0), name="a_drug_has_a_price"),
        ]

    def __str__(self) -> str:
        return self.code
