"""The back office's calls over the real door: shifts are closed, days are listed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written, raw_request, talk
from tests.live import Answer, LiveStack


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


# Days -----------------------------------------------------------------------------------------------


def day_of(his_no: str, stack: LiveStack) -> str:
    """The business date on which it was settled."""
    found = "SELECT (state_at AT TIME ZONE 'Asia/Shanghai')::date::text FROM exchange_transaction WHERE his_no = %s"
    return str(stack.rows(found, [his_no])[0][0])


def put(stack: LiveStack, day: str, body: dict[str, Any] | bytes, *, hospital: str = "HOSP-A") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return stack.ask("PUT", f"days/{day}/list", raw, hospital=hospital, headers={"Content-Type": "application/json"})


def whole_day(stack: LiveStack, day: str, *, hospital: str, without: str = "") -> list[dict[str, Any]]:
    """Everything that this hospital has settled that day, as it would list it."""
    found = stack.rows(
        "SELECT his_no, total_minor FROM exchange_transaction wish JOIN accounts_organisation home "
        "ON home.id = organisation_id WHERE home.code = %s AND operation_class = 'MOVES' AND state = 'SUCCEEDED' "
        "AND (state_at AT TIME ZONE 'Asia/Shanghai')::date = %s::date AND his_no <> %s",
        [hospital, day, without],
    )
    return [{"his_no": his_no, "total_minor": total} for his_no, total in found]


def test_a_list_is_held_against_ours_and_a_signed_one_gives_up_what_it_lacks(stack: LiveStack) -> None:
    lost = stack.wish()
    assert stack.post(lost, hospital="HOSP-B").verdict == "succeeded"
    day = day_of(lost["his_no"], stack)
    listed = whole_day(stack, day, hospital="HOSP-B", without=lost["his_no"])
    unsigned = put(stack, day, {"rows": listed}, hospital="HOSP-B")
    assert unsigned.status == 200
    assert [case["his_no"] for case in unsigned.body["cases"] if case["kind"] == "absent"] == [lost["his_no"]]
    assert unsigned.body["insurer"] == "not_received"
    assert list(unsigned.body)[:4] == ["business_date", "time_zone", "list", "insurer"]
    assert stack.get(lost["his_no"], hospital="HOSP-B").verdict == "succeeded"

    signed = put(stack, day, {"rows": listed, "signed_by": "王主任"}, hospital="HOSP-B")
    assert (signed.status, signed.body["list"]["signed_by"]) == (200, "王主任")
    stack.wait_for(lost["his_no"], "REVERSED")
    assert stack.get(lost["his_no"], hospital="HOSP-B").verdict == "reversed"
    read = stack.ask("GET", f"days/{day}", hospital="HOSP-B")
    assert [case for case in read.body["cases"] if case["kind"] == "absent"] == []
    check_problem(put(stack, day, {"rows": []}, hospital="HOSP-B"), 409, "day_is_signed")
    both = put(stack, day, {"rows": listed, "signed_by": "李会计", "second_by": "王主任"}, hospital="HOSP-B")
    assert (both.status, both.body["list"]["version"]) == (200, 3)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 422, "invalid_fields"),
        (b'{"rows": [{"his_no": "A B", "total_minor": 1}]}', 422, "invalid_fields"),
        (b'{"rows": [{"his_no": "A"}]}', 422, "invalid_fields"),
        (b'{"rows": [{"his_no": "A", "total_minor": "100.00"}]}', 422, "invalid_fields"),
        (b'{"rows": [], "second_by": "B"}', 422, "invalid_fields"),
        (b'{"rows": [], "as_of": "2026-11-22"}', 422, "invalid_fields"),
        (b'{"rows": [' + b",".join([b'{"his_no":"A","total_minor":1}'] * 20001) + b"]}", 422, "invalid_fields"),
    ],
    ids=["no rows", "name", "no total", "text", "one name", "no zone", "20,001 rows"],
)
def test_a_list_that_cannot_be_read_stores_nothing(stack: LiveStack, body: bytes, status: int, code: str) -> None:
    with nothing_written(stack):
        check_problem(put(stack, "2026-01-05", body), status, code)
    assert stack.rows("SELECT count(*) FROM exchange_daylist WHERE business_date = '2026-01-05'") == [(0,)]


def test_a_list_may_be_longer_than_a_bill_and_not_endless(stack: LiveStack) -> None:
    for mebibytes, status in ((7, b" 408 "), (9, b" 413 ")):
        request = raw_request(stack, method="PUT", path="days/2026-01-05/list", content_length=str(mebibytes << 20))
        assert status in talk(stack, request).split(b"\r\n")[0]


def test_unknown_and_duplicate_rows_are_cases_and_no_refusals(stack: LiveStack) -> None:
    rows = [{"his_no": "NOBODY-1", "total_minor": 100}, {"his_no": "NOBODY-1", "total_minor": 100}]
    answer = put(stack, "2026-01-06", {"rows": rows})
    assert sorted(case["kind"] for case in answer.body["cases"]) == ["duplicate", "unknown"]
    read = stack.ask("GET", "days/2026-01-06")
    assert (read.status, read.body["cases"]) == (200, answer.body["cases"])
    assert stack.ask("GET", "days/2026-01-06", hospital="HOSP-B").body["list"] is None


def test_no_day_is_no_day(stack: LiveStack) -> None:
    for day in ("2026-02-30", "yesterday", "20261122"):
        check_problem(stack.ask("GET", f"days/{day}"), 404, "not_found")
        check_problem(put(stack, day, {"rows": []}), 404, "not_found")
    check_problem(put(stack, "2099-01-01", {"rows": []}), 422, "day_not_begun")
