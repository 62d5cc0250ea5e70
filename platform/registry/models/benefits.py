"""What of deductible and caps is used. The platform is master of this benefit while no insurer's core is asked."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from registry.models.persons import Person
from registry.models.policies import Policy
from registry.states import BenefitKind, BenefitMoveKind


class BenefitAccount(models.Model):
    """The running count of one benefit of one person on one policy in one policy year. Locked by whoever draws on it.

    `limit_minor` follows the terms of the day; a deductible's limit is how much of it is to be eaten.
    """

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="benefits")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=BenefitKind)
    key = models.CharField(max_length=60, default="", blank=True, help_text="Drug code or category, else empty.")
    year_from = models.DateField(help_text="First day of the policy year; of the sum insured: the policy's first.")
    limit_minor = models.BigIntegerField()
    held_minor = models.BigIntegerField(default=0)
    used_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, default="CNY")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "person", "kind", "key", "year_from"], name="one_count_per_benefit_and_year"
            ),
            models.CheckConstraint(condition=Q(held_minor__gte=0, used_minor__gte=0), name="a_count_is_not_negative"),
            models.CheckConstraint(
                condition=Q(limit_minor__gte=F("held_minor") + F("used_minor")), name="no_benefit_beyond_its_limit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class BenefitMove(models.Model):
    """One change of a count, with its cause: the account is the sum of its moves. Append-only."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(BenefitAccount, on_delete=models.PROTECT, related_name="moves")
    organisation_id = models.BigIntegerField()
    cause_id = models.UUIDField(help_text="The claim, or the import row.")
    kind = models.CharField(max_length=10, choices=BenefitMoveKind)
    episode = models.PositiveSmallIntegerField(default=1, help_text="How often that has happened to the cause.")
    amount_minor = models.BigIntegerField()
    at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "cause_id", "kind", "episode"], name="one_benefit_move_per_cause"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_benefit_move_moves_something"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor}"
