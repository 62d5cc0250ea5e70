"""What a person has agreed to, in which words, and what he took back. Append-only."""

from __future__ import annotations

from django.db import models

from patients.states import ConsentCode


class ConsentRecord(models.Model):
    """One act of agreeing or of taking it back; the latest of a code counts."""

    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    code = models.CharField(max_length=20, choices=ConsentCode)
    version = models.PositiveSmallIntegerField(help_text="Of the text.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the text in both languages.")
    given = models.BooleanField(help_text="False: taken back.")
    by = models.CharField(max_length=120)
    on_behalf = models.BooleanField(default=False, help_text="A guardian agreed.")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["person", "code", "-id"], name="consents_of_a_person")]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"
