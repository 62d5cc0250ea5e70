"""用药授权: what the first confirmed cycle of a drug authorises for the cycles after it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from claims.models import Claim
from core.row_security import seen_by
from registry.services.authorisations import AuthorisationDraft, AuthorisationRuns, authorisation_grant, cycle_used
from registry.states import ClaimKind
from registry.terms import TermsOfProduct


def cycle_authorised(*, claim: Claim, terms: TermsOfProduct, by: str, now: datetime, trace_id: str) -> None:
    """The confirmed claim is a cycle of its authorisation; the first of a drug gets one by the terms of its day.

    The authorisation's id stands in the claim, not yet written. Where one runs already, that one is left as it is and
    the claim stands alone. Raises AuthorisationNotOpen for a cycle out of turn.
    """
    # An administrator decides for the lead insurer, whose authorisation it is.
    with seen_by([claim.organisation_id]):
        if claim.authorisation_id is None and claim.kind == ClaimKind.FIRST and terms.authorisation_cycles_most > 0:
            with suppress(AuthorisationRuns):
                draft = _draft(claim, terms)
                granted = authorisation_grant(draft=draft, by=by, now=now, trace_id=trace_id)
                claim.authorisation_id = granted.pk
        if claim.authorisation_id is not None:
            cycle_used(
                authorisation_id=claim.authorisation_id, cycle_no=claim.cycle_no, by=by, now=now, trace_id=trace_id
            )


def _draft(claim: Claim, terms: TermsOfProduct) -> AuthorisationDraft:
    first = claim.service_on
    if first is None:
        raise RuntimeError(f"claim {claim.claim_no} was filed without a day of service")
    last_of_cover = claim.policy.ends_on + timedelta(days=terms.grace_days)
    return AuthorisationDraft(
        policy_id=claim.policy_id,
        person_id=claim.person_id,
        drug_code=claim.drug_id,
        icd10=claim.icd10,
        regimen=f"{claim.quantity} per {claim.days_of_supply} days",
        cycles=terms.authorisation_cycles_most,
        quantity_per_cycle=claim.quantity,
        days_per_cycle=claim.days_of_supply,
        valid_from=first,
        valid_until=max(first, min(first + timedelta(days=terms.authorisation_days), last_of_cover)),
        re_evaluate_after_cycles=max(1, terms.re_evaluation_cycles_most),
    )
