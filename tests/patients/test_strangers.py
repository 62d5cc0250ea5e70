"""The stranger at every address of the patients' interface: somebody else signed in, and nobody signed in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from config.urls import PROFILES
from notices.models import Notice
from patients import urls
from patients.api.schema import PREFIX
from patients.models import Conversation, HelperGrant
from tests.patients.house import DAUGHTERS_PHONE, Family
from tests.patients.test_api import Browser, draft_body, filed, patient_of, photo
from tests.roles import as_role

pytestmark = pytest.mark.django_db


def document() -> dict[str, Any]:
    with as_role("app"):
        response = Client().get(f"{PREFIX}/openapi.json")
    assert response.status_code == 200
    body: dict[str, Any] = json.loads(response.content)
    return body


OPEN = {("get", "/session"), ("post", "/sign-in/code"), ("post", "/sign-in"), ("delete", "/session")}


def operations() -> set[tuple[str, str]]:
    paths = document()["paths"]
    return {(method, path.removeprefix(PREFIX)) for path, verbs in paths.items() for method in verbs}


def test_the_document_names_every_address(db: None) -> None:
    shown = {path for _, path in operations()}
    assert len(shown) == len(urls.urlpatterns) - 1
    assert document()["openapi"].startswith("3.1")


def test_patients_are_served_in_public_and_nowhere_else(db: None) -> None:
    found = {
        name: PREFIX.strip("/") in {str(one.pattern).strip("/") for one in urls} for name, urls in PROFILES.items()
    }
    assert found == {"edge": False, "core": False, "public": True, "all": True}


def test_whoever_is_not_signed_in_gets_nothing_anywhere(db: None) -> None:
    browser = Browser()
    zero = "00000000-0000-0000-0000-000000000000"
    for method, path in sorted(operations() - OPEN):
        address = path.strip("/").replace("{number}", "1")
        for name in ("grant_id", "notice_id", "conversation_id", "claim_id", "document_id", "authorisation_id"):
            address = address.replace(f"{{{name}}}", zero)
        browser.refused(401, "not_signed_in", method.upper(), address, {} if method != "get" else None)


def test_a_stranger_finds_nothing_of_anothers(family: Family) -> None:
    patient = patient_of(family)
    claim_id = filed(patient, family)
    document_id = patient.get(f"claims/{claim_id}")["documents"][0]["id"]
    mine = str(family.patient.pk)
    patient.post("conversations", {"person_id": mine, "topic": "OTHER", "text": "hello"}, status=201)
    invitation = {"person_id": mine, "phone": DAUGHTERS_PHONE, "name": "x", "scopes": [], "until": "2027-01-31"}
    grant_id = patient.post("helpers", invitation, status=201)["id"]
    daughter = Browser()
    daughter.sign_in(DAUGHTERS_PHONE)
    daughter.post(f"invitations/{grant_id}/accept")
    conversation_id, notice_id = Conversation.objects.get().pk, Notice.objects.get().pk

    stranger = patient_of(family, family.stranger)
    for address in ("claims", "policies", "authorisations", "prescriptions", "consents", "helpers", "notices"):
        stranger.refused(404, "not_found", "GET", address, data={"person_id": mine})
    stranger.refused(404, "not_found", "GET", "conversations", data={"person_id": mine})
    stranger.refused(404, "not_found", "GET", f"conversations/{conversation_id}/messages")
    stranger.refused(404, "not_found", "POST", f"conversations/{conversation_id}/messages", {"text": "hello"})
    stranger.refused(404, "not_found", "POST", "conversations", {"person_id": mine, "topic": "OTHER", "text": "x"})
    stranger.refused(404, "not_found", "POST", f"notices/{notice_id}/read")
    stranger.refused(404, "not_found", "POST", f"invitations/{grant_id}/accept")
    stranger.refused(404, "not_found", "DELETE", f"helpers/{grant_id}")
    stranger.refused(404, "not_found", "POST", "helpers", invitation)
    consent = {"person_id": mine, "code": "CLAIM", "version": 1, "given": False}
    stranger.refused(404, "not_found", "POST", "consents", consent)
    claim = f"claims/{claim_id}"
    stranger.refused(404, "not_found", "GET", claim)
    stranger.refused(404, "not_found", "GET", f"{claim}/readiness")
    stranger.refused(404, "not_found", "GET", f"{claim}/documents/{document_id}/pages/1")
    stranger.refused(404, "not_found", "DELETE", f"{claim}/documents/{document_id}")
    stranger.refused(404, "not_found", "PUT", claim, draft_body(family) | {"version": 0})
    stranger.refused(404, "not_found", "POST", "claims", draft_body(family))
    stranger.refused(404, "not_found", "POST", f"{claim}/submit")
    stranger.refused(404, "not_found", "POST", f"{claim}/withdraw")
    stranger.refused(404, "not_found", "POST", f"{claim}/answer", {"missing_because": "x"})
    stranger.refused(404, "not_found", "POST", f"{claim}/appeal", {"reason": "because I say so"})
    assert stranger.upload(claim_id, "OTHER", photo("#aabbcc")).status_code == 404
    prescription = {
        "person_id": mine,
        "source": "H",
        "number": "1",
        "doctor": "d",
        "drug_code": family.shelf.drug.pk,
        "icd10": "C50",
        "quantity": 1,
        "days_of_supply": 1,
        "issued_on": "2026-11-01",
        "valid_until": "2026-12-01",
    }
    stranger.refused(404, "not_found", "POST", "prescriptions", prescription)
    assert stranger.get("claims")["items"] == []
    assert stranger.get("session")["acts_for"][0]["person_id"] == str(family.stranger.pk)
    assert HelperGrant.objects.get().ended_at is None
    assert patient.get(claim)["state"] == "SUBMITTED"


def test_shapes_tell_what_is_answered(family: Family) -> None:
    patient = patient_of(family)
    claim_id = filed(patient, family)
    schema = document()["components"]["schemas"]
    assert set(patient.get(f"claims/{claim_id}")) == set(schema["WholeClaimAnswer"]["properties"])
    assert set(patient.get("claims")["items"][0]) == set(schema["MyClaimAnswer"]["properties"])
    assert set(patient.get("session")) == set(schema["SessionAnswer"]["properties"])
    assert set(patient.get("policies")["items"][0]) == set(schema["PolicyAnswer"]["properties"])
    assert set(patient.get("consents")["items"][0]) == set(schema["ConsentAnswer"]["properties"])
