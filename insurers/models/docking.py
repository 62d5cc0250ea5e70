"""The SPI module `claim`: what was pushed to insurers, and what they sent us. Stored before anything is done."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from insurers.states import InboundOutcome, PushFlow, PushOutcome


class CallbackKey(models.Model):
    """A secret with which an insurer signs what it sends us. It verifies only: nothing of ours is signed with it."""

    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    key_id = models.CharField(max_length=40)
    sealed_secret = models.BinaryField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "key_id"], name="one_callback_key_per_id")]

    def __str__(self) -> str:
        return f"{self.organisation_id}/{self.key_id}"


class ClaimPush(PushFlow):
    """One claim put before one insurer's system. Its number is the same in every message, so it is taken once."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    interface = models.ForeignKey("exchange.InsurerInterface", on_delete=models.PROTECT, related_name="+")
    round = models.PositiveSmallIntegerField(help_text="How often the claim came to the insurer.")
    push_no = models.CharField(max_length=40, unique=True)
    sealed_content = models.BinaryField(help_text="What is pushed, fixed at the first message.")
    tries = models.PositiveIntegerField(default=0)
    case_no = models.CharField(max_length=80, blank=True, help_text="The insurer's own number of it.")
    refusal_code = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "claim pushes"
        constraints = [
            models.UniqueConstraint(fields=["claim", "round"], name="one_push_per_round"),
            models.UniqueConstraint(fields=["claim"], condition=Q(state="WAITING"), name="one_waiting_push_per_claim"),
        ]

    def __str__(self) -> str:
        return self.push_no


class PushMessage(models.Model):
    """One message of a push, stored before it is sent. Its outcome is written once."""

    id = models.UUIDField(primary_key=True)
    push = models.ForeignKey(ClaimPush, on_delete=models.PROTECT, related_name="messages")
    organisation_id = models.BigIntegerField()
    msgid = models.CharField(max_length=30, unique=True)
    armed_at = models.DateTimeField()
    deadline = models.DateTimeField()
    sealed_request = models.BinaryField()
    outcome = models.CharField(max_length=10, choices=PushOutcome, null=True)
    outcome_at = models.DateTimeField(null=True)
    outcome_reason = models.CharField(max_length=300, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    elapsed_ms = models.PositiveIntegerField(null=True)
    sealed_answer = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__isnull=True, outcome_at__isnull=True)
                | Q(outcome__isnull=False, outcome_at__isnull=False),
                name="a_push_outcome_has_its_time",
            )
        ]

    def __str__(self) -> str:
        return self.msgid


class InboundMessage(models.Model):
    """What came in an insurer's name, raw. Only what was verified has its message id to itself."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    module = models.CharField(max_length=20, default="claim")
    message_id = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the raw body.")
    sealed_message = models.BinaryField(help_text="Headers and raw body.")
    received_at = models.DateTimeField()
    verified = models.BooleanField()
    outcome = models.CharField(max_length=20, choices=InboundOutcome)
    outcome_code = models.CharField(max_length=60, blank=True)
    outcome_at = models.DateTimeField(null=True)
    decision_no = models.CharField(max_length=80, blank=True, help_text="The insurer's, once it was read.")
    claim = models.ForeignKey("claims.Claim", null=True, on_delete=models.PROTECT, related_name="+")
    trace_id = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "message_id"], condition=Q(verified=True), name="a_message_is_accepted_once"
            ),
            models.UniqueConstraint(
                fields=["organisation", "decision_no"],
                condition=Q(outcome=InboundOutcome.APPLIED),
                name="a_decision_number_is_applied_once",
            ),
        ]
        indexes = [models.Index(fields=["organisation", "-received_at"], name="inbound_of_an_insurer")]

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.message_id}"
