"""Policies, the persons on them, and the files they came in."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from registry.models.persons import Person
from registry.models.products import Product
from registry.states import PolicyState, Relation


class Policy(models.Model):
    """One contract of an insurer."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="policies")
    policy_no = models.CharField(max_length=60)
    state = models.CharField(max_length=10, choices=PolicyState, default=PolicyState.IN_FORCE)
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="The last day of cover.")
    first_started_on = models.DateField(help_text="Of the unbroken row of renewals: waiting days count from here.")
    sum_insured_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="CNY")
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "policy_no"], name="one_policy_per_insurer_and_number"),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="a_policy_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(first_started_on__lte=F("starts_on")), name="a_renewal_starts_after_the_first"
            ),
            models.CheckConstraint(condition=Q(sum_insured_minor__gt=0), name="a_policy_insures_something"),
        ]

    def __str__(self) -> str:
        return self.policy_no


class PolicyMember(models.Model):
    """A person insured by a policy."""

    id = models.UUIDField(primary_key=True)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="members")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="memberships")
    relation = models.CharField(max_length=10, choices=Relation, default=Relation.SELF)
    pre_existing = models.BooleanField(default=False, help_text="Illness known before cover: another ratio may apply.")
    basic_insurance = models.BooleanField(default=True, help_text="Is in a basic medical-insurance scheme.")
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "person"], name="a_person_is_on_a_policy_once")]

    def __str__(self) -> str:
        return f"{self.person_id} on {self.policy_id}"


class PolicyImport(models.Model):
    """A file of policies: read whole, each bad row told with its number, taken only as a whole. Append-only."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    dry_run = models.BooleanField()
    rows = models.PositiveIntegerField()
    taken = models.PositiveIntegerField()
    errors = models.JSONField(default=list, help_text="[{row, column, code, text, text_zh}], at most 200.")
    totals = models.JSONField(default=dict, help_text="Control totals as counted, and as the sender gave them.")
    by = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "digest"],
                condition=Q(dry_run=False, taken__gt=0),
                name="a_file_is_taken_once",
            )
        ]

    def __str__(self) -> str:
        return self.file_name
