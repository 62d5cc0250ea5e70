"""What happened to a claim besides its changes of state, and the clocks that run on it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from claims.models.claim import Claim
from claims.states import ClockKind


class ClaimEvent(models.Model):
    """An entry of the timeline. Append-only; changes of state are read from core_transition beside it."""

    id = models.BigAutoField(primary_key=True)
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="events", db_index=False)
    kind = models.CharField(max_length=40, help_text="noun.verb, e.g. document.added")
    audience = models.JSONField(help_text="Codes of Audience that see it.")
    details = models.JSONField(default=dict, help_text="No personal data, no diagnosis.")
    by = models.CharField(max_length=120)
    on_behalf = models.BooleanField(default=False, help_text="A helper or guardian acted.")
    at = models.DateTimeField()
    trace_id = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["claim", "id"], name="timeline_of_a_claim")]

    def __str__(self) -> str:
        return self.kind


class ClaimClock(models.Model):
    """A statutory clock: paused while it is the patient's turn, late when `due_at` has passed unpaused."""

    claim = models.ForeignKey(Claim, on_delete=models.CASCADE, related_name="clocks")
    kind = models.CharField(max_length=15, choices=ClockKind)
    episode = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Moved on by the length of every pause.")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_seconds = models.PositiveIntegerField(default=0)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "kind", "episode"], name="one_clock_per_kind_and_episode")
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(stopped_at__isnull=True, paused_at__isnull=True), name="clocks_running"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.claim_id}"
