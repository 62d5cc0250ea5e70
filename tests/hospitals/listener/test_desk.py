"""The back office's calls over the real door: shifts are closed, days are listed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.live import Answer, LiveStack

pytestmark = pytest.mark.xdist_group("listener")


def close(stack: LiveStack, shift_no: str, *totals: tuple[str, int], key: str = "", hospital: str = "HOSP-A") -> Answer:
    body = json.dumps({"totals": [{"tender": tender, "amount_minor": minor} for tender, minor in totals]}).encode()
    return closed_with(stack, shift_no, body, key=key, hospital=hospital)


def closed_with(stack: LiveStack, shift_no: str, body: bytes, *, key: str = "", hospital: str = "HOSP-A") -> Answer:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key or uuid4().hex}
    return stack.ask("POST", f"shifts/{quote(shift_no, safe='')}/close", body, headers=headers, hospital=hospital)


def settled(stack: LiveStack, shift_no: str, **changes: Any) -> str:
    wish = stack.wish(operator={"no": "C12", "shift_no": shift_no}, **changes)
    assert stack.post(wish).verdict == "succeeded"
    return str(wish["his_no"])


def test_a_shift_is_closed_with_its_difference(stack: LiveStack) -> None:
    shift_no = f"白班/{uuid4().hex[:8]}"
    his_no = settled(stack, shift_no)
    refused = stack.wish(ending="9001", operator={"no": "C12", "shift_no": shift_no})
    assert stack.post(refused).verdict == "rejected"
    answer = close(stack, shift_no, ("cash", 1500))
    assert answer.status == 200
    assert list(answer.body)[:5] == ["shift_no", "currency", "closed_at", "settled", "refused"]
    assert answer.body["settled"] == {"count": 1, "total_minor": 10000, "own_minor": 2000}
    assert answer.body["refused"] == {"count": 1, "total_minor": 10000}
    assert [one["his_no"] for one in answer.body["unacknowledged"]["transactions"]] == [his_no]
    told = {name: answer.body[name] for name in ("told_minor", "till_minor", "difference_minor")}
    assert told == {"told_minor": 1500, "till_minor": 2000, "difference_minor": -500}


def test_closed_again_with_the_same_totals_it_is_a_replay_and_with_others_refused(stack: LiveStack) -> None:
    shift_no = uuid4().hex
    first = close(stack, shift_no, ("cash", 0))
    again = close(stack, shift_no, ("cash", 0))
    assert again.headers["idempotent-replayed"] == "true"
    assert {**again.body, "trace_id": ""} == {**first.body, "trace_id": ""}
    other = close(stack, shift_no, ("cash", 1))
    check_problem(other, 409, "shift_is_closed")
    assert other.body["shift"]["told_minor"] == 0
    stranger = close(stack, shift_no, ("cash", 1), hospital="HOSP-B")
    assert (stranger.status, stranger.body["told_minor"]) == (200, 1), "another hospital's shift of the same name"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 422, "invalid_fields"),
        (b'{"totals": [{"tender": "cash", "amount_minor": 1.5}]}', 422, "invalid_fields"),
        (
            b'{"totals": [{"tender": "a", "amount_minor": 1}, {"tender": "a", "amount_minor": 2}]}',
            422,
            "invalid_fields",
        ),
        (b'{"totals": [], "currency": "XXX"}', 422, "invalid_fields"),
        (b'{"totals": [' + b",".join([b'{"tender": "a", "amount_minor": 1}'] * 51) + b"]}", 422, "invalid_fields"),
        (b'{"totals": [', 400, "malformed_json"),
    ],
)
def test_a_close_that_cannot_be_read_stores_nothing(stack: LiveStack, body: bytes, status: int, code: str) -> None:
    with nothing_written(stack):
        check_problem(closed_with(stack, "S-BAD", body), status, code)
    assert stack.rows("SELECT count(*) FROM exchange_shiftclose WHERE shift_no = 'S-BAD'") == [(0,)]


def test_a_close_needs_its_key_and_a_scope(stack: LiveStack) -> None:
    headers = {"Content-Type": "application/json"}
    answer = stack.ask("POST", "shifts/S-1/close", b'{"totals": []}', headers=headers)
    check_problem(answer, 400, "idempotency_key_missing")
    check_problem(stack.ask("PUT", "shifts/S-1/close", b"{}", headers=headers), 405, "method_not_allowed")
    key = uuid4().hex
    assert close(stack, uuid4().hex, ("cash", 1), key=key).status == 200
    check_problem(close(stack, uuid4().hex, ("cash", 1), key=key), 422, "idempotency_key_reused")
