"""The registry's interface: what everybody may read, and the door for files of policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Organisation
from accounts.services import client_key_create
from accounts.states import OrganisationKind, Scope
from core.clock import database_now
from registry.models import Policy, PolicyImport
from tests.registry.house import DRUG, OTHER_DRUG, Shelf, drug_of, insurer_of, product_of, terms_of
from tests.registry.test_policies_import import LINE, SECOND, csv_of
from tests.roles import as_role

BASE = "/api/registry/v1"


@pytest.fixture
def door(shelf: Shelf) -> Iterator[Client]:
    with as_role("app"):
        yield Client()


def read(door: Client, address: str, **asked: Any) -> Any:
    response = door.get(f"{BASE}/{address}", asked)
    assert response.status_code == 200, response.content
    return response.json()


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["detail_zh"]
    return response.status_code, body["code"]


def key_of(organisation: Organisation, *scopes: Scope) -> str:
    return client_key_create(
        organisation_id=organisation.pk,
        name="core system",
        scopes=scopes or (Scope.POLICIES_WRITE,),
        actor="platform",
        now=database_now(),
    )


def send(key: str, content: bytes, *, file_name: str = "list.csv", **fields: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    file = SimpleUploadedFile(file_name, content)
    with as_role("app"):
        return Client().post(f"{BASE}/policies/imports", {"file": file, **fields}, headers=headers)


# Everybody ---------------------------------------------------------------------------------------------


def test_drugs_come_in_pages_and_without_what_is_discontinued(shelf: Shelf) -> None:
    drug_of("ALPHA-1", discontinued_on=database_now().date())
    drug_of("BETA-1", discontinued_on=database_now().date() + timedelta(days=1))
    with as_role("app"):
        first = read(Client(), "drugs", limit=2)
        second = read(Client(), "drugs", limit=2, after=first["next"])
    assert [one["code"] for one in first["items"]] == ["BETA-1", OTHER_DRUG]
    assert (first["next"], second["next"]) == (OTHER_DRUG, None)
    assert [(one["code"], one["reference_price_minor"]) for one in second["items"]] == [(DRUG, 500_000)]


def test_a_product_is_shown_with_carriers_and_the_terms_of_the_day(shelf: Shelf) -> None:
    terms_of(shelf.product, date(2026, 7, 1), waiting_days=90)
    with as_role("app"):
        assert [one["code"] for one in read(Client(), "products")["items"]] == ["city-care"]
        before = read(Client(), "products/city-care", on="2026-06-30")
        after = read(Client(), "products/city-care", on="2026-07-01")
        never = read(Client(), "products/city-care", on="2019-12-31")
    assert before["shares"] == [{"insurer": "INS-LIFE", "basis_points": 10_000, "leads": True}]
    assert [(one["terms"]["number"], one["terms"]["waiting_days"]) for one in (before, after)] == [(1, 30), (2, 90)]
    assert [one["drug"] for one in before["terms"]["drugs"]] == [DRUG, OTHER_DRUG]
    assert never["terms"] is None


def test_drafts_of_terms_are_shown_to_nobody_here(shelf: Shelf, door: Client) -> None:
    assert read(door, "products/city-care")["terms"]["number"] == 1


def test_the_checklist_is_told_before_the_patient_begins(door: Client) -> None:
    asked = {"drug": OTHER_DRUG, "on": "2026-07-01"}
    first = read(door, "products/city-care/checklist", **asked)
    renewal = read(door, "products/city-care/checklist", kind="RENEWAL", **asked)
    assert [one["kind"] for one in first["materials"]] == ["ID_CARD", "PRESCRIPTION", "GENE_TEST"]
    assert [(one["kind"], one["maximum_age_days"]) for one in renewal["materials"]] == [("PRESCRIPTION", 30)]
    assert (first["terms_number"], first["on"]) == (1, "2026-07-01")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("products/nobodys-care", (404, "not_found")),
        ("products/city-care?on=yesterday", (422, "invalid_fields")),
        ("products/city-care/checklist", (422, "invalid_fields")),
        ("products/city-care/checklist?drug=NEVER", (404, "not_found")),
        (f"products/city-care/checklist?drug={DRUG}&kind=SOMETIMES", (422, "invalid_fields")),
        (f"products/city-care/checklist?drug={DRUG}&on=2019-01-01", (404, "not_found")),
        ("drugs?limit=0", (422, "invalid_fields")),
        ("drugs?limit=101", (422, "invalid_fields")),
        ("drugs?limit=x", (422, "invalid_fields")),
        ("policies/imports", (405, "method_not_allowed")),
    ],
)
def test_a_question_that_cannot_be_answered(door: Client, address: str, expected: tuple[int, str]) -> None:
    assert problem(door.get(f"{BASE}/{address}")) == expected


def test_the_document_names_every_address(door: Client) -> None:
    document = json.loads(door.get(f"{BASE}/openapi.json").content)
    assert set(document["paths"]) == {
        f"{BASE}/drugs",
        f"{BASE}/products",
        f"{BASE}/products/{{code}}",
        f"{BASE}/products/{{code}}/checklist",
        f"{BASE}/policies/imports",
    }
    assert document["openapi"].startswith("3.1")


# Files of policies -------------------------------------------------------------------------------------


def test_an_insurers_program_sends_a_file(shelf: Shelf) -> None:
    key = key_of(shelf.insurer)
    tried = send(key, csv_of(LINE, SECOND), dry_run="true")
    assert (tried.status_code, tried.json()["taken"], Policy.objects.count()) == (200, 2, 1)
    taken = send(key, csv_of(LINE, SECOND), rows=2, policies=1, sum_insured_minor=200_000_000)
    assert (taken.status_code, taken.json()["taken"], taken.json()["row_errors"]) == (200, 2, [])
    assert taken.json()["totals"]["told"]["rows"] == 2
    assert PolicyImport.objects.get(pk=taken.json()["id"]).organisation_id == shelf.insurer.pk
    assert problem(send(key, csv_of(LINE, SECOND))) == (409, "file_taken")


def test_bad_rows_are_the_answer_and_not_a_failure(shelf: Shelf) -> None:
    response = send(key_of(shelf.insurer), csv_of([*LINE[:2], "x", *LINE[3:]]), rows=7)
    assert (response.status_code, response.json()["taken"]) == (200, 0)
    (error,) = response.json()["row_errors"]
    assert (error["row"], error["column"], error["code"]) == (2, "starts_on", "date")
    assert error["text_zh"]


def test_a_stranger_gets_nothing_in(shelf: Shelf) -> None:
    hospital = insurer_of("HOSP-A", OrganisationKind.HOSPITAL)
    content = csv_of(LINE)
    assert problem(send("", content)) == (401, "key_missing")
    assert problem(send("ms_aaaaaaaa_wrong", content))[0] == 401
    assert problem(send(key_of(shelf.insurer, Scope.TRANSACTIONS_WRITE), content)) == (403, "forbidden")
    assert problem(send(key_of(hospital), content)) == (403, "forbidden")
    (error,) = send(key_of(shelf.stranger), content).json()["row_errors"]
    assert (error["column"], error["code"]) == ("product", "policy_invalid")
    own = product_of(shelf.stranger, "their-care")
    line = [shelf.policy.policy_no, own.pk, *LINE[2:]]
    assert send(key_of(shelf.stranger), csv_of(line)).json()["taken"] == 1
    assert Policy.objects.get(pk=shelf.policy.pk).organisation_id == shelf.insurer.pk


@pytest.mark.parametrize(
    ("content", "file_name", "expected"),
    [
        (b"%PDF-1.7", "list.xlsx", (422, "file_refused")),
        (b"", "list.csv", (422, "invalid_fields")),
        (b"x" * (5 * 1024 * 1024 + 1), "list.csv", (422, "file_refused")),
    ],
)
def test_what_is_no_file_of_policies_is_refused(
    shelf: Shelf, content: bytes, file_name: str, expected: tuple[int, str]
) -> None:
    assert problem(send(key_of(shelf.insurer), content, file_name=file_name)) == expected


def test_what_is_no_form_is_refused(shelf: Shelf) -> None:
    key = key_of(shelf.insurer)
    headers = {"Authorization": f"Bearer {key}"}
    with as_role("app"):
        none = Client().post(f"{BASE}/policies/imports", {}, headers=headers)
        other = Client().post(f"{BASE}/policies/imports", "{}", content_type="application/json", headers=headers)
    assert problem(none) == (422, "invalid_fields")
    assert problem(other) == (415, "unsupported_content_type")
    assert problem(send(key, csv_of(LINE), rows="many")) == (422, "invalid_fields")
