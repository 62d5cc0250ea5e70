"""`python -m bench.scenes.claimants PEOPLE OUT [FILLED]`: people who can file a claim at once, and claims of the past.

Each person has a policy, a specialist's prescription, an account, a session and his consents, made by the services that
real ones go through. The claims of the past (FILLED) are written by SQL, with the rows that hang on each. Runs with the
environment of the owner on the database that is to be filled.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import psycopg

PRODUCT, DRUG, ICD10 = "BENCH-D", "ADALI-40", "M05.9"
PRICE_MINOR = 129_000
PAST = """
WITH made AS (
    INSERT INTO claims_claim (id, organisation_id, claim_no, kind, stage, product_id, terms_id, policy_id, person_id,
        drug_id, cycle_no, confirmation_mode, icd10, diagnosed_on, service_on, quantity, days_of_supply, invoice_no,
        currency, total_minor, basic_minor, other_minor, charity_minor, discount_minor, deductible_minor, payable_minor,
        recommended_minor, confirmed_minor, risk, risk_reasons, paper, paper_courier_no, state_before_appeal, episode,
        benefit_round, materials_asked, urgent, re_review, submitted_at, decided_at, created_at, state, version,
        state_at, state_by, state_reason, trace_id)
    SELECT gen_random_uuid(), product.organisation_id, 'PAST-' || n, 'FIRST', 'CONFIRMATION', product.code, terms.id,
        member.policy_id, member.person_id, %(drug)s, 1, 'DELEGATED', %(icd10)s, current_date - 400, current_date - 300,
        1, 30, '', 'CNY', %(price)s, 0, 0, 0, 0, 0, %(price)s / 2, %(price)s / 2, %(price)s / 2, 'LOW', '[]',
        'NOT_NEEDED', '', '', 1, 1, 0, false, false, at, at, at, 'CLOSED', 5, at, 'bench', '', md5(n::text)
    FROM (SELECT n, now() - interval '300 days' - n * interval '1 s' AS at FROM generate_series(1, %(rows)s) n) past
    JOIN (SELECT *, row_number() OVER () - 1 AS place, count(*) OVER () AS many FROM registry_policymember member
        WHERE policy_id IN (SELECT id FROM registry_policy WHERE product_id = %(product)s)) member
        ON member.place = past.n %% member.many
    CROSS JOIN (SELECT * FROM registry_product WHERE code = %(product)s) product
    CROSS JOIN (SELECT id FROM registry_terms WHERE product_id = %(product)s LIMIT 1) terms
    RETURNING id, organisation_id, created_at
), lines AS (
    INSERT INTO claims_claimline (claim_id, line_no, drug_id, quantity, unit_price_minor, amount_minor, basic_minor,
        other_minor, charity_minor, deductible_minor, ratio_basis_points, payable_minor)
    SELECT id, 1, %(drug)s, 1, %(price)s, %(price)s, 0, 0, 0, 0, 5000, %(price)s / 2 FROM made
), parties AS (
    INSERT INTO claims_claimparty (claim_id, organisation_id, role, basis_points, since)
    SELECT id, organisation_id, 'LEAD_INSURER', 10000, created_at FROM made
), clocks AS (
    INSERT INTO claims_claimclock (claim_id, kind, episode, started_at, due_at, paused_seconds, stopped_at)
    SELECT id, kind, 1, created_at, created_at, 0, created_at FROM made, (VALUES ('DECIDE'), ('PAY')) AS clock (kind)
)
INSERT INTO claims_claimevent (claim_id, kind, audience, details, by, on_behalf, at, trace_id)
SELECT id, kind, '["PATIENT"]', '{}', 'bench', false, created_at, ''
FROM made, (VALUES ('claim.drafted'), ('claim.submitted'), ('prereview.passed'), ('confirmation.confirmed')) AS e (kind)
"""
TABLES = "claims_claim, claims_claimline, claims_claimparty, claims_claimclock, claims_claimevent"


def product_make(*, now: datetime) -> None:
    """A delegated product with one paper on its checklist, whose sound claims need no person."""
    from copy import deepcopy

    from accounts.selectors import organisation_by_code
    from core.ids import new_trace_id
    from ops.specialty_world import DemoProduct, terms_body
    from prereview.rules.standing import BODY, CASES
    from prereview.services.packs import pack_draft, pack_publish
    from registry.services.products import ProductDraft, product_define
    from registry.services.terms import terms_approve, terms_draft, terms_propose

    insurer = organisation_by_code(code="INS-A")
    assert insurer is not None
    draft = ProductDraft(
        code=PRODUCT,
        organisation_id=insurer.pk,
        name="Bench",
        name_zh="基准",
        summary="For the bench.",
        summary_zh="用于基准测试。",
        offered_from=date(2026, 1, 1),
        shares={insurer.pk: 10_000},
    )
    product_define(draft=draft, by="bench", now=now)
    body = terms_body(DemoProduct(PRODUCT, "INS-A", "Bench", "基准", "DELEGATED", 10**7, 0))
    body["materials"] = [one for one in body["materials"] if one["kind"] == "PRESCRIPTION"]
    sign: dict[str, Any] = {"now": now, "trace_id": new_trace_id()}
    terms = terms_draft(product_code=PRODUCT, effective_from=date(2026, 1, 1), body=body, by="bench", **sign)
    terms = terms_propose(terms_id=terms.pk, version=terms.version, by="bench", **sign)
    terms_approve(terms_id=terms.pk, version=terms.version, by="other", **sign)
    rules = deepcopy(BODY) | {"sample_basis_points": 0, "straight_through": {"kinds": ["FIRST"], "up_to_minor": 10**7}}
    pack = pack_draft(product_code=PRODUCT, body=rules, cases=deepcopy(CASES), note="", by="bench", **sign)
    pack_publish(pack_id=pack.pk, version=pack.version, by="other", **sign)


def claimant_make(number: int, *, insurer_id: int, now: datetime) -> dict[str, str]:
    """One person with all that filing needs; what his telephone knows."""
    from core.ids import uuid7
    from patients.api.base import ACCOUNT, SESSION_SECONDS, session_store
    from patients.consent_texts import FOR_FILING, text_current
    from patients.models import PatientAccount
    from patients.selectors.standing import standing_of
    from patients.services.consents import consent_give
    from registry.selectors.persons import phone_index
    from registry.services.persons import PersonDraft, person_register
    from registry.services.policies import MemberDraft, PolicyDraft, policy_write
    from registry.services.prescriptions import PrescriptionDraft, prescription_store

    phone = f"1980{number:07d}"
    identity = f"99100019700101{number % 1000:03d}{number // 1000:02d}"
    person = person_register(
        draft=PersonDraft(name=f"基准{number}", id_no=identity, phone=phone, born_on=date(1970, 1, 1)), now=now
    )
    policy = policy_write(
        draft=PolicyDraft(
            organisation_id=insurer_id,
            product_code=PRODUCT,
            policy_no=f"BENCH-{number:07d}",
            starts_on=date(2026, 1, 1),
            ends_on=date(2027, 12, 31),
            sum_insured_minor=10**9,
            members=(MemberDraft(person_id=person.pk),),
        ),
        now=now,
    )
    prescription = prescription_store(
        draft=PrescriptionDraft(
            person_id=person.pk,
            source="Bench",
            number=f"RX-{number}",
            doctor="Bench",
            specialist=True,
            drug_code=DRUG,
            icd10=ICD10,
            quantity=1,
            days_of_supply=30,
            issued_on=now.date(),
            valid_until=now.date() + timedelta(days=30),
        ),
        now=now,
    )
    account = PatientAccount.objects.create(
        id=uuid7(now),
        phone_index=phone_index(phone=phone, now=now),
        sealed_phone=b"",
        person=person,
        bound_at=now,
        created_at=now,
        signed_in_at=now,
    )
    standing = standing_of(account_id=account.pk, now=now)
    assert standing is not None
    for code in FOR_FILING:
        consent_give(standing=standing, person_id=person.pk, code=code, version=text_current(code).version, now=now)
    session = session_store()
    session[ACCOUNT] = str(account.pk)
    session.set_expiry(SESSION_SECONDS)
    session.create()
    return {
        "cookie": session.session_key,
        "person_id": str(person.pk),
        "policy_id": str(policy.pk),
        "prescription_id": str(prescription.pk),
    }


def main(people: int, out: Path, filled: int) -> None:
    from django.db import transaction

    from accounts.selectors import organisation_by_code
    from core.clock import database_now

    now = database_now()
    insurer = organisation_by_code(code="INS-A")
    assert insurer is not None
    with transaction.atomic():
        product_make(now=now)
        out.write_text(json.dumps([claimant_make(n, insurer_id=insurer.pk, now=now) for n in range(people)]))
    if filled:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            # The past is written as it ended: no trigger has anything to say about it.
            connection.execute("SET session_replication_role = replica")
            values = {"drug": DRUG, "icd10": ICD10, "price": PRICE_MINOR, "product": PRODUCT, "rows": filled}
            connection.execute(PAST, values)
            connection.execute(f"VACUUM (ANALYZE) {TABLES}")


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
