"""The demo's world of direct pay: insurers, drugs, products with terms in force, and two hundred invented people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from core.ids import new_trace_id
from ops.specialty_world import DRUGS, PRODUCTS, DemoPerson, DemoProduct, people, policy_no_of, terms_body
from registry.selectors.products import product_by_code
from registry.services.drugs import DrugDraft, drug_define
from registry.services.persons import PersonDraft, person_register
from registry.services.policies import MemberDraft, PolicyDraft, policy_write
from registry.services.products import ProductDraft, product_define
from registry.services.terms import terms_approve, terms_draft, terms_propose

DRAFTER, APPROVER = "demo-products", "demo-actuary"
FROM, UNTIL = date(2026, 1, 1), date(2027, 12, 31)
SUM_INSURED_MINOR = 200_000_000


def specialty_seed(*, insurers: Mapping[str, int], now: datetime) -> None:
    """Set up what is not there yet. `insurers`: organisation ids by code."""
    for code, generic, generic_zh, brand, pack, price_minor, _, _, cold_chain in DRUGS:
        draft = DrugDraft(
            code=code,
            national_code=f"DEMO-{code}",
            generic_name=generic,
            generic_name_zh=generic_zh,
            brand=brand,
            brand_zh=f"{generic_zh}(演示)",
            specification=pack,
            reference_price_minor=price_minor,
            cold_chain=cold_chain,
        )
        drug_define(draft=draft, by=DRAFTER, now=now)
    if all(product_by_code(code=product.code) for product in PRODUCTS):
        return
    for product in PRODUCTS:
        _product(product, insurers, now)
    for person in people():
        _insured(person, PRODUCTS[person.number % len(PRODUCTS)], insurers, now)


def _product(product: DemoProduct, insurers: Mapping[str, int], now: datetime) -> None:
    lead = insurers[product.insurer]
    shares = {lead: 10_000}
    if product.co_insurer is not None:
        code, basis_points = product.co_insurer
        shares = {lead: 10_000 - basis_points, insurers[code]: basis_points}
    draft = ProductDraft(
        code=product.code,
        organisation_id=lead,
        name=product.name,
        name_zh=product.name_zh,
        summary=f"{product.name}: pays listed specialty drugs. Invented for the demo.",
        summary_zh=f"{product.name_zh}：目录内特药费用报销。演示产品。",
        offered_from=FROM,
        shares=shares,
    )
    product_define(draft=draft, by=DRAFTER, now=now)
    sign: dict[str, Any] = {"now": now, "trace_id": new_trace_id()}
    terms = terms_draft(product_code=product.code, effective_from=FROM, body=terms_body(product), by=DRAFTER, **sign)
    terms = terms_propose(terms_id=terms.pk, version=terms.version, by=DRAFTER, **sign)
    terms_approve(terms_id=terms.pk, version=terms.version, by=APPROVER, **sign)


def _insured(person: DemoPerson, product: DemoProduct, insurers: Mapping[str, int], now: datetime) -> None:
    draft = PersonDraft(
        name=person.name, id_no=person.id_no, phone=person.phone, born_on=person.born_on, address="演示市演示路1号"
    )
    member = MemberDraft(person_id=person_register(draft=draft, now=now).pk, pre_existing=person.number % 11 == 0)
    policy_write(
        draft=PolicyDraft(
            organisation_id=insurers[product.insurer],
            product_code=product.code,
            policy_no=policy_no_of(person, product),
            starts_on=FROM,
            ends_on=UNTIL,
            sum_insured_minor=SUM_INSURED_MINOR,
            members=(member,),
        ),
        now=now,
    )
