"""What came in from insurers and to what it was matched; what nobody could match; what the insurers advised."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from settlement.models.bank import BankEntry
from settlement.models.legs import SettlementLeg
from settlement.models.statements import FeeCharge
from settlement.states import AllocationKind, AllocationWay


class RemittanceAdvice(models.Model):
    """What an insurer says a transfer is for, line by line. Taken once; `entry` is the transfer once it came."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    advice_no = models.CharField(max_length=40)
    reference = models.CharField(max_length=70, blank=True, help_text="Of the transfer, as the insurer gave it.")
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField(help_text="Of all lines, negative ones too: what is transferred.")
    file_sha256 = models.CharField(max_length=64, unique=True)
    entry = models.OneToOneField(BankEntry, null=True, on_delete=models.PROTECT, related_name="advice")
    received_at = models.DateTimeField()
    received_by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "advice_no"], name="one_advice_per_number"),
            models.CheckConstraint(condition=Q(total_minor__gt=0), name="an_advice_is_for_a_transfer"),
        ]

    def __str__(self) -> str:
        return self.advice_no


class AdviceLine(models.Model):
    """One leg of an advice; a negative amount takes back what was paid before. `fault`: why it was not booked."""

    id = models.UUIDField(primary_key=True)
    advice = models.ForeignKey(RemittanceAdvice, on_delete=models.PROTECT, related_name="lines")
    organisation_id = models.BigIntegerField(help_text="The advice's.")
    line_no = models.PositiveIntegerField()
    leg_no = models.CharField(max_length=40)
    amount_minor = models.BigIntegerField()
    fault = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["advice", "line_no"], name="one_advice_line_per_number"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="an_advice_line_is_an_amount"),
        ]

    def __str__(self) -> str:
        return f"line {self.line_no} of {self.advice_id}"


class Allocation(models.Model):
    """So much of a transfer is for this leg or fee. Append-only: undone by a row that points at it."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The insurer that owed it."
    )
    insurer = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="In whose book it is posted."
    )
    entry = models.ForeignKey(BankEntry, on_delete=models.PROTECT, related_name="allocations")
    leg = models.ForeignKey(SettlementLeg, null=True, on_delete=models.PROTECT, related_name="allocations")
    fee = models.ForeignKey(FeeCharge, null=True, on_delete=models.PROTECT, related_name="allocations")
    kind = models.CharField(max_length=10, choices=AllocationKind)
    way = models.CharField(max_length=10, choices=AllocationWay)
    amount_minor = models.BigIntegerField()
    undoes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="undone_by")
    allocated_on = models.DateField(help_text="In the platform's time zone; the day it is booked.")
    at = models.DateTimeField()
    by = models.CharField(max_length=120)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="an_allocation_is_an_amount"),
            models.CheckConstraint(
                condition=Q(leg__isnull=False, fee__isnull=True) | Q(leg__isnull=True, fee__isnull=False),
                name="an_allocation_is_for_a_leg_or_a_fee",
            ),
            models.CheckConstraint(
                condition=~(Q(way=AllocationWay.HAND) | Q(undoes__isnull=False)) | ~Q(reason=""),
                name="who_allocates_by_hand_says_why",
            ),
        ]
        indexes = [models.Index(fields=["organisation", "allocated_on"], name="allocations_of_an_insurer")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor}"

    @property
    def signed_minor(self) -> int:
        """By how much it lessens what is owed: a claw-back, or an undone collection, raises it."""
        lessens = (self.kind == AllocationKind.COLLECT) == (self.undoes_id is None)
        return self.amount_minor if lessens else -self.amount_minor


class SuspenseItem(models.Model):
    """What of a transfer nobody could match yet, why, and who looks at it. Closed when nothing is left."""

    entry = models.OneToOneField(BankEntry, primary_key=True, on_delete=models.PROTECT, related_name="suspense")
    book_insurer = models.ForeignKey(
        "accounts.Organisation",
        on_delete=models.PROTECT,
        related_name="+",
        help_text="In whose book it lies; the platform itself while the payer is unknown.",
    )
    reason = models.CharField(max_length=40)
    rest_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    owner = models.CharField(max_length=120, blank=True)
    since = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(rest_minor__gt=0, closed_at__isnull=True) | Q(rest_minor=0, closed_at__isnull=False),
                name="what_is_in_suspense_is_open",
            )
        ]
        indexes = [models.Index(fields=["since"], condition=Q(closed_at__isnull=True), name="suspense_by_age")]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.reason}"


class SetOff(models.Model):
    """What a pharmacy owes, taken off a leg that it was to be paid: a fee, or what it bears. Append-only."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The pharmacy chain."
    )
    insurer = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    leg = models.ForeignKey(SettlementLeg, on_delete=models.PROTECT, related_name="set_offs")
    fee = models.ForeignKey(FeeCharge, null=True, on_delete=models.PROTECT, related_name="set_offs")
    recovery = models.ForeignKey("settlement.Recovery", null=True, on_delete=models.PROTECT, related_name="set_offs")
    amount_minor = models.BigIntegerField()
    at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_set_off_is_an_amount"),
            models.CheckConstraint(
                condition=Q(fee__isnull=False, recovery__isnull=True) | Q(fee__isnull=True, recovery__isnull=False),
                name="a_set_off_is_for_a_fee_or_a_recovery",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} off {self.leg_id}"
