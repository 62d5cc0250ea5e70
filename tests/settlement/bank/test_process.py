"""The sandbox bank: its door, its book, its faults and the life of its process."""

import ast
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .process import BALANCE, ROOT, SandboxBank, number, pain


def test_a_payment_is_booked_and_told_under_its_message_id(bank: SandboxBank) -> None:
    message_id = number()
    answer = bank.pay(message_id)
    assert answer.is_signed
    assert (answer.content["status"], answer.content["amount_minor"]) == ("booked", 4000)
    assert bank.balance() == BALANCE - 4000
    assert bank.ask(message_id).content == answer.content


def test_the_same_message_id_is_the_same_payment(bank: SandboxBank) -> None:
    message_id = number()
    first = bank.pay(message_id).content
    assert bank.pay(message_id).content == first
    assert bank.balance() == BALANCE - 4000
    assert bank.book()["payments"][0]["received"] == 2


def test_the_same_message_id_with_another_content_pays_nothing(bank: SandboxBank) -> None:
    message_id = number()
    bank.pay(message_id)
    answer = bank.pay(message_id, amount="41.00")
    assert (answer.status, answer.content["code"]) == (409, "message_id_used")
    assert bank.balance() == BALANCE - 4000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payee": "6217000000000404"}, "AC01"),
        ({"payee": "6217000000000405"}, "AC06"),
        ({"currency": "HKD"}, "AM03"),
        ({"amount": "100000.01"}, "AM04"),
        ({"account": "1"}, "AC02"),
    ],
)
def test_it_refuses_with_its_reason(bank: SandboxBank, changes: dict[str, Any], code: str) -> None:
    content = bank.pay(number(), **changes).content
    assert (content["status"], content["reason"]) == ("refused", code)
    assert bank.balance() == BALANCE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        b"\xff",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a/>',
        pain("x", amount="-1.00"),
        pain("x", amount="0.001"),
        pain("x", currency="XXX"),
        pain("x" * 36),
        pain("x").replace(b"<NbOfTxs>1", b"<NbOfTxs>2"),
    ],
)
def test_it_refuses_a_file_that_it_does_not_read(bank: SandboxBank, body: bytes) -> None:
    answer = bank.post("payments", body)
    assert (answer.status, answer.content["code"]) == (400, "bad_file")
    assert bank.book()["payments"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Timestamp": "1000000000"}, "stale_timestamp"),
        ({"Timestamp": "soon"}, "stale_timestamp"),
        ({"Key-Id": "k2"}, "unknown_key"),
        ({"Message-Id": ""}, "no_message_id"),
    ],
)
def test_it_refuses_a_wrong_envelope(bank: SandboxBank, changes: dict[str, str], code: str) -> None:
    body = pain(number())
    answer = bank.post("payments", body, bank.headers("payments", body, **changes))
    assert (answer.status, answer.content["code"]) == (401, code)
    changed = bank.post("payments", body + b" ", bank.headers("payments", body))
    assert (changed.status, changed.content["code"]) == (401, "bad_signature")
    assert bank.book()["payments"] == []


def test_a_lost_answer_has_paid_and_silence_has_not(bank: SandboxBank) -> None:
    lost, silent = number(), number()
    bank.fault("lost_answer")
    with pytest.raises(TimeoutError):
        bank.pay(lost, timeout=0.5)
    bank.fault("silence")
    with pytest.raises(TimeoutError):
        bank.pay(silent, timeout=0.5)
    assert bank.ask(lost).content["status"] == "booked"
    assert bank.ask(silent).content["status"] == "not_found"
    assert bank.balance() == BALANCE - 4000


def test_what_comes_late_is_not_found_before_and_booked_after(bank: SandboxBank) -> None:
    late = number()
    bank.fault("late", late_seconds=1.0)
    with pytest.raises(TimeoutError):
        bank.pay(late, timeout=0.4)
    assert bank.ask(late).content["status"] == "not_found"
    wait_until(lambda: bank.ask(late).content["status"] == "booked")


def test_an_error_inside_a_good_answer_has_paid_nothing(bank: SandboxBank) -> None:
    bank.fault("ok_with_error_inside")
    answer = bank.pay(number())
    assert answer.status == 200
    assert "error" in answer.content
    assert bank.book()["payments"] == []


def test_a_returned_payment_is_on_the_statement_twice(bank: SandboxBank) -> None:
    bank.fault("returned")
    assert bank.pay(number()).content["status"] == "returned"
    assert bank.balance() == BALANCE
    text = bank.statement(1).body.decode()
    assert text.count("<Ntry>") == 2
    assert "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>" in text


def test_statements_follow_one_another_and_never_change(bank: SandboxBank) -> None:
    assert bank.statement(1).status == 204
    bank.pay(number())
    first = bank.statement(1).body
    bank.pay(number())
    second = bank.statement(2).body
    assert bank.statement(1).body == first
    assert b'<Amt Ccy="CNY">99960.00</Amt>' in first
    assert b'<Amt Ccy="CNY">99960.00</Amt>' in second
    assert bank.statement(3).status == 204


def test_a_duplicate_statement_is_the_last_one_again(bank: SandboxBank) -> None:
    bank.pay(number())
    first = bank.statement(1).body
    bank.pay(number())
    bank.control("faults", {"on": "statement", "next": ["duplicate_statement"]})
    assert bank.statement(2).body == first
    assert bank.statement(2).body != first


def test_money_from_elsewhere_and_charges_are_entries(bank: SandboxBank) -> None:
    bank.control("credit", {"amount_minor": 700, "account_no": "6225880000000001", "currency": "CNY",
                            "remittance": "F261125-ABC", "name": "Insurer A", "account": "1"})  # fmt: skip
    bank.control("charge", {"amount_minor": 100, "account_no": "6225880000000001", "currency": "CNY",
                            "remittance": "fee"})  # fmt: skip
    assert bank.balance() == BALANCE + 600


def test_nothing_is_booked_while_booking_waits(bank: SandboxBank) -> None:
    message_id = number()
    bank.control("booking", {"seconds": None})
    assert bank.pay(message_id).content["status"] == "taken"
    assert bank.statement(1).status == 204
    assert bank.balance() == BALANCE


def test_a_draw_depends_on_seed_and_message_alone(bank: SandboxBank) -> None:
    setting = {"mix": {"refuse": 0.5}, "seed": 7}
    names = [f"SEED-{at}" for at in range(20)]
    outcomes = []
    for _ in range(2):
        bank.reset()
        bank.control("faults", setting)
        outcomes.append([bank.pay(name).content["status"] for name in names])
    assert outcomes[0] == outcomes[1]
    assert {"booked", "refused"} == set(outcomes[0])


@pytest.mark.parametrize(
    "setting",
    [{"next": ["nothing"]}, {"mix": {"refuse": 2}}, {"on": "weather"}, {"late_seconds": -1}, {"other": 1}],
)
def test_it_refuses_a_plan_that_it_does_not_have(bank: SandboxBank, setting: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match="bad_control"):
        bank.control("faults", setting)


def test_a_killed_bank_has_kept_every_answer_it_gave(start_bank: Callable[[], SandboxBank]) -> None:
    bank = start_bank()
    names = [number() for _ in range(10)]
    answers = [bank.pay(name).content for name in names]
    bank.kill()
    bank.start()
    assert [bank.ask(name).content for name in names] == answers
    assert bank.balance() == BALANCE - 10 * 4000
    assert bank.stop() == 0


def test_it_imports_nothing_of_ours() -> None:
    allowed = {"aiohttp"} | set(sys.stdlib_module_names)
    files = list(Path(ROOT, "settlement", "bank").glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] in allowed, file
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, file
            if isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] in allowed for alias in node.names), file


def test_a_request_that_is_no_object_is_refused(bank: SandboxBank) -> None:
    for body in (b"{", b"[]", json.dumps({"message_id": 1}).encode()):
        assert bank.post("query", body).status == 400


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
