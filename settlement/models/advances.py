"""Contracts with insurers, patients' mandates, and the advances made on them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from settlement.states import AdvanceFlow, AdvanceMoveKind, Bearer, Funder, LineKind, RecoveryFlow, RefusalClass


class Contract(models.Model):
    """What was agreed with an insurer about advances, effective-dated: read through settlement.contracts. Fixed."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    effective_from = models.DateField()
    body = models.JSONField(help_text="Validated by settlement.contracts.parse.")
    drafted_by = models.CharField(max_length=120)
    approved_by = models.CharField(max_length=120)
    approved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "number"], name="one_contract_per_insurer_and_number"),
            models.CheckConstraint(
                condition=~Q(approved_by=F("drafted_by")), name="a_contract_is_approved_by_another_person"
            ),
        ]

    def __str__(self) -> str:
        return f"contract {self.number} of {self.organisation_id}"


class CreditLine(models.Model):
    """The most that may be open with an insurer, or with a pharmacy chain; the latest row counts. Append-only.

    The ledger's limit is this amount, or for a while more: what an insurer takes back must be booked, room or not.
    """

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=LineKind)
    number = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=200)
    set_by = models.CharField(max_length=120)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "currency", "number"], name="one_credit_line_per_number"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="a_credit_line_is_no_debt"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} line {self.number} of {self.organisation_id}"


class Mandate(models.Model):
    """The patient's signed mandate to claim and collect for him, naming the most that is at risk. Append-only."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    episode = models.PositiveSmallIntegerField(default=1)
    at_most_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    text_version = models.PositiveIntegerField()
    signed_by = models.CharField(max_length=120)
    on_behalf = models.BooleanField(default=False, help_text="By a guardian.")
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "episode"], name="one_mandate_per_claim_and_episode"),
            models.CheckConstraint(condition=Q(at_most_minor__gt=0), name="a_mandate_names_its_amount"),
        ]

    def __str__(self) -> str:
        return f"mandate for {self.claim_id}"


class Advance(AdvanceFlow):
    """Money laid out for one claim. The columns are the sum of its moves, kept by a trigger; minor units."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The lead insurer."
    )
    pharmacy = models.ForeignKey(
        "accounts.Organisation",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The chain whose exposure it counts on; none for a cash advance.",
    )
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    episode = models.PositiveSmallIntegerField(default=1, help_text="How often money was laid out for the claim.")
    order = models.ForeignKey("pharmacies.Order", null=True, on_delete=models.PROTECT, related_name="+")
    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    held_minor = models.BigIntegerField(help_text="Of the holds that are open, or were when it was drawn.")
    hold_number = models.PositiveSmallIntegerField(default=1, help_text="Counts up with each new hold.")
    held_until = models.DateTimeField()
    funder = models.CharField(max_length=10, choices=Funder, default=Funder.OWN)
    drawn_minor = models.BigIntegerField(default=0)
    unconfirmed_minor = models.BigIntegerField(default=0)
    receivable_minor = models.BigIntegerField(default=0)
    collected_minor = models.BigIntegerField(default=0)
    clawed_back_minor = models.BigIntegerField(default=0)
    in_recovery_minor = models.BigIntegerField(default=0)
    recovered_minor = models.BigIntegerField(default=0)
    returned_minor = models.BigIntegerField(default=0)
    written_off_minor = models.BigIntegerField(default=0)
    drawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "episode"], name="one_advance_per_claim_and_episode"),
            models.UniqueConstraint(
                fields=["claim"],
                condition=~Q(state__in=("RELEASED", "COLLECTED", "WRITTEN_OFF")),
                name="one_running_advance_per_claim",
            ),
            models.CheckConstraint(
                condition=Q(
                    drawn_minor=F("unconfirmed_minor")
                    + F("receivable_minor")
                    + F("collected_minor")
                    - F("clawed_back_minor")
                    + F("in_recovery_minor")
                    + F("recovered_minor")
                    + F("returned_minor")
                    + F("written_off_minor")
                ),
                name="an_advance_is_conserved",
            ),
            models.CheckConstraint(
                condition=Q(
                    unconfirmed_minor__gte=0,
                    receivable_minor__gte=0,
                    collected_minor__gte=0,
                    clawed_back_minor__gte=0,
                    in_recovery_minor__gte=0,
                    recovered_minor__gte=0,
                    returned_minor__gte=0,
                    written_off_minor__gte=0,
                ),
                name="no_part_of_an_advance_is_negative",
            ),
            models.CheckConstraint(condition=Q(drawn_minor__lte=F("held_minor")), name="nothing_is_drawn_unheld"),
        ]
        indexes = [
            models.Index(fields=["organisation", "state", "drawn_at"], name="advances_of_an_insurer"),
            models.Index(fields=["pharmacy", "state"], name="advances_at_a_pharmacy"),
        ]

    def __str__(self) -> str:
        return f"advance {self.episode} of {self.claim_id}"


class AdvanceMove(models.Model):
    """One change of an advance, with its posting and why. Append-only; its id is the posting's evidence."""

    id = models.UUIDField(primary_key=True)
    advance = models.ForeignKey(Advance, on_delete=models.PROTECT, related_name="moves")
    organisation_id = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=AdvanceMoveKind)
    episode = models.PositiveSmallIntegerField(help_text="How often that has happened to the advance.")
    amount_minor = models.BigIntegerField()
    cause = models.CharField(max_length=40, help_text="handover, decision, bank_entry, ruling, return, recovery.")
    cause_id = models.UUIDField()
    at = models.DateTimeField()
    by = models.CharField(max_length=120)
    seconded_by = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["advance", "kind", "episode"], name="one_advance_move_per_episode"),
            models.UniqueConstraint(fields=["advance", "kind", "cause_id"], name="one_advance_move_per_cause"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="an_advance_move_moves_something"),
            models.CheckConstraint(
                condition=~Q(kind="WRITE_OFF") | (~Q(seconded_by="") & ~Q(seconded_by=F("by"))),
                name="a_write_off_has_two_names",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor}"


class AdvanceWaiting(models.Model):
    """A claim for which no money could be held yet, and why: what the queue says. Closed once it could, or need not."""

    claim = models.OneToOneField("claims.Claim", primary_key=True, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=40, help_text="Code of the Problem: limit_exceeded, no_shop, mandate_missing.")
    since = models.DateTimeField()
    looked_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.claim_id}: {self.reason}"


class Recovery(RecoveryFlow):
    """What is asked back from whom, with the clause. A patient is asked humanely: no interest, and time."""

    id = models.UUIDField(primary_key=True)
    advance = models.ForeignKey(Advance, on_delete=models.PROTECT, related_name="recoveries")
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The lead insurer of the claim."
    )
    number = models.PositiveSmallIntegerField()
    refusal_class = models.CharField(max_length=24, choices=RefusalClass)
    bearer = models.CharField(max_length=10, choices=Bearer)
    bearer_organisation = models.ForeignKey(
        "accounts.Organisation", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    amount_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    clause = models.TextField()
    clause_zh = models.TextField()
    object_until = models.DateField()
    instalments = models.JSONField(default=list, blank=True, help_text="[{due_on, amount_minor}].")
    ended_seconded_by = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "recoveries"
        constraints = [
            models.UniqueConstraint(fields=["advance", "number"], name="one_recovery_per_number"),
            models.CheckConstraint(
                condition=Q(paid_minor__gte=0, paid_minor__lte=F("amount_minor")),
                name="no_more_is_recovered_than_asked",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("WAIVED", "WRITTEN_OFF"))
                | (~Q(ended_seconded_by="") & ~Q(ended_seconded_by=F("state_by"))),
                name="nothing_is_waived_by_one_name",
            ),
        ]

    def __str__(self) -> str:
        return f"recovery {self.number} of {self.advance_id}"
