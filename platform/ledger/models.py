"""Tables of the ledger. Every rule on them is held by PostgreSQL: constraints here, triggers in migration 0002.

Postings and their legs carry no foreign keys in the database: one statement-level trigger checks all references of a
whole batch in one join, and what they refer to can never be deleted. A foreign key would check and lock row by row.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from ledger.chart import BookKind, Side
from ledger.states import HoldFlow, HoldState


class LedgerBook(models.Model):
    """The accounts between one organisation (a hospital, a pharmacy) and one insurer. Append-only."""

    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    insurer_organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    kind = models.TextField(choices=BookKind)
    time_zone = models.TextField(help_text="The organisation's when the book was opened: its days never shift later.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_book"
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "insurer_organisation", "kind"], name="one_book_per_pair_and_kind"
            ),
            models.CheckConstraint(condition=Q(kind__in=BookKind.values), name="book_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.organisation_id}/{self.insurer_organisation_id}"


class LedgerAccount(models.Model):
    """An account of a book in one currency. Append-only; `ledger.chart` says which codes there are."""

    book = models.ForeignKey(LedgerBook, on_delete=models.PROTECT, related_name="accounts")
    organisation_id = models.BigIntegerField(help_text="The book's, set by a trigger.")
    code = models.TextField()
    currency = models.CharField(max_length=3)
    normal_side = models.CharField(max_length=1, choices=Side)
    limited = models.BooleanField(help_text="Has a row in AccountBalance from birth on.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_account"
        constraints = [
            models.UniqueConstraint(fields=["book", "code", "currency"], name="one_account_per_book_code_and_currency"),
            models.CheckConstraint(condition=Q(normal_side__in=Side.values), name="account_side_is_known"),
            models.CheckConstraint(condition=Q(code__regex=r"^[a-z_]+(:[a-z0-9_]+)?$"), name="account_code_is_a_code"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="account_currency_is_a_code"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.currency}"


class AccountBalance(models.Model):
    """The running balance of a limited account, counted on its normal side. Triggers alone move the amounts.

    Born with floor and limit 0: nothing can be drawn before somebody has set a limit.
    """

    account = models.OneToOneField(LedgerAccount, primary_key=True, on_delete=models.PROTECT, related_name="balance")
    organisation_id = models.BigIntegerField()
    balance_minor = models.BigIntegerField(default=0)
    held_up_minor = models.BigIntegerField(default=0, help_text="Open holds that would raise the balance.")
    held_down_minor = models.BigIntegerField(default=0, help_text="Open holds that would lower it.")
    floor_minor = models.BigIntegerField(default=0)
    limit_minor = models.BigIntegerField(default=0)
    limit_at = models.DateTimeField()
    limit_by = models.TextField()
    limit_reason = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(limit_minor__gte=F("balance_minor") + F("held_up_minor")),
                name="balance_and_holds_within_limit",
            ),
            models.CheckConstraint(
                condition=Q(floor_minor__lte=F("balance_minor") - F("held_down_minor")),
                name="balance_and_holds_above_floor",
            ),
            models.CheckConstraint(
                condition=Q(held_up_minor__gte=0, held_down_minor__gte=0), name="held_is_never_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"balance of {self.account_id}"


class LimitChange(models.Model):
    """What floor and limit of an account were set to, by whom and why. Written by a trigger, append-only."""

    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="limit_changes")
    organisation_id = models.BigIntegerField()
    floor_minor = models.BigIntegerField()
    limit_minor = models.BigIntegerField()
    at = models.DateTimeField()
    by = models.TextField()
    reason = models.TextField()

    def __str__(self) -> str:
        return f"[{self.floor_minor}, {self.limit_minor}] on {self.account_id}"


class Posting(models.Model):
    """One movement of money, proven by evidence. Append-only: what was wrong is undone by its mirror.

    The column `written_in` (migration 0002) is unknown here: only the triggers read the database transaction's id.
    """

    id = models.UUIDField(primary_key=True)
    book = models.ForeignKey(
        LedgerBook, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    organisation_id = models.BigIntegerField()
    cause_kind = models.TextField(help_text="What the posting is about, e.g. `transaction`.")
    cause_id = models.UUIDField()
    kind = models.TextField(help_text="What happened to the cause, e.g. `settled`.")
    episode = models.PositiveIntegerField(help_text="How often that has happened to it.")
    evidence_id = models.UUIDField(help_text="Why: no posting without evidence.")
    value_date = models.DateField(help_text="The day it counts for, which may lie in a closed period.")
    booked_at = models.DateTimeField()
    booked_day = models.DateField(help_text="Day of booked_at in the book's time zone.")
    reverses = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="mirror", db_constraint=False
    )
    by = models.TextField()
    reason = models.TextField()
    trace_id = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cause_id", "cause_kind", "kind", "episode"], name="one_posting_per_cause_kind_and_episode"
            ),
        ]
        indexes = [models.Index(fields=["book", "booked_day"], name="posting_by_book_and_day")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.cause_kind} {self.cause_id}"


class Leg(models.Model):
    """One side of a posting. All legs of a posting are written by one statement, numbered from 1."""

    pk = models.CompositePrimaryKey("posting_id", "line_no")
    posting = models.ForeignKey(
        Posting, on_delete=models.PROTECT, related_name="legs", db_constraint=False, db_index=False
    )
    line_no = models.PositiveSmallIntegerField()
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="legs", db_constraint=False, db_index=False
    )
    organisation_id = models.BigIntegerField()
    booked_day = models.DateField(help_text="The posting's, so that an account is summed from one index.")
    side = models.CharField(max_length=1, choices=Side)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="leg_amount_is_positive"),
            models.CheckConstraint(condition=Q(side__in=Side.values), name="leg_side_is_known"),
        ]
        indexes = [
            models.Index(
                fields=["account", "booked_day"], include=["side", "amount_minor"], name="leg_by_account_and_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.amount_minor} {self.currency}"


class Hold(HoldFlow):
    """Room kept on a limited account for a movement to come."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="holds")
    organisation_id = models.BigIntegerField(help_text="The account's, set by a trigger.")
    cause_kind = models.TextField()
    cause_id = models.UUIDField()
    kind = models.TextField()
    episode = models.PositiveIntegerField()
    side = models.CharField(max_length=1, choices=Side, help_text="Side of the leg that is to come.")
    amount_minor = models.BigIntegerField()
    expires_at = models.DateTimeField()
    placed_at = models.DateTimeField()
    posting = models.ForeignKey(Posting, null=True, on_delete=models.PROTECT, related_name="holds")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cause_id", "cause_kind", "kind", "episode"], name="one_hold_per_cause_kind_and_episode"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="held_amount_is_positive"),
            models.CheckConstraint(condition=Q(side__in=Side.values), name="hold_side_is_known"),
            models.CheckConstraint(
                condition=Q(state=HoldState.OPEN, resolved_minor__isnull=True, posting__isnull=True)
                | Q(
                    state=HoldState.POSTED,
                    resolved_minor__gt=0,
                    resolved_minor__lte=F("amount_minor"),
                    posting__isnull=False,
                )
                | Q(state__in=[HoldState.VOIDED, HoldState.EXPIRED], resolved_minor=0, posting__isnull=True),
                name="hold_is_resolved_within_what_was_held",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state=HoldState.OPEN), name="hold_open_by_expiry"),
            models.Index(fields=["account"], condition=Q(state=HoldState.OPEN), name="hold_open_by_account"),
        ]

    def __str__(self) -> str:
        return f"hold {self.id} {self.state}"


class ClosedPeriod(models.Model):
    """A day or month of a book that takes no posting any more, nor does any day before it. Append-only."""

    class Length(models.TextChoices):
        DAY = "day"
        MONTH = "month"

    book = models.ForeignKey(LedgerBook, on_delete=models.PROTECT, related_name="closed_periods", db_index=False)
    organisation_id = models.BigIntegerField(help_text="The book's, set by a trigger.")
    length = models.TextField(choices=Length)
    first_day = models.DateField()
    last_day = models.DateField()
    closed_at = models.DateTimeField()
    by = models.TextField()
    reason = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["book", "last_day", "length"], name="a_period_is_closed_once"),
            models.CheckConstraint(
                condition=Q(length="day", first_day=F("last_day")) | Q(length="month", first_day__lt=F("last_day")),
                name="a_period_is_a_day_or_a_month",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.length} to {self.last_day} of book {self.book_id}"


class Snapshot(models.Model):
    """Both sums of an unlimited account up to and including a closed day. Append-only."""

    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="snapshots", db_index=False)
    organisation_id = models.BigIntegerField()
    day = models.DateField()
    debit_minor = models.BigIntegerField()
    credit_minor = models.BigIntegerField()
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "day"], name="one_snapshot_per_account_and_day"),
            models.CheckConstraint(condition=Q(debit_minor__gte=0, credit_minor__gte=0), name="snapshot_sums_are_sums"),
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} at {self.day}"
