"""Settlement legs: who owes whom what for a claim. First, second and third settlement, and the patient's own share."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from settlement.models.advances import Advance
from settlement.states import LegFlow, LegKind


class SettlementLeg(LegFlow):
    """One amount from payer to payee, never changed: it is reversed, and another leg says what is owed."""

    id = models.UUIDField(primary_key=True)
    leg_no = models.CharField(max_length=30, unique=True, help_text="On statements and remittance advices.")
    kind = models.CharField(max_length=10, choices=LegKind)
    organisation = models.ForeignKey(
        "accounts.Organisation",
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Insurer of FIRST, pharmacy chain of SECOND and OWN_SHARE, lead insurer of THIRD.",
    )
    insurer = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="In whose book it is posted."
    )
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    advance = models.ForeignKey(Advance, null=True, blank=True, on_delete=models.PROTECT, related_name="legs")
    person = models.ForeignKey(
        "registry.Person", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Of THIRD."
    )
    cause_id = models.UUIDField(help_text="Hand-over, decision or return it comes from.")
    amount_minor = models.BigIntegerField()
    settled_minor = models.BigIntegerField(default=0, help_text="Paid or matched so far.")
    currency = models.CharField(max_length=3)
    due_on = models.DateField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "cause_id", "organisation"], name="one_leg_per_cause_and_party"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_leg_is_an_amount"),
            models.CheckConstraint(
                condition=Q(settled_minor__gte=0, settled_minor__lte=F("amount_minor")),
                name="no_leg_is_settled_beyond_its_amount",
            ),
            models.CheckConstraint(
                condition=~Q(kind=LegKind.THIRD) | Q(person__isnull=False), name="a_third_leg_names_its_person"
            ),
        ]
        indexes = [
            models.Index(fields=["organisation", "state", "due_on"], name="legs_of_a_counterparty"),
            models.Index(fields=["claim"], name="legs_of_a_claim"),
        ]

    def __str__(self) -> str:
        return self.leg_no
