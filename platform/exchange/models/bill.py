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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "visit_no", "bill_no"], name="one_bill_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.visit_no}/{self.bill_no}"
