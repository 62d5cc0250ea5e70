from __future__ import annotations

from django.db import models

from exchange.models.interface import InsurerInterface
from exchange.models.transaction import Transaction
from exchange.states import CallKind, CallOutcome


class Call(models.Model):
    """One outbound message, stored before it is sent. Its outcome is written once, by whoever has the answer."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="calls")
    interface = models.ForeignKey(InsurerInterface, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=CallKind)
    msgid = models.CharField(max_length=30, help_text="From a database sequence; never used twice.")
    armed_at = models.DateTimeField()
    send_before = models.DateTimeField(help_text="The process that armed it drops it, unsent, after this moment.")
    not_after = models.DateTimeField(help_text="The insurer must refuse it after this moment.")
    deadline = models.DateTimeField(help_text="After this moment no answer is waited for. Quiet time counts from here.")
    sealed_request = models.BinaryField()
    outcome = models.CharField(max_length=10, choices=CallOutcome, null=True)
    outcome_at = models.DateTimeField(null=True)
    outcome_reason = models.TextField(default="", blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    elapsed_ms = models.PositiveIntegerField(null=True)
    sealed_answer = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["msgid"], name="one_call_per_msgid"),
            models.CheckConstraint(
                condition=models.Q(outcome__isnull=True, outcome_at__isnull=True)
                | models.Q(outcome__isnull=False, outcome_at__isnull=False),
                name="an_outcome_has_its_time",
            ),
        ]
        indexes = [
            # The breaker reads the latest calls of an interface.
            models.Index(fields=["interface", "-armed_at"], name="calls_of_an_interface"),
        ]

    def __str__(self) -> str:
        return self.msgid
