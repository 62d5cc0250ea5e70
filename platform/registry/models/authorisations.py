"""What a patient may get for how long, and what a doctor has prescribed."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from registry.models.drugs import Drug
from registry.models.persons import Person
from registry.models.policies import Policy
from registry.states import AuthorisationFlow, DocumentKind


class Authorisation(AuthorisationFlow):
    """用药授权: drug, regimen, cycles. Each claim is one cycle of it."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The lead insurer."
    )
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="authorisations")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="authorisations")
    drug = models.ForeignKey(Drug, on_delete=models.PROTECT, related_name="+")
    icd10 = models.CharField(max_length=10)
    regimen = models.CharField(max_length=200)
    cycles = models.PositiveSmallIntegerField()
    quantity_per_cycle = models.PositiveSmallIntegerField(help_text="Units of the drug.")
    days_per_cycle = models.PositiveSmallIntegerField()
    valid_from = models.DateField()
    valid_until = models.DateField()
    re_evaluate_after_cycles = models.PositiveSmallIntegerField()
    dose_change_basis_points = models.PositiveIntegerField(default=0, help_text="Change of quantity without a new one.")
    charity_paid_cycles = models.PositiveSmallIntegerField(default=0, help_text="Paid n, free m: n.")
    charity_free_cycles = models.PositiveSmallIntegerField(default=0, help_text="Paid n, free m: m.")
    cycles_used = models.PositiveSmallIntegerField(default=0)
    last_supply_on = models.DateField(null=True, blank=True, help_text="Last pick-up, charity boxes included.")
    last_supply_days = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until__gte=F("valid_from")), name="an_authorisation_ends_after_it_starts"
            ),
            models.CheckConstraint(condition=Q(cycles_used__lte=F("cycles")), name="no_cycle_beyond_the_last"),
            models.UniqueConstraint(
                fields=["policy", "person", "drug"], condition=~Q(state="ENDED"), name="one_running_authorisation_each"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Prescription(models.Model):
    """What a doctor prescribed. The same paper cannot be stored twice."""

    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="prescriptions")
    source = models.CharField(max_length=80, help_text="The hospital, or the prescription centre it came from.")
    number = models.CharField(max_length=60)
    doctor = models.CharField(max_length=80)
    specialist = models.BooleanField(default=False)
    drug = models.ForeignKey(Drug, on_delete=models.PROTECT, related_name="+")
    icd10 = models.CharField(max_length=10)
    quantity = models.PositiveSmallIntegerField()
    days_of_supply = models.PositiveSmallIntegerField()
    issued_on = models.DateField()
    valid_until = models.DateField()
    repeats = models.PositiveSmallIntegerField(default=0, help_text="How often it may be filled again.")
    minimum_interval_days = models.PositiveSmallIntegerField(default=0)
    filled = models.PositiveSmallIntegerField(default=0)
    last_filled_on = models.DateField(null=True, blank=True)
    document_kind = models.CharField(max_length=30, choices=DocumentKind, default=DocumentKind.PRESCRIPTION)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="one_prescription_per_source_and_number"),
            models.CheckConstraint(condition=Q(valid_until__gte=F("issued_on")), name="a_prescription_ends_later"),
            models.CheckConstraint(condition=Q(filled__lte=F("repeats") + 1), name="not_filled_beyond_its_repeats"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.number}"
