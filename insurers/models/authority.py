"""Who at an insurer may decide what, and decisions that wait for a second name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from insurers.states import WaitingOutcome, WaitingWord


class Authority(models.Model):
    """A line of the authority matrix. The line that names most of (product, drug) counts; amounts in minor units."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    product = models.ForeignKey(
        "registry.Product", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: all."
    )
    drug = models.ForeignKey(
        "registry.Drug", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: all."
    )
    alone_minor = models.BigIntegerField(help_text="What is at stake may be so much when he decides alone.")
    second_minor = models.BigIntegerField(help_text="And so much when he confirms a colleague's decision.")
    currency = models.CharField(max_length=3, default="CNY")
    granted_by = models.CharField(max_length=120)
    granted_at = models.DateTimeField()
    revoked_by = models.CharField(max_length=120, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "authorities"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "product", "drug", "currency"],
                condition=Q(revoked_at__isnull=True),
                nulls_distinct=False,
                name="one_authority_per_person_and_scope",
            ),
            models.CheckConstraint(
                condition=Q(alone_minor__gte=0, second_minor__gte=0), name="an_authority_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.product_id or '*'} {self.drug_id or '*'}"


class WaitingDecision(models.Model):
    """A decision above what its maker may decide alone. Nothing of it counts before another person confirmed it."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    claim_version = models.PositiveIntegerField(help_text="As it was seen; another version and it is overtaken.")
    word = models.CharField(max_length=15, choices=WaitingWord)
    amount_minor = models.BigIntegerField()
    stake_minor = models.BigIntegerField(help_text="What the second name's authority is held against.")
    currency = models.CharField(max_length=3)
    details = models.JSONField(default=dict, help_text="lines of a decision, or what is asked for. No diagnosis.")
    reason_code = models.CharField(max_length=40, blank=True)
    clause = models.TextField(blank=True)
    clause_zh = models.TextField(blank=True)
    explanation = models.TextField(blank=True)
    proposed_by = models.CharField(max_length=120)
    proposed_at = models.DateTimeField()
    seconded_by = models.CharField(max_length=120, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=WaitingOutcome, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["claim"], condition=Q(closed_at__isnull=True), name="one_waiting_decision_per_claim"
            ),
            models.CheckConstraint(
                condition=Q(seconded_by="") | ~Q(seconded_by=F("proposed_by")), name="nobody_seconds_his_own_decision"
            ),
            models.CheckConstraint(
                condition=~Q(outcome="COUNTED") | ~Q(seconded_by=""), name="a_decision_that_counted_has_two_names"
            ),
        ]
        indexes = [models.Index(fields=["organisation"], condition=Q(closed_at__isnull=True), name="decisions_waiting")]

    def __str__(self) -> str:
        return f"{self.word} on {self.claim_id}"
