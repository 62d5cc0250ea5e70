"""Who signs in: a telephone number, and the person it belongs to once that was proven."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class PatientAccount(models.Model):
    """A verified number. Bound to a person it acts for him, as long as the registry has the same number for him."""

    id = models.UUIDField(primary_key=True)
    phone_index = models.BinaryField(unique=True)
    sealed_phone = models.BinaryField()
    person = models.OneToOneField("registry.Person", null=True, on_delete=models.PROTECT, related_name="+")
    bound_at = models.DateTimeField(null=True, blank=True)
    language = models.CharField(max_length=10, default="zh-hans")
    blocked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    signed_in_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=True) | Q(bound_at__isnull=False), name="a_bound_account_has_its_moment"
            )
        ]

    def __str__(self) -> str:
        return str(self.id)


class SignInCode(models.Model):
    """The one code that is valid for a number. Reached through the functions of the migration only."""

    phone_index = models.BinaryField(primary_key=True)
    digest = models.BinaryField(help_text="Keyed digest of number and code.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="codes_by_end")]

    def __str__(self) -> str:
        return f"until {self.expires_at}"
