"""Cash at the hospital's counter, as the hospital told it: taken without a verdict, and given back. Append-only."""

from __future__ import annotations

from django.db import models

from exchange.models.transaction import Transaction


class SelfPayment(models.Model):
    """Cash taken for a wish. Its state (stands, due back) is the bill's to say, never stored here."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="self_payments")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    collected_at = models.DateTimeField()
    tender = models.TextField(default="", blank=True)
    receipt_no = models.TextField(default="", blank=True)
    operator_no = models.TextField(default="", blank=True)
    shift_no = models.TextField(default="", blank=True, help_text="Whose till took it; else the wish's shift.")
    told_at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        indexes = [
            models.Index(
                fields=["organisation_id", "shift_no"], condition=~models.Q(shift_no=""), name="cash_of_a_shift"
            )
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="a_self_payment_is_positive"),
            models.UniqueConstraint(
                fields=["transaction", "receipt_no"],
                condition=~models.Q(receipt_no=""),
                name="one_self_payment_per_receipt",
            ),
            models.UniqueConstraint(
                fields=["transaction", "amount_minor"],
                condition=models.Q(receipt_no=""),
                name="one_self_payment_per_amount_without_receipt",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} {self.amount_minor}"


class Refund(models.Model):
    """Cash that the patient got back."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    refund_no = models.TextField()
    tender = models.TextField(default="", blank=True)
    original_tender_ref = models.TextField(default="", blank=True)
    red_receipt_no = models.TextField(default="", blank=True)
    operator_no = models.TextField(default="", blank=True)
    shift_no = models.TextField(default="", blank=True, help_text="Out of whose till it went; else the wish's shift.")
    told_at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        indexes = [
            models.Index(
                fields=["organisation_id", "shift_no"], condition=~models.Q(shift_no=""), name="refunds_of_a_shift"
            )
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="a_refund_is_positive"),
            models.UniqueConstraint(fields=["transaction", "refund_no"], name="one_refund_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} -{self.amount_minor}"
