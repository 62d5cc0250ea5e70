"""What a claim draws on its policy: held at submission, used by a confirmation, free again at every other end."""

from __future__ import annotations

from datetime import datetime

from claims.models import Claim
from claims.payable import Line, Payable, payable
from claims.selectors.place import place_of
from core.row_security import seen_by
from registry.selectors.terms import terms_read
from registry.services.benefits import (
    Benefits,
    benefits_give_back,
    benefits_hold,
    benefits_lock,
    benefits_release,
    benefits_use,
)
from registry.terms import TermsOfProduct


def claim_benefits_hold(
    *, claim: Claim, by: str, now: datetime, again: bool = False, most_deductible_minor: int | None = None
) -> None:
    """Lock what is left, compute the payable anew, hold its part; the amounts stand in the claim, not yet written.

    `again`: what it had is given back first. `most_deductible_minor`: it eats no more of the deductible than that.
    Needs `claim.terms`, an open transaction and the claim's lock.
    """
    terms, benefits = _locked(claim, by=by, now=now, again=again)
    deductible_left = benefits.deductible_left_minor
    if most_deductible_minor is not None:
        deductible_left = min(deductible_left, most_deductible_minor)
    if again:
        claim.benefit_round += 1
    result = _arithmetic(claim, terms, deductible_left, benefits.cap_left_minor)
    claim.deductible_minor, claim.payable_minor = result.deductible_minor, result.payable_minor
    if claim.payable_minor or claim.deductible_minor:
        benefits_hold(
            benefits=benefits,
            cause_id=claim.pk,
            episode=claim.benefit_round,
            deductible_minor=claim.deductible_minor,
            payable_minor=claim.payable_minor,
            by=by,
            now=now,
        )


def claim_benefits_use(*, claim: Claim, by: str, now: datetime) -> None:
    """The confirmed amount and the deductible that the claim ate are used; the rest is free again."""
    with seen_by([claim.organisation_id]):
        benefits_use(
            cause_id=claim.pk,
            deductible_minor=claim.deductible_minor,
            payable_minor=claim.confirmed_minor or 0,
            by=by,
            now=now,
        )


def claim_benefits_release(*, claim: Claim, by: str, now: datetime) -> None:
    """The claim ended without payment. Nothing held, nothing done."""
    with seen_by([claim.organisation_id]):
        benefits_release(cause_id=claim.pk, by=by, now=now)


def _locked(claim: Claim, *, by: str, now: datetime, again: bool) -> tuple[TermsOfProduct, Benefits]:
    if claim.terms is None or claim.service_on is None:
        raise RuntimeError(f"claim {claim.claim_no} has no terms or no day of service")
    terms = terms_read(terms=claim.terms)
    place = place_of(claim=claim, now=now, terms=None if again else claim.terms)
    if place is None:
        raise RuntimeError(f"claim {claim.claim_no}: {claim.drug_id} is not on the list that counts")
    # A third-party administrator works the claim without seeing the lead insurer's counts: the claim's right is enough.
    with seen_by([claim.organisation_id]):
        if again:
            benefits_release(cause_id=claim.pk, by=by, now=now)
            benefits_give_back(cause_id=claim.pk, by=by, now=now)
        benefits = benefits_lock(
            policy=claim.policy,
            person_id=claim.person_id,
            drug=claim.drug,
            listed=place.listed,
            terms=terms,
            on=claim.service_on,
            now=now,
        )
    return terms, benefits


def _arithmetic(claim: Claim, terms: TermsOfProduct, deductible_left: int, cap_left: int) -> Payable:
    rows = list(claim.lines.order_by("line_no"))
    result = payable(
        lines=[
            Line(row.line_no, row.amount_minor, row.basic_minor, row.other_minor, row.charity_minor) for row in rows
        ],
        deductible_left_minor=deductible_left,
        cap_left_minor=cap_left,
        ratio_basis_points=ratio_of(claim, terms),
        terms=terms,
        discount_minor=claim.discount_minor,
    )
    by_number = {line.line_no: line for line in result.lines}
    for row in rows:
        line = by_number[row.line_no]
        row.deductible_minor, row.payable_minor = line.deductible_minor, line.payable_minor
        row.ratio_basis_points = line.ratio_basis_points
        row.save(update_fields=["deductible_minor", "payable_minor", "ratio_basis_points"])
    return result


def ratio_of(claim: Claim, terms: TermsOfProduct) -> int:
    """Basis points by what is known of the member and of the claim."""
    member = claim.policy.members.filter(person_id=claim.person_id).first()
    return terms.ratio_basis_points(
        pre_existing=bool(member and member.pre_existing), basic_settled=claim.basic_minor > 0
    )
