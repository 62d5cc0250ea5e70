"""The interface of the money: statements to read, take away and answer; advices to give. Each within its own sight."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Organisation
from accounts.services import client_key_create
from accounts.states import Scope
from core.clock import database_now
from core.ids import new_trace_id
from settlement.models import RemittanceAdvice, Statement
from settlement.services.fees import fees_charge
from settlement.services.statements import statement_make
from settlement.states import CounterpartyRole
from tests.roles import as_role
from tests.settlement.books import IN_DECEMBER, IN_NOVEMBER, IN_OCTOBER, NOVEMBER, Trade, first_leg, second_leg, trade

__all__ = ["trade"]
BASE = "/api/money/v1"
BOTH = (Scope.MONEY_READ, Scope.MONEY_WRITE)


def call(home: Organisation, method: str, address: str, content: Any = None, scopes: Any = BOTH, **more: Any) -> Any:
    key = client_key_create(
        organisation_id=home.pk, name="ledger", scopes=list(scopes), actor="platform", now=database_now()
    )
    headers = {"Authorization": f"Bearer {key}"}
    with as_role("app"):
        if method == "get":
            return Client().get(f"{BASE}/{address}", content or {}, headers=headers)
        if more:
            return Client().post(f"{BASE}/{address}", more, headers=headers)
        return Client().post(
            f"{BASE}/{address}", json.dumps(content or {}), content_type="application/json", headers=headers
        )


@pytest.fixture
def statement(trade: Trade) -> Statement:
    second_leg(trade, 400_000, at=IN_NOVEMBER)
    fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=IN_NOVEMBER)
    return statement_make(
        party=trade.party(CounterpartyRole.PHARMACY),
        month=NOVEMBER,
        by="li",
        now=IN_DECEMBER,
        trace_id=new_trace_id(),
    )


def test_a_pharmacy_reads_disputes_and_confirms_its_statement(trade: Trade, statement: Statement) -> None:
    [listed] = call(trade.chain, "get", "statements").json()["items"]
    assert (listed["statement_no"], listed["closing_minor"]) == (statement.statement_no, 393_640)
    address = f"statements/{statement.statement_no}"
    read = call(trade.chain, "get", address).json()
    assert sum(line["amount_minor"] for line in read["lines"]) == read["closing_minor"]
    said = call(trade.chain, "post", f"{address}/dispute", {"line_no": 1, "reason": "another price"}).json()
    assert (said["state"], said["lines"][0]["answer_reason"]) == ("DISPUTED", "another price")
    call(trade.chain, "post", f"{address}/confirm")
    assert call(trade.chain, "post", f"{address}/confirm", {"line_nos": [1]}).json()["state"] == "CONFIRMED"
    workbook = call(trade.chain, "get", f"{address}/file.xlsx")
    assert (workbook.status_code, workbook.content[:2]) == (200, b"PK")


@pytest.mark.parametrize("what", ["", "/file.xlsx", "/file.pdf"])
def test_a_stranger_is_told_that_there_is_no_such_statement(trade: Trade, statement: Statement, what: str) -> None:
    for stranger in (trade.stranger, trade.insurer):
        answer = call(stranger, "get", f"statements/{statement.statement_no}{what}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert call(stranger, "get", "statements").json()["items"] == []
        for act, content in (("confirm", {}), ("dispute", {"line_no": 1, "reason": "x"})):
            answer = call(stranger, "post", f"statements/{statement.statement_no}/{act}", content)
            assert answer.status_code == 404
    assert Statement.objects.get(pk=statement.pk).state == "ISSUED"


def test_reading_alone_answers_nothing(trade: Trade, statement: Statement) -> None:
    address = f"statements/{statement.statement_no}/confirm"
    assert call(trade.chain, "post", address, scopes=(Scope.MONEY_READ,)).status_code == 403
    assert call(trade.chain, "get", "statements", scopes=(Scope.MONEY_WRITE,)).status_code == 403


@pytest.mark.parametrize(
    ("act", "content"),
    [("dispute", {"line_no": 1}), ("dispute", {"line_no": 0, "reason": "x"}), ("confirm", {"line_nos": ["a"]})],
)
def test_an_answer_that_makes_no_sense_is_refused(
    trade: Trade, statement: Statement, act: str, content: dict[str, Any]
) -> None:
    answer = call(trade.chain, "post", f"statements/{statement.statement_no}/{act}", content)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")


def test_an_insurer_advises_a_transfer_once(trade: Trade) -> None:
    leg = first_leg(trade, 400_000, at=IN_NOVEMBER)
    content = {
        "advice_no": "A-77",
        "currency": "CNY",
        "total_minor": 400_000,
        "lines": [{"leg_no": leg.leg_no, "amount_minor": 400_000}],
    }
    assert call(trade.insurer, "post", "advices", content).status_code == 201
    again = call(trade.insurer, "post", "advices", content)
    assert (again.status_code, again.json()["code"]) == (409, "advice_taken")
    wrong = call(trade.insurer, "post", "advices", {**content, "advice_no": "A-78", "total_minor": 1})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "advice_invalid")
    assert call(trade.chain, "post", "advices", {**content, "advice_no": "A-79"}).status_code == 403
    assert RemittanceAdvice.objects.get().organisation_id == trade.insurer.pk


def test_the_same_file_is_taken_once(trade: Trade) -> None:
    body = b"advice_no,reference,currency,total,leg_no,amount\nA-9,,CNY,10.00,F261125-AAAAAAAA,10.00\n"

    def send() -> Any:
        return call(trade.insurer, "post", "advices/files", file=SimpleUploadedFile("a.csv", body))

    assert send().status_code == 201
    assert send().json()["code"] == "advice_taken"
    bad = call(trade.insurer, "post", "advices/files", file=SimpleUploadedFile("a.xlsx", body))
    assert bad.json()["code"] == "file_refused"
    assert RemittanceAdvice.objects.count() == 1


def test_the_document_names_every_address(db: None) -> None:
    document = Client().get(f"{BASE}/openapi.json").json()
    assert {"/path", "/statements", "/advices", "/advices/files"} <= {
        path.removeprefix(BASE) for path in document["paths"]
    }
