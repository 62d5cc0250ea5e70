"""Who may act for a person by his own wish."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from patients.models.accounts import PatientAccount


class HelperGrant(models.Model):
    """Invited by number, in force once the owner of that number has accepted, until a day. It only ever ends."""

    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    helper_phone_index = models.BinaryField()
    sealed_name = models.BinaryField(help_text="What the patient calls the helper.")
    helper = models.ForeignKey(PatientAccount, null=True, on_delete=models.PROTECT, related_name="grants")
    scopes = models.JSONField(help_text="Codes of HelperScope; SEE is always among them.")
    mandate_digest = models.CharField(max_length=64, help_text="SHA-256 of the text that was agreed to.")
    until = models.DateField(help_text="The last day.")
    invited_by = models.CharField(max_length=120)
    invited_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "helper_phone_index"],
                condition=Q(ended_at__isnull=True),
                name="one_open_grant_per_person_and_helper",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(helper__isnull=False), name="an_accepted_grant_has_its_helper"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("invited_at")), name="a_grant_ends_later"
            ),
        ]
        indexes = [models.Index(fields=["helper_phone_index"], name="grants_by_number")]

    def __str__(self) -> str:
        return str(self.id)
