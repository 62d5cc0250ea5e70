"""A pharmacy's way in: the chain's contract and account, each shop's licence, pharmacists, stock and board."""

from __future__ import annotations

from django.db import models

from pharmacies.states import EntryFlow


class Entry(EntryFlow):
    """One per chain and one per shop: `organisation` says which."""

    id = models.UUIDField(primary_key=True)
    organisation = models.OneToOneField("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"entry of {self.organisation_id}"


class EntryCondition(models.Model):
    """Something that has to be there, what was handed in, and who found it good."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="conditions")
    kind = models.CharField(max_length=30, help_text="CONTRACT, ACCOUNT, LICENCE, PHARMACISTS, STOCK.")
    verdict = models.CharField(max_length=12, default="MISSING", help_text="MISSING, HANDED_IN, GOOD, REFUSED.")
    evidence = models.CharField(max_length=200, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    checked_by = models.CharField(max_length=120, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "kind"], name="one_entry_condition_per_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.verdict}"
