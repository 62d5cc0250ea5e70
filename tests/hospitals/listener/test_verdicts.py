"""Verdicts: stored before they are told, told as they are stored, pending while nothing is proven."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.hospitals.listener.checks import check_problem
from tests.live import LiveStack


def stored(stack: LiveStack, his_no: str) -> list[tuple[str, dict[str, Any]]]:
    """(verdict, body) of each stored verdict, oldest first."""
    return [
        (row[0], row[1])
        for row in stack.rows(
            "SELECT v.verdict, v.body FROM exchange_verdict v JOIN exchange_transaction t ON t.id = v.transaction_id "
            "WHERE t.his_no = %s ORDER BY v.version, v.at",
            [his_no],
        )
    ]


@pytest.mark.parametrize(
    ("ending", "verdict", "fund_minor", "cash_minor"),
    [("1237", "succeeded", 8000, 2000), ("9003", "succeeded", 0, 10000), ("9008", "succeeded", 10000, 0)],
)
def test_what_is_told_is_what_is_stored(
    stack: LiveStack, ending: str, verdict: str, fund_minor: int, cash_minor: int
) -> None:
    wish = stack.wish(ending=ending)
    answer = stack.post(wish)
    assert (answer.status, answer.verdict, answer.body["state"]) == (200, verdict, "SUCCEEDED")
    assert (answer.body["amounts"]["fund_minor"], answer.body["amounts"]["cash_minor"]) == (fund_minor, cash_minor)
    assert stored(stack, wish["his_no"])[-1] == (verdict, answer.body)
    assert stack.get(wish["his_no"]).body == answer.body
    assert stack.get(wish["his_no"], listener=1).body == answer.body


def test_a_stored_answer_comes_in_the_order_of_its_shape(stack: LiveStack) -> None:
    wish = stack.wish()
    for body in (
        stack.post(wish).body,
        stack.get(wish["his_no"]).body,
        stack.post({**wish, "x": 1}, key=uuid4().hex).body["transaction"],
    ):
        assert list(body) == [
            *("id", "his_no", "operation", "verdict", "state", "amounts", "self_payment", "bill", "insurer", "reason"),
            *("acknowledged", "trace_id"),
        ]
        assert list(body["amounts"]) == [
            *("total_minor", "fund_minor", "account_minor", "hospital_minor", "cash_minor", "currency", "shares"),
            "warning",
        ]
        assert list(body["amounts"]["shares"][0]) == ["payer", "insurer", "amount_minor"]
        assert list(body["insurer"]) == ["code", "interface", "settlement_no", "msgid"]


@pytest.mark.parametrize(("ending", "insurer_code"), [("9001", "not_insured"), ("9006", "cap_reached")])
def test_a_refusal_is_a_verdict_with_its_reason(stack: LiveStack, ending: str, insurer_code: str) -> None:
    wish = stack.wish(ending=ending)
    answer = stack.post(wish)
    assert (answer.status, answer.verdict, answer.body["amounts"]) == (200, "rejected", None)
    assert answer.body["reason"]["insurer_code"] == insurer_code
    assert all(answer.body["reason"][name] for name in ("code", "detail", "detail_zh", "fix", "fix_zh"))
    assert stored(stack, wish["his_no"])[-1] == ("rejected", answer.body)


def test_pending_is_stored_before_it_is_told_and_says_where_to_ask(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 2.0)
    wish = stack.wish(wait_seconds=0)
    answer = stack.post(wish)
    assert (answer.status, answer.verdict) == (202, "pending")
    assert answer.headers["location"] == f"/api/his/v1/transactions/{wish['his_no']}"
    assert int(answer.headers["retry-after"]) > 0
    assert ("pending", answer.body) in stored(stack, wish["his_no"])
    reading = stack.get(wish["his_no"])
    assert (reading.status, reading.verdict) == (200, "pending")
    assert answer.body["bill"] == {"square": False, "outside": False}
    assert answer.body["reason"]["detail_zh"]
    assert stack.wait_for(wish["his_no"]) == "SUCCEEDED"
    assert stack.get(wish["his_no"]).verdict == "succeeded"


def test_equal_verdicts_are_stored_once(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 2.0)
    wish = stack.wish(wait_seconds=0)
    stack.post(wish)
    stack.wait_for(wish["his_no"], "SENDING")
    told = [stack.get(wish["his_no"], listener=number % 2).body for number in range(6)]
    words = [(word, body["state"]) for word, body in stored(stack, wish["his_no"])]
    assert len(words) == len(set(words)) <= 2
    assert all(("pending", body) in stored(stack, wish["his_no"]) for body in told)


def test_a_short_wait_ends_in_time(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 3.0)
    answer = stack.post(stack.wish(wait_seconds=0.5))
    assert (answer.status, answer.verdict) == (202, "pending")


@pytest.mark.parametrize("operation", ["eligibility", "presettle"])
def test_what_only_reads_is_answered_too(stack: LiveStack, operation: str) -> None:
    wish = stack.wish(operation=operation)
    answer = stack.post(wish)
    assert (answer.status, answer.verdict, answer.body["operation"]) == (200, "succeeded", operation)
    assert wish["his_no"] not in [entry["his_no"] for entry in stack.book("SANDBOX-A")]


def test_an_open_bill_takes_no_second_wish_and_names_the_first(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 2.0)
    first = stack.wish(wait_seconds=0)
    told = stack.post(first)
    second = stack.post(stack.wish(visit=first["visit"]), listener=1)
    check_problem(second, 409, "bill_has_open_wish")
    assert second.body["transaction"]["his_no"] == told.body["his_no"]
    assert stack.wait_for(first["his_no"]) == "SUCCEEDED"
    third = stack.post(stack.wish(visit=first["visit"]))
    check_problem(third, 409, "bill_already_settled")
    assert third.body["transaction"]["verdict"] == "succeeded"
    part = stack.wish(visit=first["visit"], bill={"bill_no": "", "batch_no": "2"})
    assert stack.post(part).verdict == "succeeded"


def test_an_insurer_that_is_away_is_told_as_not_sent(stack: LiveStack) -> None:
    """Nothing listens at the insurer's port: no byte has left, and the hospital may ask again."""
    stack.kill("sandbox-b")
    try:
        answer = stack.post(stack.wish(insurer="SANDBOX-B"))
    finally:
        stack.start_again("sandbox-b")
    assert (answer.status, answer.verdict, answer.body["state"]) == (200, "not_sent", "NOT_SENT")
    assert answer.body["reason"]["fix"]
