"""What a patient wishes of the shop, and tries of codes that fit nothing."""

from __future__ import annotations

from django.db import models


class ShopWish(models.Model):
    """For one claim: shops in the patient's order, and the place to be near. The place is sealed under his key."""

    id = models.UUIDField(primary_key=True)
    claim = models.OneToOneField("claims.Claim", on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    shop_ids = models.JSONField(default=list, blank=True, help_text="Best first.")
    only_these = models.BooleanField(default=False, help_text="No other shop is asked.")
    sealed_place = models.BinaryField(null=True, blank=True, help_text="Millionths of degrees: latitude, longitude.")
    farthest_metres = models.PositiveIntegerField(help_text="Beyond it he is asked first.")
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=120)

    class Meta:
        verbose_name_plural = "shop wishes"

    def __str__(self) -> str:
        return f"wish for {self.claim_id}"


class CodeTry(models.Model):
    """Six digits that fitted no order of the shop: too many, and it waits. Append-only."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    by = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "code tries"
        indexes = [models.Index(fields=["organisation", "at"], name="code_tries_of_a_shop")]

    def __str__(self) -> str:
        return f"{self.by} at {self.at}"
