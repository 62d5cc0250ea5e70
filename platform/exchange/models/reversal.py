"""How a transaction that must not stand is undone, and who rules where no machine can tell."""

from __future__ import annotations

from django.db import models

from exchange.models.transaction import Transaction
from exchange.states import Cause, Decision, ReversalEnd


class Reversal(models.Model):
    """One undoing of an act whose result one side does not know, or that must not stand. Tried by REVERSE calls."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="reversals")
    episode = models.PositiveSmallIntegerField(help_text="The transaction's when it was begun.")
    cause = models.CharField(max_length=12, choices=Cause)
    by = models.TextField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=12, choices=ReversalEnd, default="", blank=True)
    undone_settlement_no = models.TextField(
        default="", blank=True, help_text="The settlement that the accepting answer named."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction"],
                condition=models.Q(closed_at__isnull=True),
                name="one_open_reversal_per_transaction",
            ),
            models.UniqueConstraint(
                fields=["transaction", "episode"],
                condition=models.Q(end=ReversalEnd.ACCEPTED),
                name="one_accepted_reversal_per_settlement",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True, end="")
                | models.Q(closed_at__isnull=False) & ~models.Q(end=""),
                name="a_closed_reversal_says_how",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} #{self.episode}"


class Ruling(models.Model):
    """What two persons say of a transaction that needs them; one of the two is of the back office."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="rulings")
    decision = models.CharField(max_length=12, choices=Decision)
    amounts = models.JSONField(
        null=True, help_text="With SUCCEEDED: fund, account, hospital and cash in minor units, settlement_no."
    )
    reason = models.TextField()
    proposed_by = models.TextField()
    proposed_at = models.DateTimeField()
    seconded_by = models.TextField(default="", blank=True)
    closed_at = models.DateTimeField(null=True)
    withdrawn = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction"],
                condition=models.Q(closed_at__isnull=True),
                name="one_open_ruling_per_transaction",
            ),
            models.CheckConstraint(
                condition=models.Q(seconded_by="") | ~models.Q(seconded_by=models.F("proposed_by")),
                name="nobody_seconds_himself",
            ),
            models.CheckConstraint(
                condition=~models.Q(closed_at__isnull=False, withdrawn=False, seconded_by=""),
                name="an_applied_ruling_has_two_names",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} {self.decision}"


class Resettlement(models.Model):
    """A partial refund of a fee that can be cancelled only whole: a cancel, then a settle for the rest."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    cancel = models.OneToOneField(Transaction, on_delete=models.PROTECT, related_name="+")
    rest = models.OneToOneField(Transaction, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.cancel_id} -> {self.rest_id}"
