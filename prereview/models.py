"""Rule packs, what their rules found, and what waits for or was said by a second reviewer."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from prereview.states import AskOutcome, PackFlow, PackState


class RulePack(PackFlow):
    """A version of the rules of a product, with the cases that prove it. Read through prereview.rules.packs."""

    id = models.UUIDField(primary_key=True)
    product = models.ForeignKey("registry.Product", on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The product's lead insurer."
    )
    number = models.PositiveIntegerField()
    body = models.JSONField(help_text="Validated by prereview.rules.packs; fixed once published.")
    cases = models.JSONField(help_text="[{name, rule, passes, changes}]: all hold, or it is not published.")
    note = models.TextField(default="", blank=True, help_text="What changes and why.")
    drafted_by = models.TextField()
    published_by = models.TextField(default="", blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "number"], name="one_pack_per_product_and_number"),
            models.UniqueConstraint(
                fields=["product"], condition=Q(state=PackState.PUBLISHED), name="one_published_pack_per_product"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=(PackState.PUBLISHED, PackState.RETIRED))
                | (~Q(published_by="") & ~Q(published_by=F("drafted_by"))),
                name="a_pack_is_published_by_another_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} pack {self.number}"


class RuleRun(models.Model):
    """All rules once over one claim. Append-only."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+", db_index=False)
    pack = models.ForeignKey(
        RulePack, null=True, on_delete=models.PROTECT, related_name="runs", help_text="None: the standing pack."
    )
    pack_number = models.PositiveIntegerField()
    claim_version = models.PositiveIntegerField(help_text="The claim as it was looked at.")
    routed = models.BooleanField(help_text="Whether a person has to look.")
    risk = models.CharField(max_length=6)
    at = models.DateTimeField()
    trace_id = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["claim", "-at"], name="rule_runs_of_a_claim")]

    def __str__(self) -> str:
        return f"run of {self.claim_id}"


class RuleResult(models.Model):
    """What one rule found. Append-only."""

    run = models.ForeignKey(RuleRun, on_delete=models.PROTECT, related_name="results")
    position = models.PositiveSmallIntegerField()
    rule = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    passed = models.BooleanField()
    evidence = models.JSONField(help_text="{code, values}: see prereview.rules.reasons. No personal data.")
    clause = models.TextField()
    clause_zh = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "rule"], name="one_result_per_rule_and_run")]

    def __str__(self) -> str:
        return f"{self.rule} v{self.version}"


class AskWaiting(models.Model):
    """A second ask for materials that waits for a supervisor: who asks again says why it was not asked at first."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    claim_version = models.PositiveIntegerField(help_text="Of the claim that was looked at.")
    items = models.JSONField()
    message = models.TextField()
    message_zh = models.TextField()
    answer_by = models.DateField()
    why_not_before = models.TextField()
    proposed_by = models.CharField(max_length=120)
    proposed_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=AskOutcome, blank=True)
    ended_by = models.CharField(max_length=120, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="Why it was refused.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim"], condition=Q(outcome=""), name="one_waiting_ask_per_claim"),
            models.CheckConstraint(
                condition=~Q(outcome=AskOutcome.ASKED) | ~Q(ended_by=F("proposed_by")),
                name="a_second_ask_is_let_out_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"second ask of {self.claim_id}"


class SecondLook(models.Model):
    """What another reviewer says of a decision that was drawn at random. Append-only."""

    id = models.UUIDField(primary_key=True)
    claim = models.ForeignKey("claims.Claim", on_delete=models.PROTECT, related_name="+")
    decision = models.OneToOneField("claims.Decision", on_delete=models.PROTECT, related_name="+")
    decided_by = models.CharField(max_length=120)
    agrees = models.BooleanField()
    note = models.TextField(blank=True)
    by = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(by=F("decided_by")), name="a_second_look_is_by_another"),
            models.CheckConstraint(condition=Q(agrees=True) | ~Q(note=""), name="disagreement_says_why"),
        ]

    def __str__(self) -> str:
        return f"second look at {self.claim_id}"
