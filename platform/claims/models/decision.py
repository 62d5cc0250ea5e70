"""What people decided on a claim, and what they asked for. Append-only."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from claims.models.claim import Claim
from claims.states import DecisionWord, RiskGrade, Stage


class Decision(models.Model):
    """One decision with all that a letter or an appeal has to quote. Append-only."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="decisions")
    episode = models.PositiveSmallIntegerField()
    stage = models.CharField(max_length=12, choices=Stage)
    word = models.CharField(max_length=15, choices=DecisionWord)
    amount_minor = models.BigIntegerField(help_text="Recommended or confirmed; 0 on a refusal.")
    currency = models.CharField(max_length=3)
    lines = models.JSONField(default=list, help_text="[{line_no, amount_minor, clause}].")
    reason_code = models.CharField(max_length=40, blank=True)
    clause = models.TextField(blank=True, help_text="Of the terms, quoted in the letter.")
    clause_zh = models.TextField(blank=True)
    terms_number = models.PositiveIntegerField(help_text="The version of the day that the clause is from.")
    explanation = models.TextField(blank=True, help_text="To the patient, in plain words. No diagnosis.")
    risk = models.CharField(max_length=6, choices=RiskGrade, blank=True)
    delegated = models.BooleanField(default=False, help_text="The pre-review bound the insurer.")
    external_no = models.CharField(max_length=80, null=True, blank=True, help_text="The insurer's own number of it.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the message it came in.")
    by = models.CharField(max_length=120)
    seconded_by = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["claim", "external_no"],
                condition=Q(external_no__isnull=False),
                name="an_insurers_decision_counts_once",
            ),
            models.CheckConstraint(
                condition=~Q(word__in=("DECLINE", "APPROVE_PARTLY")) | ~Q(clause=""), name="a_refusal_quotes_its_clause"
            ),
            models.CheckConstraint(condition=~Q(seconded_by=models.F("by")), name="a_decision_is_seconded_by_another"),
        ]

    def __str__(self) -> str:
        return f"{self.word} {self.stage}"


class MaterialsRequest(models.Model):
    """What the patient is asked for, in one message. The next one needs a supervisor and a reason."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="materials_requests")
    number = models.PositiveSmallIntegerField(help_text="1 for the first of the claim.")
    stage = models.CharField(max_length=12, choices=Stage, help_text="Whose review asks, and gets the claim back.")
    items = models.JSONField(help_text="[{kind, reason, reason_zh}].")
    message = models.TextField(help_text="The patient's wording as it was previewed.")
    message_zh = models.TextField()
    answer_by = models.DateField()
    asked_by = models.CharField(max_length=120)
    asked_at = models.DateTimeField()
    supervisor = models.CharField(max_length=120, blank=True)
    why_not_before = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=40, blank=True, help_text="answered, overdue, withdrawn")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "number"], name="one_materials_request_per_number"),
            models.UniqueConstraint(
                fields=["claim"], condition=Q(closed_reason=""), name="one_open_materials_request_per_claim"
            ),
            models.CheckConstraint(
                condition=Q(number=1) | (~Q(supervisor="") & ~Q(why_not_before="")),
                name="a_second_ask_has_its_supervisor",
            ),
        ]

    def __str__(self) -> str:
        return f"request {self.number} of {self.claim_id}"
