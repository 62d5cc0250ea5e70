"""How an insurer comes in: its application, what it has to show, the modules it opens."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from insurers.states import ConditionKind, ConditionVerdict, Module, OnboardingFlow, OnboardingState, StageGrantSource


class Onboarding(OnboardingFlow):
    """One insurer's way in."""

    id = models.UUIDField(primary_key=True)
    organisation = models.OneToOneField("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    state_before = models.CharField(
        max_length=20, choices=OnboardingState, blank=True, help_text="Where a suspension leads back to."
    )
    applied_by = models.CharField(max_length=120)
    applied_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"onboarding of {self.organisation_id}"


class Condition(models.Model):
    """One thing to be shown. Whoever handed it in cannot be the one who finds it good."""

    id = models.UUIDField(primary_key=True)
    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="conditions")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=ConditionKind)
    verdict = models.CharField(max_length=10, choices=ConditionVerdict, default=ConditionVerdict.MISSING)
    reference = models.CharField(max_length=200, blank=True, help_text="Number of the paper. No secrets.")
    valid_until = models.DateField(null=True, blank=True)
    handed_in_by = models.CharField(max_length=120, blank=True)
    handed_in_at = models.DateTimeField(null=True, blank=True)
    checked_by = models.CharField(max_length=120, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    why = models.CharField(max_length=500, blank=True, help_text="Why it was refused.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["onboarding", "kind"], name="one_condition_per_kind"),
            models.CheckConstraint(
                condition=~Q(verdict__in=("MET", "REFUSED")) | (~Q(checked_by="") & ~Q(checked_by=F("handed_in_by"))),
                name="nobody_checks_what_he_handed_in",
            ),
            models.CheckConstraint(condition=~Q(verdict="REFUSED") | ~Q(why=""), name="a_refused_condition_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.onboarding_id}"


class OpenedModule(models.Model):
    """A module of the SPI that an insurer has switched on, in one version. Closed, never deleted."""

    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="modules")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    module = models.CharField(max_length=20, choices=Module)
    version = models.PositiveSmallIntegerField(default=1)
    opened_by = models.CharField(max_length=120)
    opened_at = models.DateTimeField()
    closed_by = models.CharField(max_length=120, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "module"], condition=Q(closed_at__isnull=True), name="a_module_is_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.module} of {self.organisation_id}"


class StageGrant(models.Model):
    """What a step beyond the sandbox rests on. Append-only."""

    id = models.UUIDField(primary_key=True)
    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="grants")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=20, choices=OnboardingState)
    source = models.CharField(max_length=20, choices=StageGrantSource)
    by = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(stage__in=("CERTIFIED", "LIVE")), name="only_later_stages_are_granted")
        ]

    def __str__(self) -> str:
        return f"{self.stage} by {self.source}"
