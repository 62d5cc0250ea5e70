"""Insurers, a product with terms, drugs, persons and policies: what job B needs before a claim can be made.

Everything is made through the services, as role app seeing everything unless a test says otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from accounts.models import Organisation
from accounts.services import organisation_create
from accounts.states import OrganisationKind
from core.ids import new_trace_id
from registry.models import Authorisation, Drug, Person, Policy, Prescription, Product, Terms
from registry.services.authorisations import AuthorisationDraft, authorisation_grant
from registry.services.drugs import DrugDraft, drug_define
from registry.services.persons import PersonDraft, person_register
from registry.services.policies import MemberDraft, PolicyDraft, policy_write
from registry.services.prescriptions import PrescriptionDraft, prescription_store
from registry.services.products import ProductDraft, product_define
from registry.services.terms import terms_approve, terms_draft, terms_propose
from registry.states import Relation

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)  # 10 in the morning in Shanghai.
TODAY = date(2026, 11, 25)
FIRST_DAY = date(2026, 1, 1)
LAST_DAY = date(2026, 12, 31)
DRUG, OTHER_DRUG = "TRAST-440", "OSIM-80"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_numbers = itertools.count(1)

TERMS: Mapping[str, Any] = {
    "confirmation_mode": "BEFORE_HANDOVER",
    "delegated_limit_minor": 2_000_000,
    "drugs": [
        {
            "drug": DRUG,
            "category": "breast",
            "cap_minor": 30_000_000,
            "indications": ["C50"],
            "clause": "Article 5.2: trastuzumab for HER2-positive breast cancer.",
            "clause_zh": "第5.2条：曲妥珠单抗用于HER2阳性乳腺癌。",
        },
        {
            "drug": OTHER_DRUG,
            "category": "lung",
            "cap_minor": None,
            "indications": ["C34.1", "C34.9"],
            "clause": "Article 5.3: osimertinib for EGFR-mutated lung cancer.",
            "clause_zh": "第5.3条：奥希替尼用于EGFR突变肺癌。",
        },
    ],
    "materials": [
        {
            "kind": "ID_CARD",
            "needed_for": ["FIRST"],
            "drugs": [],
            "maximum_age_days": None,
            "hint": "Both sides.",
            "hint_zh": "正反两面。",
        },
        {
            "kind": "PRESCRIPTION",
            "needed_for": ["FIRST", "RENEWAL"],
            "drugs": [],
            "maximum_age_days": 30,
            "hint": "By a specialist, with the diagnosis code.",
            "hint_zh": "由专科医生开具并注明诊断编码。",
        },
        {
            "kind": "GENE_TEST",
            "needed_for": ["FIRST"],
            "drugs": [OTHER_DRUG],
            "maximum_age_days": 365,
            "hint": "EGFR.",
            "hint_zh": "EGFR基因检测。",
        },
    ],
    "ratios": [
        {"pre_existing": False, "basic_settled": True, "basis_points": 8_000},
        {"pre_existing": False, "basic_settled": False, "basis_points": 6_000},
        {"pre_existing": True, "basic_settled": True, "basis_points": 4_000},
        {"pre_existing": True, "basic_settled": False, "basis_points": 0},
    ],
    "waiting_days": 30,
    "grace_days": 60,
    "diagnosis_window_years": 3,
    "days_of_supply_most": 31,
    "early_refill_days": 5,
    "deductible_minor": 0,
    "deductible_offsets": [],
    "deductible_order": "as_listed",
    "annual_cap_minor": 100_000_000,
    "category_caps_minor": {"breast": 60_000_000},
    "payers": ["basic", "other", "commercial", "charity", "patient"],
    "paper_above_minor": 5_000_000,
    "decide_within_days": 5,
    "decide_complex_within_days": 30,
    "pay_within_days": 10,
    "refusal_letter_within_days": 3,
    "materials_within_days": 30,
    "appeal_within_days": 60,
    "authorisation_cycles_most": 6,
    "authorisation_days": 365,
    "re_evaluation_cycles_most": 3,
    "running_on_delisting": "continue",
    "list_date": "service",
}


@dataclass(frozen=True)
class Shelf:
    """An insurer with a product in force, its list's drugs, and an insured person with a policy."""

    insurer: Organisation
    stranger: Organisation
    product: Product
    terms: Terms
    drug: Drug
    other_drug: Drug
    person: Person
    policy: Policy


def make_shelf(**terms_changes: Any) -> Shelf:
    """All of it. `terms_changes` replace parameters of TERMS."""
    insurer, stranger = insurer_of("INS-LIFE"), insurer_of("INS-OTHER")
    drug, other_drug = drug_of(DRUG), drug_of(OTHER_DRUG)
    product = product_of(insurer)
    terms = terms_of(product, **terms_changes)
    person = person_of()
    policy = policy_of(product, person)
    return Shelf(insurer, stranger, product, terms, drug, other_drug, person, policy)


def insurer_of(code: str, kind: OrganisationKind = OrganisationKind.INSURER) -> Organisation:
    return organisation_create(
        code=code, kind=kind, name=f"The {code}", name_zh=f"{code}公司", actor="platform", now=NOW
    )


def drug_of(code: str, **changes: Any) -> Drug:
    """A drug of the catalogue: 5,000.00 a box."""
    values: dict[str, Any] = {
        "code": code,
        "national_code": f"N-{code}",
        "generic_name": code.lower(),
        "generic_name_zh": f"通用名{code}",
        "brand": code.title(),
        "brand_zh": f"商品名{code}",
        "specification": "1 vial",
        "reference_price_minor": 500_000,
    }
    return drug_define(draft=DrugDraft(**(values | changes)), by="platform", now=NOW)


def product_of(
    lead: Organisation, code: str = "city-care", *, shares: Mapping[int, int] | None = None, **changes: Any
) -> Product:
    """A product carried by `lead` alone, or by `shares` (basis points by organisation id)."""
    values: dict[str, Any] = {
        "code": code,
        "organisation_id": lead.pk,
        "name": "City Care",
        "name_zh": "城市惠民保",
        "summary": "Pays for specialty drugs.",
        "summary_zh": "承担特药费用。",
        "offered_from": FIRST_DAY,
        "shares": shares or {lead.pk: 10_000},
    }
    return product_define(draft=ProductDraft(**(values | changes)), by="platform", now=NOW)


def terms_body(**changes: Any) -> dict[str, Any]:
    return deepcopy(dict(TERMS)) | changes


def terms_of(product: Product, effective_from: date = date(2020, 1, 1), **changes: Any) -> Terms:
    """Terms in force from a day on: drafted by one, approved by another."""
    terms = terms_draft(
        product_code=product.pk,
        effective_from=effective_from,
        body=terms_body(**changes),
        by="drafter",
        now=NOW,
        trace_id=new_trace_id(),
    )
    trace_id = new_trace_id()
    terms_propose(terms_id=terms.pk, version=0, by="drafter", now=NOW, trace_id=trace_id)
    return terms_approve(terms_id=terms.pk, version=1, by="approver", now=NOW, trace_id=trace_id)


def id_no(born_on: date = date(1980, 5, 17), number: int | None = None) -> str:
    """An identity-card number with its check digit (GB 11643), another one at each call."""
    serial = next(_numbers) if number is None else number
    digits = f"110101{born_on:%Y%m%d}{serial % 1000:03d}"
    return digits + "10X98765432"[sum(int(one) * weight for one, weight in zip(digits, WEIGHTS, strict=True)) % 11]


def person_of(**changes: Any) -> Person:
    """Another person at each call."""
    born_on = changes.get("born_on", date(1980, 5, 17))
    values: dict[str, Any] = {
        "name": "李雷",
        "id_no": id_no(born_on),
        "born_on": born_on,
        "phone": f"139{next(_numbers):08d}",
        "address": "北京市东城区",
    }
    return person_register(draft=PersonDraft(**(values | changes)), now=NOW)


def policy_of(
    product: Product, *persons: Person, members: Sequence[MemberDraft] | None = None, **changes: Any
) -> Policy:
    """A policy of the product's lead over the year 2026: 2,000,000.00 for each of `persons`, from its first day on."""
    values: dict[str, Any] = {
        "organisation_id": product.organisation_id,
        "product_code": product.pk,
        "policy_no": f"P-{next(_numbers):06d}",
        "starts_on": FIRST_DAY,
        "ends_on": LAST_DAY,
        "sum_insured_minor": 200_000_000,
    }
    values |= changes
    named = [MemberDraft(person_id=one.pk, relation=Relation.SELF, starts_on=values["starts_on"]) for one in persons]
    return policy_write(draft=PolicyDraft(**values, members=tuple(members or named)), now=NOW)


def prescription_of(person: Person, drug: Drug, **changes: Any) -> Prescription:
    """One box for 21 days, issued today."""
    values: dict[str, Any] = {
        "person_id": person.pk,
        "source": "HOSP-A",
        "number": f"RX-{next(_numbers):06d}",
        "doctor": "Dr Wang",
        "specialist": True,
        "drug_code": drug.pk,
        "icd10": "C50.9",
        "quantity": 1,
        "days_of_supply": 21,
        "issued_on": TODAY,
        "valid_until": date(2026, 12, 25),
    }
    return prescription_store(draft=PrescriptionDraft(**(values | changes)), now=NOW)


def authorisation_of(policy: Policy, person: Person, drug: Drug, **changes: Any) -> Authorisation:
    """Eight cycles of one box for 21 days, through the year."""
    values: dict[str, Any] = {
        "policy_id": policy.pk,
        "person_id": person.pk,
        "drug_code": drug.pk,
        "icd10": "C50.9",
        "regimen": "One vial every three weeks",
        "cycles": 8,
        "quantity_per_cycle": 1,
        "days_per_cycle": 21,
        "valid_from": FIRST_DAY,
        "valid_until": LAST_DAY,
        "re_evaluate_after_cycles": 4,
    }
    return authorisation_grant(
        draft=AuthorisationDraft(**(values | changes)), by="reviewer", now=NOW, trace_id=new_trace_id()
    )
