"""The interface for programs of insurers: what they are a party of, in pages, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.test import Client

from accounts.models import Organisation
from accounts.services import client_key_create
from accounts.states import Scope
from claims.models import Claim
from core.clock import database_now
from tests.claims.house import PAYABLE, filed, in_confirmation
from tests.registry.house import Shelf
from tests.roles import as_role

BASE = "/api/claims/v1"


def key_of(organisation: Organisation, scopes: Sequence[Scope] = (Scope.CLAIMS_READ,)) -> str:
    return client_key_create(
        organisation_id=organisation.pk, name="core system", scopes=scopes, actor="platform", now=database_now()
    )


def ask(key: str, address: str, **asked: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with as_role("app"):
        return Client().get(f"{BASE}/{address}", asked, headers=headers)


@pytest.fixture
def claim(shelf: Shelf) -> Claim:
    return in_confirmation(shelf)


def test_an_insurer_reads_its_claim_with_arithmetic_papers_and_next_step(shelf: Shelf, claim: Claim) -> None:
    body = ask(key_of(shelf.insurer), f"claims/{claim.claim_no}").json()
    assert (body["state"], body["payable_minor"], body["recommended_minor"]) == ("IN_CONFIRMATION", PAYABLE, PAYABLE)
    assert [line["ratio_basis_points"] for line in body["lines"]] == [8_000]
    assert [document["kind"] for document in body["documents"]] == ["ID_CARD", "PRESCRIPTION"]
    assert [(party["organisation"], party["basis_points"]) for party in body["parties"]] == [("INS-LIFE", 10_000)]
    assert body["next_step"]["whose"] == "INSURER"


def test_it_sees_pages_and_the_timeline(shelf: Shelf, claim: Claim) -> None:
    key = key_of(shelf.insurer)
    document = claim.documents.all()[0]
    page = ask(key, f"claims/{claim.claim_no}/documents/{document.pk}/pages/1")
    assert (page["Content-Type"], page["Cache-Control"], page.content[:2]) == ("image/jpeg", "no-store", b"\xff\xd8")
    assert ask(key, f"claims/{claim.claim_no}/documents/{document.pk}/pages/2").status_code == 404
    told = ask(key, f"claims/{claim.claim_no}/timeline").json()["items"]
    assert [entry["kind"] for entry in told][-2:] == ["prereview.passed", "state.IN_CONFIRMATION"]


def test_claims_come_in_pages_the_latest_first(shelf: Shelf) -> None:
    numbers = [filed(shelf).claim_no for _ in range(3)]
    key = key_of(shelf.insurer)
    first = ask(key, "claims", limit=2).json()
    second = ask(key, "claims", limit=2, after=first["next"]).json()
    assert {one["claim_no"] for one in [*first["items"], *second["items"]]} == set(numbers)
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    assert ask(key, "claims", state="CONFIRMED").json()["items"] == []


@pytest.mark.parametrize("address", ["", "/timeline"])
def test_a_stranger_is_told_that_there_is_no_such_claim(shelf: Shelf, claim: Claim, address: str) -> None:
    key = key_of(shelf.stranger)
    response = ask(key, f"claims/{claim.claim_no}{address}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert ask(key, "claims").json()["items"] == []


def test_a_stranger_does_not_see_a_page(shelf: Shelf, claim: Claim) -> None:
    document = claim.documents.all()[0]
    address = f"claims/{claim.claim_no}/documents/{document.pk}/pages/1"
    assert ask(key_of(shelf.stranger), address).status_code == 404


def test_without_key_or_scope_nothing_is_read(shelf: Shelf, claim: Claim) -> None:
    assert ask("", "claims").status_code == 401
    assert ask(key_of(shelf.insurer, (Scope.POLICIES_WRITE,)), "claims").status_code == 403


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 101}, {"after": "x"}, {"state": "SOLD"}])
def test_a_question_that_makes_no_sense_is_refused(shelf: Shelf, asked: dict[str, Any]) -> None:
    response = ask(key_of(shelf.insurer), "claims", **asked)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"


def test_the_document_names_every_address(db: None) -> None:
    with as_role("app"):
        schema = Client().get(f"{BASE}/openapi.json").json()
    assert len(schema["paths"]) == 4
    assert schema["openapi"].startswith("3.1")
