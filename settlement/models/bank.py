"""The platform's accounts at banks, and what the banks' statements say. An entry is what the bank's book holds."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from settlement.states import Direction, EntryOutcome, StatementFormat


class BankAccount(models.Model):
    """An account of the platform's, and the rail that leads to its bank."""

    id = models.UUIDField(primary_key=True)
    code = models.SlugField(max_length=40, unique=True, help_text="Ours, as on pages: MAIN-CNY.")
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The platform."
    )
    holder = models.CharField(max_length=140)
    account_no = models.CharField(max_length=34)
    bank_code = models.CharField(max_length=35, help_text="Of the bank that keeps it.")
    currency = models.CharField(max_length=3)
    rail = models.CharField(max_length=30, help_text="A name of settlement.rails.RAILS.")
    base_url = models.CharField(max_length=300, blank=True, default="", help_text="Empty for files.")
    lane = models.ForeignKey("journal.Lane", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    key_id = models.CharField(max_length=40, blank=True, default="")
    sealed_secret = models.BinaryField(null=True, blank=True)
    quiet_seconds = models.FloatField(
        default=60.0, help_text="After a message's deadline: what the bank has not taken then, it never will."
    )
    is_idempotent = models.BooleanField(default=False, help_text="The same message id again is the same payment.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_no", "bank_code"], name="one_row_per_account_at_a_bank"),
            models.UniqueConstraint(
                fields=["currency"], condition=Q(closed_at__isnull=True), name="one_open_bank_account_per_currency"
            ),
            models.CheckConstraint(condition=Q(quiet_seconds__gte=0), name="a_bank_is_quiet_for_a_time"),
        ]

    def __str__(self) -> str:
        return self.code


class BankStatement(models.Model):
    """A statement as the bank sent it: taken once, in the bank's order, without a gap. Append-only."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="statements")
    follows = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="followed_by")
    statement_no = models.CharField(max_length=35, help_text="The bank's.")
    format = models.CharField(max_length=10, choices=StatementFormat)
    file_sha256 = models.BinaryField(max_length=32, unique=True)
    sealed_file = models.BinaryField()
    currency = models.CharField(max_length=3)
    opening_minor = models.BigIntegerField()
    closing_minor = models.BigIntegerField()
    first_day = models.DateField()
    last_day = models.DateField()
    taken_at = models.DateTimeField()
    taken_by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "statement_no"], name="one_statement_per_number"),
            models.UniqueConstraint(
                fields=["account"], condition=Q(follows__isnull=True), name="one_first_statement_per_account"
            ),
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="a_statement_ends_after_it_begins"),
        ]
        indexes = [models.Index(fields=["account", "taken_at"], name="statements_of_an_account")]

    def __str__(self) -> str:
        return f"statement {self.statement_no}"


class BankEntry(models.Model):
    """One line of a statement. What the bank wrote never changes; `allocated_minor` and `outcome` are ours."""

    id = models.UUIDField(primary_key=True)
    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="entries")
    line_no = models.PositiveIntegerField()
    bank_reference = models.CharField(max_length=70)
    direction = models.CharField(max_length=6, choices=Direction)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    value_date = models.DateField()
    remittance = models.CharField(max_length=500, blank=True, default="")
    counterparty_name = models.CharField(
        max_length=140, blank=True, default="", help_text="Only of an organisation that we know: else it is sealed."
    )
    sealed_counterparty = models.BinaryField(null=True, blank=True, help_text="Name and account as the bank wrote.")
    end_to_end_id = models.CharField(max_length=35, blank=True, default="")
    return_code = models.CharField(max_length=35, blank=True, default="", help_text="The bank's reason of a return.")
    allocated_minor = models.BigIntegerField(default=0)
    outcome = models.CharField(max_length=10, choices=EntryOutcome, default=EntryOutcome.NEW)
    outcome_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "bank entries"
        constraints = [
            models.UniqueConstraint(fields=["account", "bank_reference"], name="one_entry_per_bank_reference"),
            models.UniqueConstraint(fields=["statement", "line_no"], name="one_entry_per_line"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="an_entry_is_an_amount"),
            models.CheckConstraint(
                condition=Q(allocated_minor__gte=0, allocated_minor__lte=F("amount_minor")),
                name="no_more_is_allocated_than_came",
            ),
            models.CheckConstraint(condition=Q(direction__in=Direction.values), name="entry_direction_is_known"),
            models.CheckConstraint(condition=Q(outcome__in=EntryOutcome.values), name="entry_outcome_is_known"),
        ]
        indexes = [
            models.Index(fields=["outcome", "direction", "value_date"], name="entries_to_look_at"),
            models.Index(fields=["end_to_end_id"], name="entries_of_a_payment"),
        ]

    def __str__(self) -> str:
        return self.bank_reference
