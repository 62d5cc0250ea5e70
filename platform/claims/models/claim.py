"""The claim: one cycle of one drug for one person, reviewed; its lines, its parties, and who has it open."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from claims.states import ENDED, ClaimFlow, PaperState, PartyRole, RiskGrade, Stage
from registry.states import ClaimKind, ConfirmationMode


class Claim(ClaimFlow):
    """Identity and facts are fixed once submitted; amounts are those of the last arithmetic (claims.payable)."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        "accounts.Organisation", on_delete=models.PROTECT, related_name="+", help_text="The lead insurer."
    )
    claim_no = models.CharField(max_length=30, unique=True)
    kind = models.CharField(max_length=10, choices=ClaimKind)
    stage = models.CharField(max_length=12, choices=Stage, default=Stage.PREREVIEW, help_text="Who reviews, or did.")
    product = models.ForeignKey("registry.Product", on_delete=models.PROTECT, related_name="+")
    terms = models.ForeignKey(
        "registry.Terms",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The version of the service day, fixed at submission.",
    )
    policy = models.ForeignKey("registry.Policy", on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey("registry.Person", on_delete=models.PROTECT, related_name="+")
    drug = models.ForeignKey("registry.Drug", on_delete=models.PROTECT, related_name="+")
    authorisation = models.ForeignKey(
        "registry.Authorisation", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    prescription = models.ForeignKey(
        "registry.Prescription", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    cycle_no = models.PositiveSmallIntegerField(default=1)
    confirmation_mode = models.CharField(max_length=20, choices=ConfirmationMode, blank=True)
    icd10 = models.CharField(max_length=10, blank=True)
    diagnosed_on = models.DateField(null=True, blank=True)
    service_on = models.DateField(null=True, blank=True, help_text="The day whose terms and cover count.")
    quantity = models.PositiveSmallIntegerField(default=0, help_text="Units of the drug.")
    days_of_supply = models.PositiveSmallIntegerField(default=0)
    invoice_no = models.CharField(max_length=60, blank=True, help_text="Of a reimbursement.")
    currency = models.CharField(max_length=3, default="CNY")
    total_minor = models.BigIntegerField(default=0)
    basic_minor = models.BigIntegerField(default=0, help_text="Paid by basic medical insurance.")
    other_minor = models.BigIntegerField(default=0, help_text="Other compensation.")
    charity_minor = models.BigIntegerField(default=0)
    discount_minor = models.BigIntegerField(default=0)
    deductible_minor = models.BigIntegerField(default=0, help_text="Of the deductible, eaten by this claim.")
    payable_minor = models.BigIntegerField(default=0, help_text="By the terms, before anybody decided.")
    recommended_minor = models.BigIntegerField(null=True, blank=True)
    confirmed_minor = models.BigIntegerField(null=True, blank=True)
    risk = models.CharField(max_length=6, choices=RiskGrade, blank=True)
    risk_reasons = models.JSONField(default=list, blank=True)
    paper = models.CharField(max_length=10, choices=PaperState, default=PaperState.NOT_NEEDED)
    paper_courier_no = models.CharField(max_length=40, blank=True)
    state_before_appeal = models.CharField(max_length=20, blank=True)
    episode = models.PositiveSmallIntegerField(default=1, help_text="Counts up with each reopening.")
    benefit_round = models.PositiveSmallIntegerField(
        default=1, help_text="Counts up with each time that its benefits are held anew."
    )
    materials_asked = models.PositiveSmallIntegerField(default=0, help_text="A second time needs a supervisor.")
    urgent = models.BooleanField(default=False)
    re_review = models.BooleanField(default=False, help_text="Drawn for a second look at random.")
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    handed_over_at = models.DateTimeField(null=True, blank=True, help_text="Goods left the counter.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=("DRAFT", "WITHDRAWN")) | Q(terms__isnull=False, submitted_at__isnull=False),
                name="a_filed_claim_has_its_terms",
            ),
            models.CheckConstraint(
                condition=Q(payable_minor__gte=0, payable_minor__lte=F("total_minor")), name="payable_is_within_price"
            ),
            models.CheckConstraint(
                condition=Q(confirmed_minor__isnull=True)
                | Q(confirmed_minor__gte=0, confirmed_minor__lte=F("payable_minor")),
                name="nobody_confirms_more_than_payable",
            ),
            models.CheckConstraint(
                condition=Q(
                    total_minor__gte=F("basic_minor") + F("other_minor") + F("charity_minor") + F("discount_minor")
                ),
                name="other_payers_are_within_price",
            ),
            models.UniqueConstraint(
                fields=["authorisation", "cycle_no"],
                condition=Q(authorisation__isnull=False)
                & ~Q(state__in=("WITHDRAWN", "DECLINED", "PREREVIEW_DECLINED", "CLOSED")),
                name="one_running_claim_per_cycle",
            ),
        ]
        indexes = [
            models.Index(fields=["organisation", "state", "submitted_at"], name="claims_of_an_insurer"),
            models.Index(fields=["state", "submitted_at"], name="claims_by_state"),
            models.Index(fields=["person", "-created_at"], name="claims_of_a_person"),
            models.Index(fields=["policy", "drug", "service_on"], name="claims_like_this_one"),
        ]

    def __str__(self) -> str:
        return self.claim_no

    @property
    def paper_waits(self) -> bool:
        """Its paper originals are still to come."""
        return self.paper == PaperState.DUE and self.state not in ENDED


class ClaimLine(models.Model):
    """One line of what is claimed, with its arithmetic; `line_no` is the order in which the deductible is eaten."""

    claim = models.ForeignKey(Claim, on_delete=models.CASCADE, related_name="lines")
    line_no = models.PositiveSmallIntegerField()
    drug = models.ForeignKey("registry.Drug", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveSmallIntegerField()
    unit_price_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    basic_minor = models.BigIntegerField(default=0)
    other_minor = models.BigIntegerField(default=0)
    charity_minor = models.BigIntegerField(default=0)
    deductible_minor = models.BigIntegerField(default=0)
    ratio_basis_points = models.PositiveIntegerField(default=0)
    payable_minor = models.BigIntegerField(default=0, help_text="Before the claim's caps.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "line_no"], name="one_line_per_claim_and_number"),
            models.CheckConstraint(
                condition=Q(amount_minor=F("unit_price_minor") * F("quantity")), name="a_line_is_price_by_quantity"
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line_no} of {self.claim_id}"


class ClaimParty(models.Model):
    """An organisation that sees the claim, and as what. Row security goes by this table."""

    claim = models.ForeignKey(Claim, on_delete=models.CASCADE, related_name="parties")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=15, choices=PartyRole)
    basis_points = models.PositiveIntegerField(default=0, help_text="Share of the payable, of an insurer.")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "claim parties"
        constraints = [
            models.UniqueConstraint(fields=["claim", "organisation", "role"], name="one_party_per_claim_and_role")
        ]
        indexes = [models.Index(fields=["organisation", "claim"], name="claims_of_a_party")]

    def __str__(self) -> str:
        return f"{self.role} of {self.claim_id}"


class ClaimLease(models.Model):
    """Who has the claim open for work, and until when. Taken, kept and given back by services only."""

    claim = models.OneToOneField(Claim, primary_key=True, on_delete=models.CASCADE, related_name="lease")
    holder = models.CharField(max_length=120, help_text="The user's name for sign-in.")
    holder_name = models.CharField(max_length=120)
    stage = models.CharField(max_length=12, choices=Stage)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder} until {self.until}"
