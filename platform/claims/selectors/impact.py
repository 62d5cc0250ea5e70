"""What new terms would do to claims: filed ones keep the version they were filed under, drafts do not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from claims.models import Claim
from claims.selectors.place import service_day
from claims.states import IN_FLIGHT, ClaimState
from registry.selectors.terms import terms_read
from registry.states import ClaimKind
from registry.terms import TermsOfProduct

if TYPE_CHECKING:
    from registry.models import Terms

DRAFTS = 5_000


@dataclass(frozen=True, slots=True)
class ClaimsImpact:
    """Counts. `in_flight` keep their version; of the `drafts` that would be filed under the new one, what changes."""

    in_flight: int
    drafts: int
    drafts_delisted: int
    drafts_not_indicated: int
    drafts_with_new_materials: int


def claims_impact(*, terms: Terms, now: datetime) -> ClaimsImpact:
    """The claims that `terms` would meet when approved, as this transaction sees them; at most 5,000 drafts are read.

    Insurers see no drafts: the count is for the platform's preview.
    """
    new = terms_read(terms=terms)
    claims = Claim.objects.filter(product_id=terms.product_id)
    drafts = [
        claim
        for claim in claims.filter(state=ClaimState.DRAFT).select_related("product", "terms")[:DRAFTS]
        if service_day(claim=claim, now=now) >= terms.effective_from or claim.service_on is None
    ]
    delisted = [claim for claim in drafts if new.listed(claim.drug_id) is None]
    kept = [claim for claim in drafts if new.listed(claim.drug_id) is not None]
    return ClaimsImpact(
        in_flight=claims.filter(state__in=IN_FLIGHT).count(),
        drafts=len(drafts),
        drafts_delisted=len(delisted),
        drafts_not_indicated=sum(
            bool(claim.icd10) and not new.indicated(drug=claim.drug_id, icd10=claim.icd10) for claim in kept
        ),
        drafts_with_new_materials=sum(_missing(claim, new) for claim in kept),
    )


def _missing(claim: Claim, new: TermsOfProduct) -> bool:
    there = set(claim.documents.filter(withdrawn_at__isnull=True).values_list("kind", flat=True))
    needed = {material.kind for material in new.checklist(drug=claim.drug_id, kind=ClaimKind(claim.kind))}
    return bool(needed - there)
