"""Every named fault happens on the wire, and the book says what really was done."""

import http.client
import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from .process import Sandbox, about, answer_of, settlement

SILENT_SECONDS = 0.7


def is_silent(connection: http.client.HTTPConnection) -> bool:
    """Nothing comes, and the socket stays open."""
    assert isinstance(connection.sock, socket.socket)
    return not select.select([connection.sock], [], [], SILENT_SECONDS)[0]


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_it_commits_and_then_is_silent(sandbox: Sandbox) -> None:
    sandbox.fault("commit_then_silence")
    connection = sandbox.open("settle", settlement())
    assert is_silent(connection)
    assert sandbox.states() == ["settled"]
    connection.close()


def test_it_commits_and_answers_late(sandbox: Sandbox) -> None:
    sandbox.fault("commit_then_late_answer", late_seconds=1.2)
    connection = sandbox.open("settle", settlement())
    assert is_silent(connection)
    assert sandbox.states() == ["settled"]
    assert answer_of(connection, "settle").content["code"] == "done"
    connection.close()


def test_it_resets_in_the_middle_of_the_body(sandbox: Sandbox) -> None:
    sandbox.fault("reset_mid_body")
    connection = sandbox.open("settle", settlement())
    response = connection.getresponse()
    length = int(response.headers["Content-Length"])
    first = response.read(length // 2)
    assert len(first) == length // 2
    with pytest.raises(ConnectionResetError):
        response.read(1)
    assert sandbox.states() == ["settled"]


def test_it_works_a_duplicate_once(sandbox: Sandbox) -> None:
    sandbox.fault("duplicate_delivery")
    assert sandbox.call("settle", settlement()).content["code"] == "done"
    assert sandbox.states() == ["settled"]
    assert sandbox.control("faults")["replayed_messages"] == 1


def test_an_answer_is_overtaken_by_the_next_one(sandbox: Sandbox) -> None:
    sandbox.fault("reorder")
    first = sandbox.open("settle", settlement())
    assert not select.select([first.sock], [], [], 0.3)[0]
    assert sandbox.call("settle", settlement()).content["code"] == "done"
    assert select.select([first.sock], [], [], 0.3)[0]
    assert answer_of(first, "settle").content["code"] == "done"
    first.close()


def test_a_held_answer_goes_alone_after_a_second(sandbox: Sandbox) -> None:
    sandbox.fault("reorder")
    began = time.monotonic()
    assert sandbox.call("settle", settlement()).content["code"] == "done"
    assert 0.9 < time.monotonic() - began < 3


def test_it_sends_signed_json_that_is_none(sandbox: Sandbox) -> None:
    sandbox.fault("corrupt_json")
    answer = sandbox.call("settle", settlement())
    assert answer.status == 200
    assert answer.is_signed
    with pytest.raises(ValueError, match=r"decode|Expecting|Invalid"):
        json.loads(answer.body)
    assert sandbox.states() == ["settled"]


def test_it_signs_wrongly(sandbox: Sandbox) -> None:
    sandbox.fault("wrong_signature")
    answer = sandbox.call("settle", settlement())
    assert answer.content["code"] == "done"
    assert not answer.is_signed
    assert sandbox.states() == ["settled"]


def test_it_drips_one_byte_per_second(sandbox: Sandbox) -> None:
    sandbox.fault("drip")
    connection = sandbox.open("settle", settlement())
    response = connection.getresponse()
    began = time.monotonic()
    assert response.read(3) == b'{"m'
    assert 1.5 < time.monotonic() - began < 4
    assert sandbox.states() == ["settled"]
    connection.close()


def test_it_says_ok_with_an_error_inside(sandbox: Sandbox) -> None:
    sandbox.fault("ok_with_error_inside")
    answer = sandbox.call("settle", settlement())
    assert answer.status == 200
    assert answer.is_signed
    assert answer.content["code"] == "done"
    assert answer.content["error"]["code"] == "E500"
    assert "settlement_no" not in answer.content
    assert sandbox.book() == []


def test_it_answers_another_total_whose_parts_add_up(sandbox: Sandbox) -> None:
    sandbox.fault("wrong_amount")
    answer = sandbox.call("settle", settlement())
    assert answer.is_signed
    assert answer.content["total_minor"] == 10001
    assert answer.content["fund_minor"] + answer.content["cash_minor"] == 10001
    assert sandbox.book()[0]["total_minor"] == 10000


def test_it_answers_another_person(sandbox: Sandbox) -> None:
    sandbox.fault("wrong_person")
    answer = sandbox.call("settle", settlement())
    assert answer.is_signed
    assert answer.content["person"]["id_no"] != settlement()["person"]["id_no"]
    assert sandbox.states() == ["settled"]


def test_it_refuses_and_a_query_says_so(sandbox: Sandbox) -> None:
    sandbox.fault("refuse")
    request = settlement()
    assert sandbox.call("settle", request).content["reason"]["code"] == "refused_on_request"
    assert sandbox.book() == []
    assert sandbox.call("query", about("query", request)).content["found"]["state"] == "refused"


def test_it_is_unavailable(sandbox: Sandbox) -> None:
    sandbox.fault("unavailable")
    assert sandbox.call("settle", settlement()).status == 503
    assert sandbox.book() == []


def test_it_is_silent_without_a_commit(sandbox: Sandbox) -> None:
    sandbox.fault("silence_without_commit")
    request = settlement()
    connection = sandbox.open("settle", request)
    assert is_silent(connection)
    connection.close()
    assert sandbox.call("query", about("query", request)).content["code"] == "not_found"
    assert sandbox.book() == []


def test_it_commits_late_even_when_the_caller_has_left(sandbox: Sandbox) -> None:
    sandbox.fault("late_commit", late_seconds=1.0)
    request = settlement()
    connection = sandbox.open("settle", request)
    assert is_silent(connection)
    connection.close()
    assert sandbox.book() == []
    assert sandbox.call("query", about("query", request)).content["code"] == "running"
    assert until(lambda: sandbox.states() == ["settled"])


def test_a_reversal_that_comes_first_blocks_the_late_commit(sandbox: Sandbox) -> None:
    sandbox.fault("late_commit", late_seconds=60)
    request = settlement()
    connection = sandbox.open("settle", request)
    assert is_silent(connection)
    assert sandbox.call("reverse", about("reverse", request)).content["reversed"] is None
    query = about("query", request)
    assert until(lambda: sandbox.call("query", query).content.get("found", {}).get("state") == "refused")
    assert sandbox.book() == []
    connection.close()


def test_a_reversal_releases_a_late_original_where_the_profile_lets_it(start: Callable[..., Sandbox]) -> None:
    insurer = start("late_original")
    insurer.fault("late_commit", late_seconds=60)
    request = settlement(not_after="2020-01-01T00:00:00.000000Z")
    connection = insurer.open("settle", request)
    assert is_silent(connection)
    assert insurer.call("query", about("query", request)).content["code"] == "not_found"
    assert insurer.call("reverse", about("reverse", request)).content["reversed"] is None
    assert until(lambda: insurer.states() == ["settled"])
    again = insurer.call("reverse", about("reverse", request)).content
    assert again["reversed"]["msgid"] == request["msgid"]
    assert insurer.states() == ["reversed"]
    connection.close()


def test_a_query_says_running_until_it_has_committed(sandbox: Sandbox) -> None:
    sandbox.fault("commit_running")
    request = settlement()
    began = time.monotonic()
    connection = sandbox.open("settle", request)
    time.sleep(0.2)
    assert sandbox.call("query", about("query", request)).content["code"] == "running"
    assert answer_of(connection, "settle").content["code"] == "done"
    assert time.monotonic() - began > 1.8
    assert sandbox.call("query", about("query", request)).content["found"]["state"] == "settled"
    connection.close()


def test_a_fault_can_wait_for_one_kind(sandbox: Sandbox) -> None:
    sandbox.fault("unavailable", on="reverse")
    request = settlement()
    assert sandbox.call("settle", request).status == 200
    assert sandbox.call("reverse", about("reverse", request)).status == 503
    assert sandbox.states() == ["settled"]


@pytest.mark.parametrize("fault", ["wrong_amount", "wrong_person", "corrupt_json", "reorder", "duplicate_delivery"])
def test_a_reversal_meets_faults_and_stands_in_the_book(sandbox: Sandbox, fault: str) -> None:
    request = settlement()
    sandbox.call("settle", request)
    sandbox.fault(fault, on="reverse")
    assert sandbox.call("reverse", about("reverse", request)).status == 200
    assert [(row["state"], row["accepted_reversals"]) for row in sandbox.book()] == [("reversed", 1)]


def outcomes(sandbox: Sandbox, numbers: list[int], seed: int) -> dict[int, tuple[int, str | None]]:
    sandbox.control("reset", {})
    sandbox.control("faults", {"mix": {"unavailable": 0.3, "refuse": 0.3}, "seed": seed})
    answers = {number: sandbox.call("settle", settlement(f"S{number}")) for number in numbers}
    return {number: (answer.status, answer.content.get("code")) for number, answer in answers.items()}


def test_a_seed_gives_the_same_faults_in_any_order(sandbox: Sandbox) -> None:
    numbers = list(range(40))
    first = outcomes(sandbox, numbers, seed=7)
    assert outcomes(sandbox, numbers[::-1], seed=7) == first
    assert outcomes(sandbox, numbers, seed=8) != first
    assert {status for status, _ in first.values()} == {200, 503}


def test_a_new_attempt_is_a_new_draw(sandbox: Sandbox) -> None:
    sandbox.control("faults", {"mix": {"unavailable": 0.5}, "seed": 1})
    request = settlement("ATTEMPTS")
    statuses = {sandbox.call("settle", request).status for _ in range(20)}
    assert statuses == {200, 503}
    assert sandbox.states() == ["settled"]


@pytest.mark.parametrize(
    "plan", [{"next": ["no_such_fault"]}, {"mix": {"refuse": 2}}, {"on": "query"}, {"nxt": []}, {"mix": {"x": 0.1}}]
)
def test_it_refuses_a_plan_that_it_does_not_understand(sandbox: Sandbox, plan: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    connection.request("POST", "/_control/faults", json.dumps(plan))
    assert connection.getresponse().status == 400
    connection.close()
