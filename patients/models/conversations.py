"""What a patient and the seat of customer service say to each other."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from patients.states import Side, Topic


class Conversation(models.Model):
    """`waiting_since`: a patient's word that nobody has answered yet."""

    id = models.UUIDField(primary_key=True)
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    claim = models.ForeignKey("claims.Claim", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    topic = models.CharField(max_length=20, choices=Topic)
    opened_by = models.CharField(max_length=120)
    opened_at = models.DateTimeField()
    waiting_since = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(waiting_since__isnull=True),
                name="nobody_waits_behind_a_closed_door",
            )
        ]
        indexes = [
            models.Index(fields=["person", "-id"], name="conversations_of_a_person"),
            models.Index(
                fields=["waiting_since"], condition=Q(waiting_since__isnull=False), name="conversations_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.id}"


class Message(models.Model):
    """One utterance, sealed under the person's key. Append-only."""

    id = models.UUIDField(primary_key=True)
    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="messages")
    side = models.CharField(max_length=10, choices=Side)
    by = models.CharField(max_length=120)
    on_behalf = models.BooleanField(default=False)
    sealed_text = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["conversation", "id"], name="messages_of_a_conversation")]

    def __str__(self) -> str:
        return str(self.id)
