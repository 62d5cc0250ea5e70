"""The transaction and what is written beside it: idempotency claims, evidence, verdicts."""

from __future__ import annotations

from typing import Any

from django.db import models

from exchange.models.bill import Bill
from exchange.models.interface import InsurerInterface
from exchange.states import OPEN, EvidenceKind, OperationClass, TransactionFlow, TransactionState, VerdictWord


def _reference(says: str) -> models.ForeignKey[Any, Any]:
    """Another wish of the same organisation, named by the hospital."""
    return models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False, help_text=says
    )


class Transaction(TransactionFlow):
    """One wish of a hospital or pharmacy toward an insurer. (organisation, his_no) is unique for ever."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    his_no = models.CharField(max_length=66)
    operation = models.CharField(max_length=20)
    operation_class = models.CharField(max_length=10, choices=OperationClass)
    interface = models.ForeignKey(
        InsurerInterface,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="None while the insurers are asked who covers the person, and on a tombstone.",
    )
    bill = models.ForeignKey(Bill, null=True, on_delete=models.PROTECT, related_name="transactions")
    batch_no = models.TextField(default="", blank=True)
    of = _reference("The settled transaction that a cancel undoes.")
    replaces = _reference("The ended wish whose bill and cash this one takes over.")
    retry_of = _reference("The wish without cash that this one tries again.")
    presettle_of = _reference("The trial that promised the patient's own share.")
    expect_cash_minor = models.BigIntegerField(null=True, help_text="The own share that the patient was told before.")
    operator_no = models.TextField(default="", blank=True)
    shift_no = models.TextField(default="", blank=True)
    inpatient = models.BooleanField(default=False)
    person_index = models.BinaryField(help_text="Blind index of id type and number.")
    body_digest = models.BinaryField(help_text="SHA-256 of the canonical body without wait_seconds.")
    sealed_body = models.BinaryField(help_text="The canonical body, encrypted.")
    total_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3)
    fund_minor = models.BigIntegerField(null=True)
    account_minor = models.BigIntegerField(null=True)
    hospital_minor = models.BigIntegerField(null=True)
    cash_minor = models.BigIntegerField(null=True)
    shares = models.JSONField(default=list, help_text="[{payer, insurer, amount_minor}] as the insurer split it.")
    settlement_no = models.TextField(default="", blank=True)
    reason_code = models.TextField(default="", blank=True)
    insurer_code = models.TextField(default="", blank=True, help_text="The insurer's own reason code.")
    insurer_text = models.TextField(default="", blank=True)
    received_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    abandoned_at = models.DateTimeField(null=True, help_text="The cashier took cash before anything was proven.")
    disowned_at = models.DateTimeField(null=True, help_text="The hospital never booked this success.")
    service_cancelled_at = models.DateTimeField(null=True, help_text="The service is not given: all cash is due back.")
    episode = models.PositiveSmallIntegerField(default=0, help_text="How often it was proven to be settled there.")
    told = models.CharField(max_length=10, choices=VerdictWord, default="", help_text="The last verdict but `pending`.")
    owner = models.TextField(default="", blank=True, help_text="Who is on call for it while it needs a person.")
    # On rows from `exchange.locks` only.
    hospital_code: str

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "his_no"], name="one_transaction_per_his_no"),
            models.CheckConstraint(
                condition=models.Q(interface__isnull=False)
                | models.Q(state__in=(TransactionState.RECEIVED, TransactionState.NOT_SENT, TransactionState.REJECTED)),
                name="what_is_sent_has_its_insurer",
            ),
            models.CheckConstraint(
                condition=models.Q(total_minor__isnull=True) | models.Q(total_minor__gt=0), name="a_total_is_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(cash_minor__isnull=True)
                | models.Q(
                    total_minor=models.F("fund_minor")
                    + models.F("account_minor")
                    + models.F("hospital_minor")
                    + models.F("cash_minor")
                ),
                name="the_parts_make_the_total",
            ),
            models.UniqueConstraint(
                fields=["of"],
                condition=models.Q(operation_class="UNDOES", state__in=OPEN),
                name="one_open_cancel_per_transaction",
            ),
            models.CheckConstraint(
                condition=~models.Q(operation_class="MOVES", state="SUCCEEDED") | models.Q(cash_minor__isnull=False),
                name="a_settled_fee_has_its_parts",
            ),
        ]
        indexes = [
            models.Index(fields=["organisation", "-received_at"], name="transactions_of_the_day"),
            # The abnormal feed, the portals' queues and the monitor read these two.
            models.Index(
                fields=["organisation", "received_at"],
                condition=models.Q(state__in=OPEN),
                name="transactions_not_ended",
            ),
            models.Index(
                fields=["organisation", "received_at"],
                condition=models.Q(
                    state=TransactionState.SUCCEEDED, operation_class="MOVES", acknowledged_at__isnull=True
                ),
                name="transactions_unacknowledged",
            ),
            models.Index(
                fields=["organisation", "shift_no"], condition=~models.Q(shift_no=""), name="transactions_of_a_shift"
            ),
            models.Index(fields=["of"], condition=models.Q(of__isnull=False), name="cancels_of_a_transaction"),
        ]

    def __str__(self) -> str:
        return self.his_no


class IdempotencyKey(models.Model):
    """A hospital's Idempotency-Key and the body it came with: the claim that this request acts once."""

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    digest = models.BinaryField()
    transaction = models.ForeignKey(
        Transaction,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="None where the request named no transaction: a shift, a day.",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "key"], name="one_request_per_idempotency_key")]

    def __str__(self) -> str:
        return self.key


class Evidence(models.Model):
    """Why a state changed. Append-only."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="evidence")
    call = models.ForeignKey("exchange.Call", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=EvidenceKind)
    says = models.TextField(help_text="Outcome or rule, in one word.")
    details = models.TextField(default="", blank=True, help_text="No personal data.")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} {self.says}"


class Verdict(models.Model):
    """An answer given to the hospital, stored before it leaves. A promise. Append-only."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.BigIntegerField()
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="verdicts", db_index=False)
    version = models.PositiveIntegerField(help_text="The transaction's version that this verdict speaks of.")
    verdict = models.CharField(max_length=10, choices=VerdictWord)
    body = models.JSONField(help_text="What the hospital is told, but for trace_id and acknowledged. No personal data.")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transaction", "version", "verdict"], name="equal_verdicts_once")
        ]

    def __str__(self) -> str:
        return self.verdict
