"""Insurance products, who carries them, and their effective-dated terms."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from registry.states import TermsFlow, TermsState


class Product(models.Model):
    """A commercial cover that pays for listed drugs. All that changes over time stands in its Terms."""

    code = models.SlugField(max_length=40, primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The lead insurer."
    )
    administrator = models.ForeignKey(
        "accounts.Organisation",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The TPA that works its claims, if any.",
    )
    name = models.CharField(max_length=120)
    name_zh = models.CharField(max_length=120)
    summary = models.TextField(help_text="What it covers, in plain words.")
    summary_zh = models.TextField()
    time_zone = models.CharField(
        max_length=40, default="Asia/Shanghai", help_text="By whose calendar days are counted."
    )
    currency = models.CharField(max_length=3, default="CNY")
    offered_from = models.DateField()
    offered_until = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.code


class ProductShare(models.Model):
    """An insurer's part of every payable, in basis points. The shares of a product sum to 10,000; one leads."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="shares")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    basis_points = models.PositiveIntegerField()
    leads = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "organisation"], name="one_share_per_product_and_insurer"),
            models.UniqueConstraint(fields=["product"], condition=Q(leads=True), name="one_lead_per_product"),
            models.CheckConstraint(
                condition=Q(basis_points__gt=0, basis_points__lte=10_000), name="a_share_is_a_part_of_the_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.basis_points} of {self.product_id}"


class Terms(TermsFlow):
    """One version of a product's terms: lists, indications, checklists, every parameter. Read through registry.terms.

    Of the approved versions the one in force on a day is that with the latest `effective_from` not after it, and of
    those the highest number.
    """

    id = models.UUIDField(primary_key=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="terms")
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The product's lead insurer."
    )
    number = models.PositiveIntegerField()
    effective_from = models.DateField()
    body = models.JSONField(help_text="Validated by registry.terms.parse; fixed once approved.")
    note = models.TextField(default="", blank=True, help_text="What changes and why.")
    drafted_by = models.TextField()
    approved_by = models.TextField(default="", blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "number"], name="one_terms_per_product_and_number"),
            models.CheckConstraint(
                condition=~Q(state=TermsState.APPROVED) | (~Q(approved_by="") & ~Q(approved_by=models.F("drafted_by"))),
                name="terms_are_approved_by_another_person",
            ),
        ]
        indexes = [models.Index(fields=["product", "-effective_from", "-number"], name="terms_by_day")]

    def __str__(self) -> str:
        return f"{self.product_id} v{self.number}"
