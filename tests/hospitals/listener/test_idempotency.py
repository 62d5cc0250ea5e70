"""A request that comes again acts once: by its key, by its his_no, at one listener or at two, in turn or at once."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.live import Answer, LiveStack

CROWD = 50


def is_replay(answer: Answer) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


def held(stack: LiveStack, his_no: str) -> dict[str, int]:
    """What exists of a wish, in our tables and in the insurer's book."""
    counted = stack.rows(
        "SELECT count(DISTINCT t.id), count(DISTINCT c.id), count(DISTINCT k.id) FROM exchange_transaction t "
        "LEFT JOIN exchange_call c ON c.transaction_id = t.id "
        "LEFT JOIN exchange_idempotencykey k ON k.transaction_id = t.id WHERE t.his_no = %s",
        [his_no],
    )[0]
    booked = [entry["his_no"] for entry in stack.book("SANDBOX-A")].count(his_no)
    return {**dict(zip(("transactions", "calls", "keys"), counted, strict=True)), "booked": booked}


ONCE = {"transactions": 1, "calls": 1, "keys": 1, "booked": 1}


def at_once(stack: LiveStack, wishes: list[tuple[dict[str, Any], str]]) -> list[Answer]:
    """All requests (wish, key) at the same time, in turn over the two listeners."""
    with ThreadPoolExecutor(len(wishes)) as pool:
        futures = [
            pool.submit(stack.post, wish, key=key, listener=number % 2) for number, (wish, key) in enumerate(wishes)
        ]
        return [future.result() for future in futures]


def test_the_same_request_again_gets_the_same_verdict(stack: LiveStack) -> None:
    wish = stack.wish()
    first = stack.post(wish)
    with nothing_written(stack):
        again = [stack.post(wish, listener=listener) for listener in (0, 1, 0)]
    assert not is_replay(first)
    assert all(is_replay(answer) and answer.status == 200 and answer.body == first.body for answer in again)
    assert held(stack, wish["his_no"]) == ONCE


def test_how_long_one_waits_and_how_json_is_spelt_make_no_other_request(stack: LiveStack) -> None:
    wish = stack.wish()
    first = stack.post(wish)
    spelt = json.dumps({**dict(reversed(wish.items())), "wait_seconds": 3}, indent=3, ensure_ascii=False).encode()
    again = stack.post(spelt, key=f"key-{wish['his_no']}")
    assert is_replay(again)
    assert again.body == first.body


def test_a_key_with_another_body_is_refused(stack: LiveStack) -> None:
    wish = stack.wish()
    stack.post(wish)
    with nothing_written(stack):
        other = stack.post(stack.wish(), key=f"key-{wish['his_no']}")
        changed = stack.post(wish | {"note": "x"}, key=f"key-{wish['his_no']}")
    check_problem(other, 422, "idempotency_key_reused")
    check_problem(changed, 422, "idempotency_key_reused")
    assert wish["his_no"] in other.body["detail"]


def test_a_known_his_no_under_a_new_key_is_a_replay(stack: LiveStack) -> None:
    wish = stack.wish()
    first = stack.post(wish)
    again = stack.post(wish, key="a-new-key-of-a-restarted-till", listener=1)
    assert is_replay(again)
    assert again.body == first.body
    assert held(stack, wish["his_no"]) == ONCE | {"keys": 2}
    with nothing_written(stack):
        check_problem(stack.post(stack.wish(), key="a-new-key-of-a-restarted-till"), 422, "idempotency_key_reused")


def test_a_known_his_no_with_another_body_is_refused_with_the_verdict(stack: LiveStack) -> None:
    wish = stack.wish()
    first = stack.post(wish)
    other = stack.wish(wish["his_no"], total_minor=500)
    with nothing_written(stack):
        answer = stack.post(other, key="another-key", listener=1)
        elsewhere = stack.post(other | {"visit": {"visit_no": "V-NEVER"}}, key="a-third-key")
    check_problem(answer, 409, "his_no_reused")
    check_problem(elsewhere, 409, "his_no_reused")
    assert answer.body["transaction"] == first.body


def test_a_second_request_joins_the_wait_of_the_first(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 1.5)
    wish = stack.wish()
    started = time.monotonic()
    first, second, third = at_once(stack, [(wish, "joined"), (wish, "joined"), (wish, "joined")])
    assert {first.verdict, second.verdict, third.verdict} == {"succeeded"}
    assert Counter(map(is_replay, (first, second, third))) == {True: 2, False: 1}
    assert time.monotonic() - started < 6
    assert held(stack, wish["his_no"]) == ONCE


def test_a_request_that_was_told_pending_finds_its_verdict_with_its_key(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 1.0)
    wish = stack.wish(wait_seconds=0)
    first = stack.post(wish)
    assert (first.status, first.verdict) == (202, "pending")
    again = stack.post(wish | {"wait_seconds": 20}, listener=1)
    assert (again.status, again.verdict, is_replay(again)) == (200, "succeeded", True)
    assert held(stack, wish["his_no"]) == ONCE


def test_fifty_equal_requests_at_two_listeners_are_one(stack: LiveStack) -> None:
    wish = stack.wish()
    answers = at_once(stack, [(wish, "one-of-fifty")] * CROWD)
    assert {(answer.status, answer.verdict) for answer in answers} == {(200, "succeeded")}
    assert [is_replay(answer) for answer in answers].count(False) == 1
    assert len({answer.body["id"] for answer in answers}) == 1
    assert held(stack, wish["his_no"]) == ONCE


def test_fifty_bodies_under_one_key_leave_one(stack: LiveStack) -> None:
    answers = at_once(stack, [(stack.wish(), "one-key-for-all") for _ in range(CROWD)])
    assert Counter(answer.status for answer in answers) == {200: 1, 422: CROWD - 1}
    assert {answer.body["code"] for answer in answers if answer.status == 422} == {"idempotency_key_reused"}


def test_fifty_bodies_under_one_his_no_leave_one(stack: LiveStack) -> None:
    his_no = stack.wish()["his_no"]
    wishes = [(stack.wish(his_no, total_minor=1000 + number), f"{his_no}-{number}") for number in range(CROWD)]
    answers = at_once(stack, wishes)
    assert Counter(answer.status for answer in answers) == {200: 1, 409: CROWD - 1}
    assert held(stack, his_no) == ONCE


def test_fifty_wishes_for_one_bill_leave_one(stack: LiveStack) -> None:
    visit = {"visit_no": "V-wanted-by-fifty"}
    wishes = [stack.wish(visit=visit) for _ in range(CROWD)]
    answers = at_once(stack, [(wish, wish["his_no"]) for wish in wishes])
    assert Counter(answer.status for answer in answers) == {200: 1, 409: CROWD - 1}
    codes = {answer.body["code"] for answer in answers if answer.status == 409}
    assert codes <= {"bill_has_open_wish", "bill_already_settled"}
    (won,) = [answer.body["his_no"] for answer in answers if answer.status == 200]
    assert {answer.body["transaction"]["his_no"] for answer in answers if answer.status == 409} == {won}
