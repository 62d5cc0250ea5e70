"""Fees by agreement, and the statements that a counterparty confirms or disputes line by line. Minor units."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from settlement.models.legs import SettlementLeg
from settlement.states import CounterpartyRole, FeeKind, LineAnswer, StatementFlow, StatementLineKind


class FeeCharge(models.Model):
    """One fee that a counterparty owes the platform, with its VAT. Append-only: undone by a row that points at it."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="Who owes it."
    )
    insurer = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="In whose book it is posted."
    )
    contract = models.ForeignKey("settlement.Contract", on_delete=models.PROTECT, related_name="+")
    rule_no = models.PositiveSmallIntegerField(help_text="Which fee of the contract, from 1.")
    kind = models.CharField(max_length=10, choices=FeeKind)
    leg = models.ForeignKey(SettlementLeg, null=True, on_delete=models.PROTECT, related_name="fees")
    month = models.DateField(null=True, help_text="First day of the month, of PER_MONTH.")
    net_minor = models.BigIntegerField()
    vat_basis_points = models.PositiveIntegerField()
    vat_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    undoes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="undone_by")
    charged_on = models.DateField(help_text="In the platform's time zone; the day it is booked.")
    charged_at = models.DateTimeField()
    by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(net_minor__gt=0, vat_minor__gte=0, undoes__isnull=True)
                | Q(net_minor__lt=0, vat_minor__lte=0, undoes__isnull=False),
                name="a_fee_is_an_amount_and_its_undoing_the_opposite",
            ),
            models.CheckConstraint(
                condition=Q(kind=FeeKind.PER_MONTH, month__isnull=False, leg__isnull=True)
                | (~Q(kind=FeeKind.PER_MONTH) & Q(month__isnull=True, leg__isnull=False)),
                name="a_fee_is_for_a_leg_or_for_a_month",
            ),
            models.UniqueConstraint(
                fields=["leg", "rule_no"], condition=Q(undoes__isnull=True), name="one_fee_per_leg_and_rule"
            ),
            models.UniqueConstraint(
                fields=["organisation", "insurer", "rule_no", "month", "currency"],
                condition=Q(undoes__isnull=True, leg__isnull=True),
                name="one_fee_per_month_and_rule",
            ),
        ]
        indexes = [models.Index(fields=["organisation", "insurer", "charged_on"], name="fees_of_a_counterparty")]

    def __str__(self) -> str:
        return f"{self.kind} {self.net_minor}"


class Statement(StatementFlow):
    """A month of one counterparty in one insurer's book. Amounts are signed as its lines are; see CounterpartyRole."""

    id = models.UUIDField(primary_key=True)
    statement_no = models.CharField(max_length=30, unique=True)
    role = models.CharField(max_length=10, choices=CounterpartyRole)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The counterparty."
    )
    insurer = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="Whose book it is of."
    )
    currency = models.CharField(max_length=3)
    first_day = models.DateField()
    last_day = models.DateField()
    opening_minor = models.BigIntegerField()
    gross_minor = models.BigIntegerField(help_text="Legs, and legs that are owed no more.")
    fee_minor = models.BigIntegerField()
    vat_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField(help_text="Gross with fees and VAT.")
    set_off_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField()
    other_minor = models.BigIntegerField(default=0)
    closing_minor = models.BigIntegerField()
    issued_at = models.DateTimeField()
    issued_by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "insurer", "role", "currency", "first_day"], name="one_statement_per_month"
            ),
            models.CheckConstraint(
                condition=Q(net_minor=F("gross_minor") + F("fee_minor") + F("vat_minor"))
                & Q(
                    closing_minor=F("opening_minor")
                    + F("net_minor")
                    + F("set_off_minor")
                    + F("paid_minor")
                    + F("other_minor")
                ),
                name="a_statement_foots",
            ),
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="a_statement_has_days"),
        ]

    def __str__(self) -> str:
        return self.statement_no


class StatementLine(models.Model):
    """One line. What it says is fixed; the counterparty's answer to it is written beside it."""

    id = models.UUIDField(primary_key=True)
    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="lines")
    organisation_id = models.BigIntegerField(help_text="The statement's.")
    line_no = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=StatementLineKind)
    day = models.DateField()
    reference = models.CharField(max_length=80, help_text="Leg number, fee, or the bank's reference.")
    claim_no = models.CharField(max_length=40, blank=True)
    leg = models.ForeignKey(SettlementLeg, null=True, on_delete=models.PROTECT, related_name="+")
    fee = models.ForeignKey(FeeCharge, null=True, on_delete=models.PROTECT, related_name="+")
    cause_id = models.UUIDField(null=True, help_text="What else it comes from: posting, allocation.")
    amount_minor = models.BigIntegerField()
    answer = models.CharField(max_length=10, choices=LineAnswer, default=LineAnswer.OPEN)
    answer_reason = models.CharField(max_length=300, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["statement", "line_no"], name="one_statement_line_per_number"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="a_statement_line_is_an_amount"),
            models.CheckConstraint(
                condition=Q(answer=LineAnswer.OPEN, answered_at__isnull=True)
                | (~Q(answer=LineAnswer.OPEN) & Q(answered_at__isnull=False)),
                name="an_answered_line_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(answer=LineAnswer.DISPUTED) | ~Q(answer_reason=""), name="a_dispute_has_its_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line_no} of {self.statement_id}"
