"""How many statements a claim costs from its draft to CONFIRMED: a read that comes back for each row shows here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from claims.models import Claim
from claims.states import ClaimState
from core.clock import database_now
from core.ids import new_trace_id
from journal.handlers import handlers
from journal.models import Job
from prereview.models import RuleResult
from prereview.rules.standing import BODY, CASES
from prereview.services.packs import pack_draft, pack_publish
from tests.patients.house import Family
from tests.patients.test_api import draft_body, patient_of, photo
from tests.registry.house import make_shelf, prescription_of
from tests.roles import as_role

pytestmark = pytest.mark.django_db

# Each request begins with six of its own: transaction, session, moment, account, standing, whom it sees. A service's
# own transaction is a savepoint within the request's, which is two.
MOST = {"draft": 18, "document": 21, "submit": 40, "take": 69}


class Statements:
    """What went to the database by step, without the tests' own change of role."""

    def __init__(self) -> None:
        self.by_step: dict[str, list[str]] = {}

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        seen = self.by_step.setdefault(step, [])

        def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            if not str(sql).startswith(("SET ROLE", "RESET ROLE")):
                seen.append(str(sql)[:2000])
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            yield

    def counts(self) -> dict[str, int]:
        return {step: len(seen) for step, seen in self.by_step.items()}


@pytest.fixture
def delegated(db: None) -> Family:
    """A family whose product lets a sound first claim straight through, within the insurer's delegation."""
    shelf = make_shelf(confirmation_mode="DELEGATED")
    now = database_now()
    body = deepcopy(BODY) | {"sample_basis_points": 0, "straight_through": {"kinds": ["FIRST"], "up_to_minor": 10**6}}
    pack = pack_draft(
        product_code=shelf.product.pk,
        body=body,
        cases=deepcopy(CASES),
        note="",
        by="drafter",
        now=now,
        trace_id=new_trace_id(),
    )
    pack_publish(pack_id=pack.pk, version=0, by="publisher", now=now, trace_id=new_trace_id())
    return Family(shelf, shelf.person, shelf.person, shelf.person)


def test_a_claim_from_draft_to_confirmed_costs_no_more_statements_than_it_did(delegated: Family) -> None:
    browser, statements = patient_of(delegated), Statements()
    # By a specialist, which no patient says himself: else a person looks at it.
    prescription = prescription_of(delegated.patient, delegated.shelf.drug, quantity=2)
    with statements.of("draft"):
        body = draft_body(delegated, prescription_id=str(prescription.pk))
        claim_id = browser.post("claims", body, status=201)["id"]
    yesterday = (database_now() - timedelta(days=1)).date().isoformat()
    with statements.of("document"):
        assert browser.upload(claim_id, "ID_CARD", photo("#112233")).status_code == 201
    assert browser.upload(claim_id, "PRESCRIPTION", photo("#445566"), issued_on=yesterday).status_code == 201
    with statements.of("submit"):
        browser.post(f"claims/{claim_id}/submit")
    job: Any = Job.objects.get(kind="prereview.take")
    handler: Any = handlers()["prereview.take"]
    now = database_now()
    with as_role("worker"), statements.of("take"):
        handler.conclude_jobs([job], now=now)
    routed = RuleResult.objects.filter(run__claim_id=claim_id, passed=False)
    assert [(one.rule, one.evidence) for one in routed] == []
    assert Claim.objects.get(pk=claim_id).state == ClaimState.CONFIRMED
    counts = statements.counts()
    dear = {step: (count, MOST[step]) for step, count in counts.items() if count > MOST[step]}
    assert not dear, f"{counts} (statements, most) by step: {dear}; {[statements.by_step[step] for step in dear]}"


def test_an_upload_reads_as_much_beside_many_documents_as_beside_none(delegated: Family) -> None:
    browser, statements = patient_of(delegated), Statements()
    claim_id = browser.post("claims", draft_body(delegated), status=201)["id"]
    with statements.of("first"):
        assert browser.upload(claim_id, "OTHER", photo("#000001")).status_code == 201
    for number in range(2, 8):
        assert browser.upload(claim_id, "OTHER", photo(f"#00{number:02d}f1")).status_code == 201
    with statements.of("eighth"):
        assert browser.upload(claim_id, "OTHER", photo("#0099f1")).status_code == 201
    assert statements.counts()["eighth"] <= statements.counts()["first"]
