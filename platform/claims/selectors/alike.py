"""What a review compares a claim with: its papers, other claims with the same paper, and the supply before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from django.db.models import QuerySet

from claims.models import Claim, Decision, Document
from claims.states import ClaimState, DecisionWord, Stage

# A claim that came to nothing has used no paper up.
NOTHING_CAME_OF_IT = (
    ClaimState.DRAFT,
    ClaimState.WITHDRAWN,
    ClaimState.DECLINED,
    ClaimState.PREREVIEW_DECLINED,
)
APPROVED = (ClaimState.CONFIRMED, ClaimState.PARTLY_CONFIRMED, ClaimState.CLOSED)
ALIKE_LIMIT = 20
# Papers that pay once. An identity card is handed in with every claim.
PAYING = ("PRESCRIPTION", "INVOICE", "BASIC_INSURANCE_SLIP")


@dataclass(frozen=True, slots=True)
class AlikeClaim:
    claim_no: str
    same: Literal["prescription", "invoice", "file"]


@dataclass(frozen=True, slots=True)
class Supply:
    """Boxes for `days` from `service_on` on."""

    service_on: date
    days: int


def materials_of(*, claim: Claim) -> QuerySet[Document]:
    """What was handed in and neither withdrawn nor replaced, oldest first."""
    return claim.documents.filter(withdrawn_at__isnull=True, replaced_by__isnull=True).order_by("uploaded_at", "pk")


def claims_alike(*, claim: Claim) -> list[AlikeClaim]:
    """Other claims, of anybody, with the same prescription, invoice number or file; those that ended without payment
    left out."""
    others = Claim.objects.exclude(pk=claim.pk).exclude(state__in=NOTHING_CAME_OF_IT).order_by("claim_no")
    found: list[AlikeClaim] = []
    if claim.prescription_id is not None:
        same = others.filter(prescription_id=claim.prescription_id)
        found += [AlikeClaim(one, "prescription") for one in same.values_list("claim_no", flat=True)[:ALIKE_LIMIT]]
    if claim.invoice_no:
        same = others.filter(invoice_no=claim.invoice_no)
        found += [AlikeClaim(one, "invoice") for one in same.values_list("claim_no", flat=True)[:ALIKE_LIMIT]]
    own = materials_of(claim=claim).filter(kind__in=PAYING).values("sha256")
    papers = Document.objects.filter(withdrawn_at__isnull=True, sha256__in=own)
    if claim.prescription_id is not None:
        # A prescription with repeats is the same paper each time: its own rule counts those.
        papers = papers.exclude(kind="PRESCRIPTION", claim__prescription_id=claim.prescription_id)
    same = others.filter(pk__in=papers.values("claim_id"))
    return found + [AlikeClaim(one, "file") for one in same.values_list("claim_no", flat=True)[:ALIKE_LIMIT]]


def last_supply_before(*, claim: Claim) -> Supply | None:
    """The latest approved claim of the same person for the same drug before this one's day."""
    earlier = Claim.objects.filter(person_id=claim.person_id, drug_id=claim.drug_id, state__in=APPROVED)
    earlier = earlier.exclude(pk=claim.pk).filter(service_on__lte=claim.service_on, confirmed_minor__gt=0)
    found = earlier.order_by("-service_on", "-pk").values_list("service_on", "days_of_supply").first()
    return Supply(found[0], found[1]) if found is not None and found[0] is not None else None


def claims_of_stage(*, stage: Stage | None) -> QuerySet[Claim]:
    """Filed claims that this database transaction sees, of one stage or of both."""
    rows = Claim.objects.select_related("product", "drug", "organisation", "lease").filter(terms__isnull=False)
    return rows if stage is None else rows.filter(stage=stage)


def prereview_decision(*, claim: Claim) -> Decision | None:
    """The last pass or refusal of the pre-review."""
    words = (DecisionWord.PASS, DecisionWord.DECLINE)
    found = claim.decisions.select_related("claim").filter(stage=Stage.PREREVIEW, word__in=words)
    return found.order_by("-at", "-pk").first()
