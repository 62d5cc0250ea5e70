"""Paying out: payees' accounts, batches with their names, and payments as they go to the bank."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from settlement.models.bank import BankAccount, BankEntry
from settlement.models.legs import SettlementLeg
from settlement.states import BankMessageKind, BankOutcome, BatchFlow, PaymentFlow

RELEASED = ("RELEASED", "DONE")


class PayeeAccount(models.Model):
    """Where a pharmacy chain or a patient is paid. Told by one, found right by another; a change is a new row."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    person = models.ForeignKey("registry.Person", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    sealed_number = models.BinaryField()
    number_index = models.BinaryField(max_length=16, help_text="Blind index: finds the account without reading it.")
    number_tail = models.CharField(max_length=4, help_text="The last four, as on a receipt.")
    sealed_holder = models.BinaryField()
    bank_code = models.CharField(max_length=35)
    told_by = models.CharField(max_length=120)
    told_at = models.DateTimeField()
    confirmed_by = models.CharField(max_length=120, blank=True, default="")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    is_change = models.BooleanField(help_text="There was another one before: it rests.")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=120, blank=True, default="")
    closed_reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(organisation__isnull=True, person__isnull=False)
                | Q(organisation__isnull=False, person__isnull=True),
                name="a_payee_is_an_organisation_or_a_person",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True, confirmed_by="")
                | (Q(confirmed_at__isnull=False) & ~Q(confirmed_by="") & ~Q(confirmed_by=F("told_by"))),
                name="an_account_is_found_right_by_another",
            ),
            models.UniqueConstraint(
                fields=["organisation", "currency"],
                condition=Q(closed_at__isnull=True, confirmed_at__isnull=False),
                name="one_account_per_organisation_and_currency",
            ),
            models.UniqueConstraint(
                fields=["person", "currency"],
                condition=Q(closed_at__isnull=True, confirmed_at__isnull=False),
                name="one_account_per_person_and_currency",
            ),
            models.UniqueConstraint(
                fields=["organisation", "currency"],
                condition=Q(closed_at__isnull=True, confirmed_at__isnull=True),
                name="one_new_account_per_organisation_and_currency",
            ),
            models.UniqueConstraint(
                fields=["person", "currency"],
                condition=Q(closed_at__isnull=True, confirmed_at__isnull=True),
                name="one_new_account_per_person_and_currency",
            ),
        ]
        indexes = [models.Index(fields=["number_index"], name="payees_by_number")]

    def __str__(self) -> str:
        return f"account …{self.number_tail}"


class PayoutBatch(BatchFlow):
    """Legs that go to the bank together, and the names under it."""

    id = models.UUIDField(primary_key=True)
    batch_no = models.CharField(max_length=30, unique=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The platform."
    )
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    names_needed = models.PositiveSmallIntegerField(help_text="Two, or three above the limit of a contract.")
    made_by = models.CharField(max_length=120)
    checked_by = models.CharField(max_length=120, blank=True, default="")
    released_by = models.CharField(max_length=120, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "payout batches"
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_batch_is_an_amount"),
            models.CheckConstraint(condition=Q(names_needed__in=(2, 3)), name="a_batch_needs_two_or_three_names"),
            models.CheckConstraint(condition=~Q(checked_by=F("made_by")), name="a_batch_is_checked_by_another"),
            models.CheckConstraint(
                condition=~Q(state="CHECKED") | ~Q(checked_by=""), name="a_checked_batch_names_who_checked"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=RELEASED) | (~Q(released_by="") & ~Q(released_by=F("made_by"))),
                name="a_batch_is_released_by_another",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=RELEASED)
                | Q(names_needed=2)
                | (~Q(checked_by="") & ~Q(released_by=F("checked_by"))),
                name="above_the_limit_three_names_release",
            ),
        ]

    def __str__(self) -> str:
        return self.batch_no


class Payment(PaymentFlow):
    """One order to the bank, under one message id for all its life: sent again it is the same payment."""

    id = models.UUIDField(primary_key=True)
    message_id = models.CharField(max_length=35, unique=True, help_text="EndToEndId: on the bank's statement too.")
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The platform."
    )
    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, related_name="payments")
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="+")
    payee = models.ForeignKey(PayeeAccount, on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    sends = models.PositiveSmallIntegerField(default=0)
    queries = models.PositiveSmallIntegerField(default=0)
    deadline = models.DateTimeField(null=True, blank=True, help_text="Of the last message that could pay.")
    bank_reference = models.CharField(max_length=70, blank=True, default="")
    reason_code = models.CharField(max_length=35, blank=True, default="", help_text="The bank's, when it did not pay.")
    value_date = models.DateField(null=True, blank=True)
    entry = models.OneToOneField(
        BankEntry, null=True, blank=True, on_delete=models.PROTECT, related_name="payment", help_text="That books it."
    )
    return_entry = models.OneToOneField(
        BankEntry, null=True, blank=True, on_delete=models.PROTECT, related_name="returned_payment"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_payment_is_an_amount"),
            models.CheckConstraint(
                condition=~Q(state__in=("BOOKED", "RETURNED")) | Q(value_date__isnull=False),
                name="a_booked_payment_has_its_day",
            ),
        ]
        indexes = [models.Index(fields=["state", "created_at"], name="payments_by_state")]

    def __str__(self) -> str:
        return self.message_id


class PayoutLine(models.Model):
    """One leg in a batch. `is_open` until it is known that this batch does not pay it: a leg has one open line."""

    id = models.UUIDField(primary_key=True)
    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, related_name="lines")
    leg = models.ForeignKey(SettlementLeg, on_delete=models.PROTECT, related_name="+")
    payee = models.ForeignKey(PayeeAccount, on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="lines")
    amount_minor = models.BigIntegerField()
    hold_id = models.UUIDField(null=True, blank=True, help_text="The ledger's hold of the cash.")
    posting_id = models.UUIDField(null=True, blank=True, help_text="The ledger's posting of the pay-out.")
    is_open = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "leg"], name="a_leg_is_once_in_a_batch"),
            models.UniqueConstraint(fields=["leg"], condition=Q(is_open=True), name="a_leg_has_one_open_pay_out"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_pay_out_line_is_an_amount"),
        ]

    def __str__(self) -> str:
        return f"line of {self.batch_id}"


class PaymentMessage(models.Model):
    """A message to the bank about a payment: stored, committed, then sent, once. What came back is stored with it."""

    id = models.UUIDField(primary_key=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="messages")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=5, choices=BankMessageKind)
    armed_at = models.DateTimeField()
    deadline = models.DateTimeField()
    sealed_request = models.BinaryField()
    outcome = models.CharField(max_length=10, choices=BankOutcome, null=True, blank=True)
    outcome_at = models.DateTimeField(null=True, blank=True)
    outcome_reason = models.CharField(max_length=300, blank=True, default="")
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True)
    sealed_answer = models.BinaryField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["payment"], condition=Q(outcome__isnull=True), name="one_open_message_per_payment"
            ),
        ]
        indexes = [models.Index(fields=["payment", "armed_at"], name="messages_of_a_payment")]

    def __str__(self) -> str:
        return f"{self.kind} {self.payment_id}"
