"""The back office's desk: day lists and their cases, shifts, slips, and who is on call."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from exchange.models.transaction import Transaction


class BackOffice(models.Model):
    """How a hospital's back office works."""

    organisation = models.OneToOneField("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    four_eyes_minor = models.BigIntegerField(
        default=100_000, help_text="From this amount on a second person confirms an act of the portal."
    )
    on_call = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who owns what needs a person from now on.",
    )

    def __str__(self) -> str:
        return f"back office {self.organisation_id}"


class DeskAct(models.Model):
    """An act of the portal that waits for a second person, as it moves more than one may move alone.

    Nothing of it counts before it is seconded; then it is applied in that commit.
    """

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="desk_acts")
    act = models.CharField(max_length=20, help_text="disown, refunded or service-cancelled.")
    values = models.JSONField(help_text="The act's members, as the listener would take them. No personal data.")
    amount_minor = models.BigIntegerField(help_text="What is at stake.")
    currency = models.CharField(max_length=3)
    proposed_by = models.TextField()
    proposed_at = models.DateTimeField()
    seconded_by = models.TextField(default="", blank=True)
    closed_at = models.DateTimeField(null=True)
    withdrawn = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "act"],
                condition=models.Q(closed_at__isnull=True),
                name="one_waiting_act_of_a_kind_per_transaction",
            ),
            models.CheckConstraint(
                condition=models.Q(seconded_by="") | ~models.Q(seconded_by=models.F("proposed_by")),
                name="nobody_seconds_his_own_act",
            ),
            models.CheckConstraint(
                condition=~models.Q(closed_at__isnull=False, withdrawn=False, seconded_by=""),
                name="an_applied_act_has_two_names",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organisation_id"], condition=models.Q(closed_at__isnull=True), name="desk_acts_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} {self.act}"


class DayList(models.Model):
    """One version of a hospital's own list of a business day. The latest version counts; none is deleted."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    business_date = models.DateField(help_text="In the hospital's time zone.")
    version = models.PositiveIntegerField()
    digest = models.BinaryField()
    rows = models.JSONField(help_text="[{his_no, visit_no, bill_no, shares, tender, operator, shift, ...}]")
    signed_by = models.TextField(default="", blank=True)
    second_by = models.TextField(default="", blank=True, help_text="The second name that replaces a signed list.")
    signed_at = models.DateTimeField(null=True)
    as_of = models.DateTimeField(null=True, help_text="What was settled later is not held against this list.")
    received_at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "business_date", "version"], name="one_day_list_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.business_date} v{self.version}"


class DayCase(models.Model):
    """One difference between a hospital's list of a day and ours. Found again it is the same; gone it is closed."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    business_date = models.DateField()
    kind = models.CharField(max_length=24)
    his_no = models.TextField()
    transaction = models.ForeignKey(Transaction, null=True, on_delete=models.PROTECT, related_name="+")
    details = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "business_date", "kind", "his_no"], name="one_case_per_difference"
            )
        ]

    def __str__(self) -> str:
        return f"{self.business_date} {self.kind} {self.his_no}"


class ShiftClose(models.Model):
    """A cashier's shift as it was closed: the till's totals, and what ours were at that moment. Once per shift."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    shift_no = models.TextField()
    digest = models.BinaryField()
    totals = models.JSONField(help_text="What the till told.")
    result = models.JSONField(help_text="settled, refused, unknown by name, refund due, difference.")
    closed_at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "shift_no"], name="one_close_per_shift")]

    def __str__(self) -> str:
        return self.shift_no


class Slip(models.Model):
    """A paper for the patient of a pending bill. Its token opens a page without names, hospital or amount."""

    token = models.CharField(primary_key=True, max_length=43, help_text="256 random bits, URL-safe.")
    organisation_id = models.BigIntegerField()
    transaction = models.OneToOneField(Transaction, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"slip of {self.transaction_id}"
