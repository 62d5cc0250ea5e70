"""The patients' interface through real requests: cookie, CSRF token, one transaction that sees his persons."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from claims.models import Claim
from claims.services.letters import letters_send_due
from claims.states import ClaimState
from core.clock import database_now
from patients.models import PatientAccount
from patients.services.sign_in import CODE_TRIES
from registry.models import Person
from registry.selectors.persons import person_facts
from tests.claims import papers
from tests.claims.house import begun, declined_in_prereview
from tests.patients.house import DAUGHTERS_PHONE, Family, code_of, phone_of
from tests.roles import as_role, rows

pytestmark = pytest.mark.django_db
BASE = "/api/patient/v1"
LINE = {"quantity": 2, "unit_price_minor": 500_000, "basic_minor": 400_000, "other_minor": 100_000}


class Browser:
    """A telephone's browser: keeps its cookies, and sends the token with what acts. Served by role app."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.token = ""
        self.token = self.get("session")["csrf_token"]

    def ask(self, method: str, address: str, body: Any = None, *, token: bool = True, **options: Any) -> Any:
        headers = {"X-CSRFToken": self.token} if token and method != "GET" else {}
        if "data" not in options and body is not None:
            options |= {"data": json.dumps(body), "content_type": "application/json"}
        with as_role("app"):
            return getattr(self.client, method.lower())(f"{BASE}/{address}", headers=headers, **options)

    def get(self, address: str, **asked: Any) -> Any:
        return self.told(self.ask("GET", address, data=asked), 200)

    def post(self, address: str, body: Any = None, *, status: int = 200) -> Any:
        return self.told(self.ask("POST", address, body), status)

    def refused(self, status: int, code: str, method: str, address: str, body: Any = None, **options: Any) -> Any:
        response = self.ask(method, address, body, **options)
        assert response.status_code == status, response.content
        assert response["Content-Type"] == "application/problem+json"
        told = response.json()
        assert told["code"] == code, told
        assert told["detail_zh"]
        assert told["trace_id"]
        return told

    def told(self, response: Any, status: int) -> Any:
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    def upload(self, claim_id: str, kind: str, content: bytes, *, issued_on: str = "", name: str = "照片.jpg") -> Any:
        data = {"kind": kind, "file": SimpleUploadedFile(name, content)} | (
            {"issued_on": issued_on} if issued_on else {}
        )
        return self.ask("POST", f"claims/{claim_id}/documents", data=data)

    def sign_in(self, phone: str) -> Any:
        self.post("sign-in/code", {"phone": phone, "language": "en"}, status=202)
        session = self.post("sign-in", {"phone": phone, "language": "en", "code": code_of(phone)})
        self.token = session["csrf_token"]
        return session

    def be(self, person: Person) -> Any:
        self.sign_in(phone_of(person))
        facts = person_facts(person=person)
        return self.post("identity", {"name": facts.name, "id_no": facts.id_no})


def patient_of(family: Family, person: Person | None = None, *, agrees: bool = True) -> Browser:
    browser, whose = Browser(), person or family.patient
    browser.be(whose)
    if agrees:
        for code in ("PRIVACY", "HEALTH_DATA", "CLAIM"):
            browser.post("consents", {"person_id": str(whose.pk), "code": code, "version": 1, "given": True})
    return browser


def draft_body(family: Family, **changes: Any) -> dict[str, Any]:
    today = database_now().date()
    return {
        "person_id": str(family.patient.pk),
        "policy_id": str(family.shelf.policy.pk),
        "drug_code": family.shelf.drug.pk,
        "lines": [LINE],
        "icd10": "C50.9",
        "diagnosed_on": (today - timedelta(days=30)).isoformat(),
        "days_of_supply": 21,
    } | changes


def photo(shade: str) -> bytes:
    return papers.photo(papers.picture(40, 30, shade))


def filed(browser: Browser, family: Family) -> str:
    claim_id: str = browser.post("claims", draft_body(family), status=201)["id"]
    yesterday = (database_now() - timedelta(days=1)).date().isoformat()
    assert browser.upload(claim_id, "ID_CARD", photo("#112233")).status_code == 201
    assert browser.upload(claim_id, "PRESCRIPTION", photo("#445566"), issued_on=yesterday).status_code == 201
    browser.post(f"claims/{claim_id}/submit")
    return claim_id


def test_a_telephone_signs_in_proves_who_it_is_and_signs_out(family: Family) -> None:
    browser = Browser()
    assert browser.get("session")["signed_in"] is False
    session = browser.sign_in(phone_of(family.patient))
    assert (session["signed_in"], session["person_id"]) == (True, None)
    browser.refused(404, "not_found", "GET", "claims")
    bound = browser.post("identity", {"name": "李 雷", "id_no": person_facts(person=family.patient).id_no})
    assert [(act["capacity"], act["name"]) for act in bound["acts_for"]] == [("SELF", "李雷"), ("GUARDIAN", "李小雷")]
    assert browser.client.cookies["medisettle_patient"]["httponly"]
    assert browser.ask("DELETE", "session").status_code == 204
    assert browser.get("session")["signed_in"] is False


def test_a_session_that_was_copied_is_void_after_signing_out(family: Family) -> None:
    browser = patient_of(family, agrees=False)
    thief = Browser()
    thief.client.cookies["medisettle_patient"] = browser.client.cookies["medisettle_patient"].value
    assert thief.get("session")["signed_in"] is True
    browser.ask("DELETE", "session")
    assert thief.get("session")["signed_in"] is False


def test_an_account_that_is_blocked_is_out_at_the_next_request(family: Family) -> None:
    browser = patient_of(family, agrees=False)
    browser.get("claims")
    PatientAccount.objects.update(blocked_at=database_now())
    browser.refused(401, "not_signed_in", "GET", "claims")


def test_whatever_acts_needs_the_token(family: Family) -> None:
    browser = patient_of(family, agrees=False)
    body = {"person_id": str(family.patient.pk), "topic": "OTHER", "text": "hello"}
    browser.refused(403, "csrf_failed", "POST", "conversations", body, token=False)
    browser.refused(403, "csrf_failed", "POST", "sign-in/code", {"phone": phone_of(family.patient)}, token=False)
    browser.refused(403, "csrf_failed", "DELETE", "session", token=False)
    assert browser.get("conversations")["items"] == []


def test_refused_codes_count_although_their_requests_fail(family: Family) -> None:
    browser, phone = Browser(), phone_of(family.patient)
    browser.post("sign-in/code", {"phone": phone}, status=202)
    code = code_of(phone)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(CODE_TRIES):
        browser.refused(403, "code_wrong", "POST", "sign-in", {"phone": phone, "code": wrong})
    browser.refused(403, "code_wrong", "POST", "sign-in", {"phone": phone, "code": code})
    browser.refused(429, "too_many_tries", "POST", "sign-in/code", {"phone": phone})


def test_an_application_from_draft_to_tracking(family: Family) -> None:
    browser = patient_of(family)
    draft = browser.post("claims", draft_body(family, icd10=""), status=201)
    assert draft["next_step"]["whose"] == "PATIENT"
    ready = browser.get(f"claims/{draft['id']}/readiness")
    assert {item["kind"]: item["there"] for item in ready["materials"]} == {"ID_CARD": False, "PRESCRIPTION": False}
    missing = browser.refused(422, "claim_not_ready", "POST", f"claims/{draft['id']}/submit")
    assert [fault["field"] for fault in missing["faults"]] == [fault["field"] for fault in ready["faults"]]
    response = browser.ask("PUT", f"claims/{draft['id']}", draft_body(family) | {"version": draft["version"]})
    assert browser.told(response, 200)["version"] == draft["version"] + 1
    browser.refused(
        409, "claim_moved", "PUT", f"claims/{draft['id']}", draft_body(family) | {"version": draft["version"]}
    )
    claim_id = filed(browser, family)
    whole = browser.get(f"claims/{claim_id}")
    assert (whole["state"], whole["next_step"]["whose"]) == ("SUBMITTED", "PLATFORM")
    assert (whole["payable_minor"], whole["lines"][0]["payable_minor"]) == (400_000, 400_000)
    assert [document["kind"] for document in whole["documents"]] == ["ID_CARD", "PRESCRIPTION"]
    assert "claim.submitted" in [entry["kind"] for entry in whole["timeline"]]
    assert {entry["who"] for entry in whole["timeline"]} == {"patient"}


def test_the_mandate_is_shown_with_its_amount_and_signed_by_the_patient_only(family: Family) -> None:
    browser = patient_of(family)
    claim_id = filed(browser, family)
    shown = browser.get(f"claims/{claim_id}/mandate")
    assert (shown["at_most_minor"], shown["signed_minor"]) == (400_000, None)
    body = {"version": shown["version"], "at_most_minor": shown["at_most_minor"]}
    patient_of(family, family.stranger).refused(404, "not_found", "POST", f"claims/{claim_id}/mandate", body)
    browser.refused(409, "consent_text_moved", "POST", f"claims/{claim_id}/mandate", body | {"version": 99})
    browser.refused(422, "mandate_amount_refused", "POST", f"claims/{claim_id}/mandate", body | {"at_most_minor": 1})
    signed = browser.post(f"claims/{claim_id}/mandate", body)
    assert signed["signed_minor"] == 400_000
    assert browser.post(f"claims/{claim_id}/mandate", body)["signed_at"] == signed["signed_at"]


def test_paper_originals_are_sent_with_a_couriers_number_and_a_letter_is_read(family: Family) -> None:
    browser = patient_of(family)
    claim_id = filed(browser, family)
    browser.refused(409, "paper_not_due", "POST", f"claims/{claim_id}/paper", {"courier_no": "SF1234567890"})
    rows("UPDATE claims_claim SET paper = 'DUE', version = version + 1 WHERE id = %s", [claim_id])
    browser.refused(422, "courier_number_invalid", "POST", f"claims/{claim_id}/paper", {"courier_no": "SF 12 34 56"})
    sent = browser.post(f"claims/{claim_id}/paper", {"courier_no": "SF1234567890"})
    assert [step["whose"] for step in sent["next_step"]["also"]] == ["PREREVIEW"]
    patient_of(family, family.stranger).refused(
        404, "not_found", "POST", f"claims/{claim_id}/paper", {"courier_no": "SF0000000000"}
    )
    declined_in_prereview(begun(Claim.objects.get(pk=claim_id)))
    assert letters_send_due(now=database_now(), limit=10) == 1
    whole = browser.get(f"claims/{claim_id}")
    assert (whole["paper"], whole["paper_courier_no"]) == ("DUE", "SF1234567890")
    (letter,) = whole["letters"]
    assert "Article 5.2" in letter["text"]
    assert "第5.2条" in letter["text_zh"]


def test_pages_of_applications_follow_each_other(family: Family) -> None:
    browser = patient_of(family)
    made = [browser.post("claims", draft_body(family), status=201)["id"] for _ in range(3)]
    first = browser.get("claims", limit=2)
    second = browser.get("claims", limit=2, after=first["next"])
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
    browser.refused(422, "invalid_fields", "GET", "claims", data={"after": "yesterday"})
    browser.refused(422, "invalid_fields", "GET", "claims", data={"limit": 51})


def test_a_page_of_a_document_is_an_image_that_nobody_keeps(family: Family) -> None:
    browser = patient_of(family)
    claim_id = browser.post("claims", draft_body(family), status=201)["id"]
    document = browser.told(browser.upload(claim_id, "ID_CARD", photo("#778899")), 201)
    assert (document["media_type"], document["pages"]) == ("image/jpeg", 1)
    response = browser.ask("GET", f"claims/{claim_id}/documents/{document['id']}/pages/1")
    assert (response.status_code, response["Content-Type"], response["Cache-Control"]) == (
        200,
        "image/jpeg",
        "no-store",
    )
    assert response.content[:3] == b"\xff\xd8\xff"
    browser.refused(404, "not_found", "GET", f"claims/{claim_id}/documents/{document['id']}/pages/2")
    assert browser.ask("DELETE", f"claims/{claim_id}/documents/{document['id']}").status_code == 204
    assert browser.get(f"claims/{claim_id}")["documents"] == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"MZ\x90\x00 a program", 415, "paper_type_refused"), (b"\xff\xd8\xff\xe0 no picture", 422, "paper_broken")],
)
def test_what_is_no_paper_is_refused_and_the_draft_stays(
    family: Family, content: bytes, status: int, code: str
) -> None:
    browser = patient_of(family)
    claim_id = browser.post("claims", draft_body(family), status=201)["id"]
    response = browser.upload(claim_id, "ID_CARD", content)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert browser.get(f"claims/{claim_id}")["documents"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": [LINE | {"quantity": "two"}]},
        {"lines": [LINE | {"unit_price_minor": -1}]},
        {"lines": [LINE | {"unit_price_minor": 10**17}]},
        {"lines": "many"},
        {"diagnosed_on": "30.02.2026"},
        {"policy_id": "seven"},
        {"kind": "THIRD"},
        {"drug_code": "x" * 41},
    ],
)
def test_wrong_types_are_told_field_by_field(family: Family, changes: dict[str, Any]) -> None:
    browser = patient_of(family)
    told = browser.refused(422, "invalid_fields", "POST", "claims", draft_body(family, **changes))
    assert told["errors"][0]["field"].startswith(next(iter(changes)))
    assert not Claim.objects.exists()


@pytest.mark.parametrize("body", ["{", '{"text": ', "\xff\xfe", "[1"])
def test_a_body_that_is_no_json_is_told_so(family: Family, body: str) -> None:
    browser = patient_of(family, agrees=False)
    sent = {"data": body, "content_type": "application/json"}
    browser.refused(400, "body_unreadable", "POST", "conversations", **sent)
    browser.refused(415, "unsupported_content_type", "POST", "conversations", data=body, content_type="text/csv")


def test_what_is_too_large_is_refused_before_it_is_read(family: Family) -> None:
    browser = patient_of(family)
    browser.refused(413, "upload_too_large", "POST", "conversations", {"text": "x" * 300_000})
    claim_id = browser.post("claims", draft_body(family), status=201)["id"]
    assert browser.upload(claim_id, "ID_CARD", b"\xff\xd8\xff" + bytes(21 * 1024**2)).status_code == 413


@pytest.mark.parametrize("key", ["", "x", "a" * 32, '"\\000aaaaaaaa"', "A" * 5000])
def test_a_cookie_that_we_never_gave_out_opens_nothing(db: None, key: str) -> None:
    browser = Browser()
    browser.client.cookies["medisettle_patient"] = key
    assert browser.get("session")["signed_in"] is False
    browser.refused(401, "not_signed_in", "GET", "claims")


def test_anothers_policy_and_an_unknown_drug_are_not_found(family: Family) -> None:
    browser = patient_of(family)
    other = family.stranger.memberships.get().policy_id
    browser.refused(404, "not_found", "POST", "claims", draft_body(family, policy_id=str(other)))
    browser.refused(404, "not_found", "POST", "claims", draft_body(family, drug_code="ASPIRIN"))


def test_without_consent_nothing_begins(family: Family) -> None:
    browser = patient_of(family, agrees=False)
    told = browser.refused(409, "consent_missing", "POST", "claims", draft_body(family))
    assert told["consents"] == ["PRIVACY", "HEALTH_DATA"]
    texts = browser.get("consents")["items"]
    assert [(text["code"], text["given"]) for text in texts] == [
        ("PRIVACY", False),
        ("HEALTH_DATA", False),
        ("CLAIM", False),
    ]


def test_a_helper_is_invited_accepts_acts_and_is_ended(family: Family) -> None:
    patient, daughter = patient_of(family), Browser()
    until = (database_now() + timedelta(days=30)).date().isoformat()
    invitation = {
        "person_id": str(family.patient.pk),
        "phone": DAUGHTERS_PHONE,
        "name": "女儿",
        "scopes": ["SEE", "UPLOAD"],
        "until": until,
    }
    grant = patient.post("helpers", invitation, status=201)
    daughter.sign_in(DAUGHTERS_PHONE)
    (offer,) = daughter.get("invitations")["items"]
    assert offer["grant_id"] == grant["id"]
    session = daughter.post(f"invitations/{grant['id']}/accept")
    assert [(act["name"], act["scopes"]) for act in session["acts_for"]] == [("李雷", ["SEE", "UPLOAD"])]
    claim_id = daughter.post("claims", draft_body(family), status=201)["id"]
    daughter.refused(403, "not_yours", "POST", f"claims/{claim_id}/submit")
    daughter.refused(403, "owners_only", "GET", "helpers", data={"person_id": str(family.patient.pk)})
    daughter.refused(404, "not_found", "GET", "claims")
    assert daughter.get("claims", person_id=str(family.patient.pk))["items"][0]["id"] == claim_id
    assert [one["kind"] for one in patient.get("notices")["items"]] == ["helper.accepted"]
    assert patient.ask("DELETE", f"helpers/{grant['id']}").status_code == 204
    daughter.refused(404, "not_found", "GET", f"claims/{claim_id}")


def test_the_inbox_and_the_wishes(family: Family) -> None:
    browser = patient_of(family)
    wishes = browser.get("preferences")
    assert (wishes["language"], wishes["quiet_from"]) == ("zh-hans", "22:00:00")
    changed = browser.ask("PUT", "preferences", wishes | {"email": "li@example.com", "muted": ["PROGRESS"]})
    assert browser.told(changed, 200)["email"] == "li@example.com"
    assert browser.get("preferences")["muted"] == ["PROGRESS"]
    browser.refused(422, "invalid_fields", "PUT", "preferences", wishes | {"muted": ["ACCESS"]})


def test_a_conversation_about_an_application(family: Family) -> None:
    browser = patient_of(family)
    claim_id = browser.post("claims", draft_body(family), status=201)["id"]
    body = {"person_id": str(family.patient.pk), "topic": "APPLICATION", "text": "怎么填？", "claim_id": claim_id}
    opened = browser.post("conversations", body, status=201)
    browser.post(f"conversations/{opened['id']}/messages", {"text": "在吗？"}, status=201)
    said = browser.get(f"conversations/{opened['id']}/messages")["items"]
    assert [one["text"] for one in said] == ["在吗？", "怎么填？"]
    browser.refused(404, "not_found", "POST", "conversations", body | {"claim_id": str(uuid4())})


def test_policies_say_what_they_are_today(family: Family) -> None:
    (policy,) = patient_of(family).get("policies")["items"]
    assert (policy["product"], policy["covered_today"], policy["waiting_until"]) == ("city-care", True, None)


def test_an_application_is_withdrawn(family: Family) -> None:
    browser = patient_of(family)
    claim_id = filed(browser, family)
    assert browser.post(f"claims/{claim_id}/withdraw")["state"] == ClaimState.WITHDRAWN
    browser.refused(409, "claim_withdrawn", "POST", f"claims/{claim_id}/withdraw")
