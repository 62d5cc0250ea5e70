from __future__ import annotations

from django.db import models


class Bill(models.Model):
    """What the patient owes for one bill of a visit. Its row is the lock under which wishes for it are admitted."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    visit_no = models.TextField()
    bill_no = models.TextField()
    currency = models.CharField(max_length=3)
    requests = models.PositiveIntegerField(
        default=1, help_text="How many requests named it; counting them takes the lock."
    )
    created_at = models.DateTimeField()
    collected_minor = models.BigIntegerField(default=0, help_text="Sum of its self-payments.")
    refunded_minor = models.BigIntegerField(default=0, help_text="Sum of its refunds.")
    refund_due_minor = models.BigIntegerField(default=0)
    refund_due_since = models.DateTimeField(null=True)
    cash_short_minor = models.BigIntegerField(default=0, help_text="A refund that became too much.")
    unsquare_since = models.DateTimeField(null=True, help_text="At rest and yet not square, nor explained by a refund.")
    # What of the cash is recognised in the ledger as fees and as own share, and by which posting; see docs.
    cash_book = models.ForeignKey(
        "accounts.Organisation", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    recognised_fees_minor = models.BigIntegerField(default=0)
    recognised_own_minor = models.BigIntegerField(default=0)
    recognition_id = models.UUIDField(null=True, help_text="The ledger posting that says so.")
    recognition_no = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["organisation", "created_at"],
                condition=models.Q(refund_due_minor__gt=0)
                | models.Q(cash_short_minor__gt=0)
                | models.Q(unsquare_since__isnull=False),
                name="bills_that_are_not_right",
            ),
            models.Index(
                fields=["organisation", "created_at"],
                condition=models.Q(collected_minor__gt=models.F("refunded_minor")),
                name="bills_with_cash",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "visit_no", "bill_no"], name="one_bill_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.visit_no}/{self.bill_no}"
