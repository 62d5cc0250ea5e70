"""The facts of a claim as the rules may see them: read once, from selectors only, without names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from claims.selectors.alike import claims_alike, last_supply_before, materials_of
from claims.selectors.place import place_of
from prereview.rules.facts import Alike, Facts, Needed, Paper
from registry.selectors.authorisations import authorisation_fault, re_evaluation_due, supplied_until
from registry.selectors.benefits import benefit_accounts_of, benefit_moves_of, policy_year_from
from registry.selectors.policies import Cover, cover_on
from registry.selectors.prescriptions import prescription_fault
from registry.selectors.terms import terms_read
from registry.states import BenefitKind, BenefitMoveKind, ClaimKind
from registry.terms import Listed, TermsOfProduct

if TYPE_CHECKING:
    from claims.models import Claim
    from registry.models import BenefitAccount, Prescription

NO_LIMIT_MINOR = 10**15


def facts_of(*, claim: Claim) -> Facts:
    """The facts of a filed claim, by its own terms and by the calendar of its product. Reads only."""
    if claim.terms is None or claim.service_on is None or claim.submitted_at is None:
        raise ValueError(f"claim {claim.claim_no} was not filed")
    terms, on = terms_read(terms=claim.terms), claim.service_on
    cover = cover_on(policy=claim.policy, person_id=claim.person_id, on=on, terms=terms)
    place = place_of(claim=claim, now=claim.submitted_at)
    listed = place.listed if place else None
    left, others = _cap_left(claim, listed, on)
    return Facts(
        kind=claim.kind,
        drug=claim.drug_id,
        icd10=claim.icd10,
        diagnosed_on=claim.diagnosed_on,
        service_on=on,
        quantity=claim.quantity,
        days_of_supply=claim.days_of_supply,
        lines_payable_minor=sum(line.payable_minor for line in claim.lines.all()),
        payable_minor=claim.payable_minor,
        terms_number=claim.terms.number,
        on_policy=cover.member is not None,
        in_force=cover.in_force,
        in_grace=cover.in_grace,
        waiting_until=cover.waiting_until,
        waiting_days=terms.waiting_days,
        covered_since=_covered_since(claim, cover),
        pre_existing=cover.member is not None and cover.member.pre_existing,
        listed=listed is not None,
        indicated=listed is not None and listed.indicated(claim.icd10),
        clause=listed.clause if listed else "",
        clause_zh=listed.clause_zh if listed else "",
        diagnosis_window_years=terms.diagnosis_window_years,
        days_of_supply_most=terms.days_of_supply_most,
        cap_left_minor=left,
        others_hold_minor=others,
        needed=_needed(claim, terms),
        papers=tuple(Paper(one.kind, one.issued_on) for one in materials_of(claim=claim)),
        early_refill_days=terms.early_refill_days,
        alike=tuple(Alike(one.claim_no, one.same) for one in claims_alike(claim=claim)),
        **_prescription(claim.prescription, claim, on),
        **_authorisation(claim, on),
    )


def _needed(claim: Claim, terms: TermsOfProduct) -> tuple[Needed, ...]:
    checklist = terms.checklist(drug=claim.drug_id, kind=ClaimKind(claim.kind))
    return tuple(Needed(one.kind.value, one.maximum_age_days) for one in checklist)


def _covered_since(claim: Claim, cover: Cover) -> date | None:
    if cover.member is None:
        return None
    joined_later = cover.member.starts_on > claim.policy.starts_on
    return cover.member.starts_on if joined_later else claim.policy.first_started_on


def _prescription(found: Prescription | None, claim: Claim, on: date) -> dict[str, Any]:
    if found is None:
        return {
            "prescribed": False,
            "prescription_fault": "",
            "prescribed_icd10": "",
            "prescribed_quantity": 0,
            "specialist": False,
            "prescription_repeats": 0,
        }
    return {
        "prescribed": True,
        "prescription_fault": prescription_fault(prescription=found, drug=claim.drug, on=on) or "",
        "prescribed_icd10": found.icd10,
        "prescribed_quantity": found.quantity,
        "specialist": found.specialist,
        "prescription_repeats": found.repeats,
    }


def _authorisation(claim: Claim, on: date) -> dict[str, Any]:
    """What was picked up is known of a running authorisation; before there is one, from earlier claims."""
    found = claim.authorisation
    if found is None:
        supply = last_supply_before(claim=claim)
        return {
            "supplied_until": supply.service_on + timedelta(days=supply.days) if supply else None,
            "charity_cycles": False,
            "authorised": False,
            "authorisation_fault": "",
            "re_evaluation_due": False,
        }
    return {
        "supplied_until": supplied_until(authorisation=found),
        "charity_cycles": found.charity_free_cycles > 0,
        "authorised": True,
        "authorisation_fault": authorisation_fault(authorisation=found, on=on, quantity=claim.quantity) or "",
        "re_evaluation_due": re_evaluation_due(authorisation=found),
    }


def _cap_left(claim: Claim, listed: Listed | None, on: date) -> tuple[int | None, int]:
    """(what the caps leave to this claim, the most that others hold of one of them), minor units.

    None where nothing is held for the claim: its hold was released, or never made.
    """
    own = {
        move.account_id: move.amount_minor
        for move in benefit_moves_of(cause_id=claim.pk)
        if move.kind == BenefitMoveKind.HOLD and move.episode == claim.episode
    }
    caps = [
        account
        for account in benefit_accounts_of(policy=claim.policy, person_id=claim.person_id)
        if _draws_on(account, claim, listed, on)
    ]
    if not caps or (claim.payable_minor and not any(account.pk in own for account in caps)):
        return None, 0
    left = min(one.limit_minor - one.used_minor - one.held_minor + own.get(one.pk, 0) for one in caps)
    return min(left, NO_LIMIT_MINOR), max(one.held_minor - own.get(one.pk, 0) for one in caps)


def _draws_on(account: BenefitAccount, claim: Claim, listed: Listed | None, on: date) -> bool:
    if account.kind == BenefitKind.SUM_INSURED:
        return account.year_from == claim.policy.starts_on
    if account.kind == BenefitKind.DEDUCTIBLE or account.year_from != policy_year_from(policy=claim.policy, on=on):
        return False
    keys = {
        BenefitKind.DRUG_CAP.value: claim.drug_id,
        BenefitKind.CATEGORY_CAP.value: listed.category if listed else None,
        BenefitKind.ANNUAL_CAP.value: "",
    }
    return keys.get(account.kind) == account.key
