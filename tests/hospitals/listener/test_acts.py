"""The acts, done wrongly: a clear answer each time, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.hospitals.listener.counter import bill_of, doubtful, naming, say, settled, unsent
from tests.live import LiveStack

ACTS: dict[str, dict[str, Any]] = {
    "abandon": {"self_paid_minor": 10000},
    "acknowledge": {},
    "disown": {"reason": "never booked"},
    "refunded": {"amount_minor": 1, "refund_no": "F-1"},
    "service-cancelled": {},
}


def cash_of(stack: LiveStack, his_no: str) -> list[tuple[int, str]]:
    return stack.rows(
        "SELECT p.amount_minor, p.receipt_no FROM exchange_selfpayment p JOIN exchange_transaction t "
        "ON t.id = p.transaction_id WHERE t.his_no = %s ORDER BY p.id",
        [his_no],
    )


# Abandon ---------------------------------------------------------------------------------------------------------


def test_abandoned_twice_with_one_receipt_is_cash_once(stack: LiveStack) -> None:
    wish = doubtful(stack)
    first = say(stack, wish["his_no"], "abandon", self_paid_minor=10000, receipt_no="R-1")
    again = say(stack, wish["his_no"], "abandon", self_paid_minor=10000, receipt_no="R-1")
    assert (first.status, first.verdict) == (again.status, again.verdict) == (200, "abandoned")
    assert cash_of(stack, wish["his_no"]) == [(10000, "R-1")]
    further = say(stack, wish["his_no"], "abandon", self_paid_minor=500, receipt_no="R-2")
    assert further.body["self_payment"]["amount_minor"] == 10500
    check_problem(say(stack, wish["his_no"], "abandon", self_paid_minor=9999, receipt_no="R-1"), 409, "receipt_differs")
    assert cash_of(stack, wish["his_no"]) == [(10000, "R-1"), (500, "R-2")]


def test_abandoned_twice_without_a_receipt_is_told_apart_by_the_amount(stack: LiveStack) -> None:
    wish = unsent(stack)
    for amount in (10000, 10000, 500):
        check_problem(say(stack, wish["his_no"], "abandon", self_paid_minor=amount), 409, "already_ended")
    assert cash_of(stack, wish["his_no"]) == [(10000, ""), (500, "")]


def test_cash_told_after_success_is_kept_and_what_is_too_much_is_due(stack: LiveStack) -> None:
    wish = settled(stack)
    told = say(stack, wish["his_no"], "abandon", self_paid_minor=10000)
    check_problem(told, 409, "already_succeeded")
    answer = told.body["transaction"]
    assert (answer["verdict"], answer["self_payment"]["state"]) == ("succeeded", "REFUND_DUE")
    assert answer["self_payment"]["refund_due_minor"] == 8000


def test_abandoning_a_cancel_keeps_the_cash_on_what_it_cancels(stack: LiveStack) -> None:
    wish = settled(stack)
    cancel = naming(stack, wish, "cancel", of=wish["his_no"])
    assert stack.post(cancel).verdict == "succeeded"
    told = say(stack, cancel["his_no"], "abandon", self_paid_minor=700, receipt_no="R-1")
    check_problem(told, 409, "cannot_be_abandoned")
    assert told.body["transaction"]["his_no"] == cancel["his_no"]
    assert cash_of(stack, wish["his_no"]) == [(700, "R-1")]
    assert bill_of(stack, wish["visit"]["visit_no"])["self_paid_minor"] == 700


@pytest.mark.parametrize("operation", ["presettle", "eligibility"])
def test_a_question_has_no_cash_and_no_service(stack: LiveStack, operation: str) -> None:
    wish = settled(stack, operation=operation)
    check_problem(say(stack, wish["his_no"], "abandon", self_paid_minor=1), 409, "cannot_be_abandoned")
    check_problem(say(stack, wish["his_no"], "service-cancelled"), 409, "not_a_fee")
    check_problem(say(stack, wish["his_no"], "disown", reason="x"), 409, "nothing_to_disown")
    check_problem(say(stack, wish["his_no"], "refunded", amount_minor=1, refund_no="F"), 409, "refund_exceeds_due")
    assert cash_of(stack, wish["his_no"]) == []


def test_cash_comes_before_its_wish_and_the_late_wish_is_not_sent(stack: LiveStack) -> None:
    wish = stack.wish()
    told = say(stack, wish["his_no"], "abandon", self_paid_minor=10000, visit_no=wish["visit"]["visit_no"])
    assert (told.status, told.verdict, told.body["self_payment"]["state"]) == (200, "not_sent", "STANDS")
    late = stack.post(wish)
    check_problem(late, 409, "abandoned_before")
    assert late.body["transaction"]["self_payment"] == told.body["self_payment"]
    assert wish["his_no"] not in [entry["his_no"] for entry in stack.book("SANDBOX-A")]
    again = stack.post(wish)
    assert (again.status, again.verdict, again.headers["idempotent-replayed"]) == (200, "not_sent", "true")


def test_cash_whose_wish_never_comes_is_taken_over_by_the_one_that_replaces_it(stack: LiveStack) -> None:
    lost = stack.wish()
    say(stack, lost["his_no"], "abandon", self_paid_minor=10000, receipt_no="R-1")
    anew = stack.wish(replaces=lost["his_no"])
    told = stack.post(anew)
    assert (told.verdict, told.body["self_payment"]["refund_due_minor"]) == ("succeeded", 8000)
    bill = bill_of(stack, anew["visit"]["visit_no"])
    assert (bill["self_paid_minor"], bill["refund_due_minor"]) == (10000, 8000)
    assert {one["his_no"]: one["replaces"] for one in bill["transactions"]} == {
        lost["his_no"]: None,
        anew["his_no"]: lost["his_no"],
    }
    assert bill_of(stack, "~", lost["his_no"])["self_paid_minor"] == 0


# Refunds ---------------------------------------------------------------------------------------------------------


def test_no_more_is_given_back_than_is_due(stack: LiveStack) -> None:
    wish = settled(stack)
    say(stack, wish["his_no"], "abandon", self_paid_minor=10000)
    with nothing_paid_back(stack):
        more = say(stack, wish["his_no"], "refunded", amount_minor=8001, refund_no="F-1")
        check_problem(more, 409, "refund_exceeds_due")
        assert "8000" in more.body["detail"]
    assert say(stack, wish["his_no"], "refunded", amount_minor=3000, refund_no="F-1").status == 200
    check_problem(say(stack, wish["his_no"], "refunded", amount_minor=5001, refund_no="F-2"), 409, "refund_exceeds_due")
    assert say(stack, wish["his_no"], "refunded", amount_minor=3000, refund_no="F-1").status == 200
    check_problem(say(stack, wish["his_no"], "refunded", amount_minor=2999, refund_no="F-1"), 409, "refund_differs")
    last = say(stack, wish["his_no"], "refunded", amount_minor=5000, refund_no="F-2")
    assert last.body["self_payment"]["state"] == "REFUNDED"
    assert bill_of(stack, wish["visit"]["visit_no"])["refunded_minor"] == 8000


def test_a_reversal_alone_gives_nothing_back(stack: LiveStack) -> None:
    wish = doubtful(stack)
    say(stack, wish["his_no"], "abandon", self_paid_minor=10000)
    stack.wait_for(wish["his_no"], "REVERSED", seconds=90)
    with nothing_paid_back(stack):
        refused = say(stack, wish["his_no"], "refunded", amount_minor=1, refund_no="F-1")
        check_problem(refused, 409, "refund_exceeds_due")
    assert refused.body["transaction"]["self_payment"]["state"] == "STANDS"
    # The service is not given after all: then all of it is due.
    say(stack, wish["his_no"], "service-cancelled")
    assert say(stack, wish["his_no"], "refunded", amount_minor=10000, refund_no="F-1").status == 200


def nothing_paid_back(stack: LiveStack) -> Any:
    return nothing_written(stack, "exchange_refund", "ledger_posting")


# Disown, acknowledge, service cancelled --------------------------------------------------------------------------


def test_what_was_acknowledged_or_refunded_is_not_disowned(stack: LiveStack) -> None:
    booked = settled(stack)
    say(stack, booked["his_no"], "acknowledge")
    check_problem(say(stack, booked["his_no"], "disown", reason="x"), 409, "nothing_to_disown")
    paid_back = settled(stack)
    say(stack, paid_back["his_no"], "abandon", self_paid_minor=10000)
    say(stack, paid_back["his_no"], "refunded", amount_minor=8000, refund_no="F-1")
    check_problem(say(stack, paid_back["his_no"], "disown", reason="x"), 409, "nothing_to_disown")
    assert [stack.state(wish["his_no"]) for wish in (booked, paid_back)] == ["SUCCEEDED", "SUCCEEDED"]


def test_a_cancel_is_not_disowned_nor_what_it_is_cancelling(stack: LiveStack) -> None:
    wish = settled(stack)
    stack.latency("SANDBOX-A", 2.0)
    cancel = naming(stack, wish, "cancel", of=wish["his_no"], wait_seconds=0)
    stack.post(cancel)
    refused = say(stack, wish["his_no"], "disown", reason="x")
    check_problem(refused, 409, "cancel_is_open")
    assert (refused.body["transaction"]["his_no"], refused.body["transaction"]["verdict"]) == (
        cancel["his_no"],
        "pending",
    )
    stack.wait_for(cancel["his_no"], "SUCCEEDED")
    check_problem(say(stack, cancel["his_no"], "disown", reason="x"), 409, "nothing_to_disown")


def test_another_verdict_than_the_current_one_is_not_acknowledged(stack: LiveStack) -> None:
    wish = settled(stack)
    refused = say(stack, wish["his_no"], "acknowledge", verdict="rejected")
    check_problem(refused, 409, "verdict_differs")
    assert refused.body["transaction"]["acknowledged"] is False
    assert say(stack, wish["his_no"], "acknowledge", verdict="succeeded").body["acknowledged"] is True
    assert say(stack, wish["his_no"], "acknowledge").status == 200
    check_problem(say(stack, doubtful(stack)["his_no"], "acknowledge"), 409, "verdict_differs")


def test_a_settled_fee_is_cancelled_before_its_service_is(stack: LiveStack) -> None:
    wish = settled(stack)
    check_problem(say(stack, wish["his_no"], "service-cancelled"), 409, "cancel_first")
    assert stack.post(naming(stack, wish, "cancel", of=wish["his_no"])).verdict == "succeeded"
    told = say(stack, wish["his_no"], "service-cancelled")
    assert (told.status, told.verdict) == (200, "cancelled")
    assert say(stack, wish["his_no"], "service-cancelled").status == 200


# Form ------------------------------------------------------------------------------------------------------------

NO_AMOUNTS: tuple[Any, ...] = (0, -1, 1.5, "10", True, None, 2**53, [])
NO_TIMES: tuple[Any, ...] = ("yesterday", "2026-11-22", "2026-11-22T08:00:00", 5, True, [], "2026-13-22T08:00:00Z")
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("abandon", {}, "self_paid_minor"),
    *(("abandon", {"self_paid_minor": value}, "self_paid_minor") for value in NO_AMOUNTS),
    *(("abandon", {"self_paid_minor": 1, "collected_at": value}, "collected_at") for value in NO_TIMES),
    ("abandon", {"self_paid_minor": 1, "receipt_no": "R" * 65}, "receipt_no"),
    ("abandon", {"self_paid_minor": 1, "receipt_no": " R"}, "receipt_no"),
    ("abandon", {"self_paid_minor": 1, "receipt_no": 7}, "receipt_no"),
    ("abandon", {"self_paid_minor": 1, "tender": "a\0b"}, "tender"),
    ("abandon", {"self_paid_minor": 1, "visit_no": "~"}, "visit_no"),
    ("abandon", {"self_paid_minor": 1, "currency": "XAU"}, "currency"),
    ("acknowledge", {"verdict": "maybe"}, "verdict"),
    ("acknowledge", {"verdict": ["succeeded"]}, "verdict"),
    ("disown", {}, "reason"),
    ("disown", {"reason": ""}, "reason"),
    ("disown", {"reason": "x" * 501}, "reason"),
    ("disown", {"reason": {"x": 1}}, "reason"),
    ("refunded", {"refund_no": "F"}, "amount_minor"),
    ("refunded", {"amount_minor": "1", "refund_no": "F"}, "amount_minor"),
    ("refunded", {"amount_minor": 0, "refund_no": "F"}, "amount_minor"),
    ("refunded", {"amount_minor": 1}, "refund_no"),
    ("refunded", {"amount_minor": 1, "refund_no": ""}, "refund_no"),
    ("refunded", {"amount_minor": 1, "refund_no": None}, "refund_no"),
]


@pytest.mark.parametrize(("act", "values", "field"), WRONG)
def test_an_act_names_the_field_that_is_wrong(stack: LiveStack, act: str, values: dict[str, Any], field: str) -> None:
    with nothing_written(stack):
        answer = say(stack, "NEVER-CAME", act, **values)
    check_problem(answer, 422, "invalid_fields")
    assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("his_no", ["A%2F1", "A~", "A~2~2", "%20", "A%00", "A" * 65, "%E6%B5%81", "%FF"])
def test_an_act_on_what_is_no_his_no_is_not_found(stack: LiveStack, act: str, his_no: str) -> None:
    with nothing_written(stack):
        check_problem(say(stack, his_no, act, **ACTS[act]), 404, "not_found")


@pytest.mark.parametrize("act", [act for act in ACTS if act != "abandon"])
def test_an_act_on_what_never_came_is_not_found(stack: LiveStack, act: str) -> None:
    with nothing_written(stack):
        check_problem(say(stack, "NEVER-CAME", act, **ACTS[act]), 404, "not_found")


@pytest.mark.parametrize("act", ["acknowledge", "service-cancelled"])
def test_an_act_that_says_nothing_needs_no_body(stack: LiveStack, act: str) -> None:
    wish = unsent(stack)
    answer = stack.ask("POST", f"transactions/{wish['his_no']}/{act}", headers={"Idempotency-Key": uuid4().hex})
    assert answer.status == 200, answer


def test_a_body_in_another_form_is_refused(stack: LiveStack) -> None:
    for body, content_type, status, code in (
        (b"self_paid_minor=1", "application/x-www-form-urlencoded", 415, "unsupported_content_type"),
        (b'{"self_paid_minor": 1, "self_paid_minor": 2}', "application/json", 400, "malformed_json"),
        (b"[1]", "application/json", 400, "malformed_json"),
    ):
        headers = {"Content-Type": content_type, "Idempotency-Key": uuid4().hex}
        with nothing_written(stack):
            check_problem(stack.ask("POST", "transactions/A/abandon", body, headers=headers), status, code)


# Idempotency -----------------------------------------------------------------------------------------------------


def test_a_key_belongs_to_one_act_on_one_transaction(stack: LiveStack) -> None:
    wish, other, key = settled(stack), settled(stack), uuid4().hex
    first = say(stack, wish["his_no"], "acknowledge", key, verdict="succeeded")
    again = say(stack, wish["his_no"], "acknowledge", key, verdict="succeeded")
    assert (first.status, again.status) == (200, 200)
    assert ("idempotent-replayed" in first.headers, again.headers.get("idempotent-replayed")) == (False, "true")
    assert {**first.body} == {**again.body}
    for his_no, act, values in (
        (wish["his_no"], "acknowledge", {}),
        (wish["his_no"], "service-cancelled", {"verdict": "succeeded"}),
        (other["his_no"], "acknowledge", {"verdict": "succeeded"}),
        (wish["his_no"], "abandon", {"self_paid_minor": 5}),
        ("NEVER-CAME", "abandon", {"self_paid_minor": 5}),
    ):
        with nothing_written(stack):
            check_problem(say(stack, his_no, act, key, **values), 422, "idempotency_key_reused")
    with nothing_written(stack):
        check_problem(stack.post(stack.wish(), key=key), 422, "idempotency_key_reused")
        mine = f"key-{other['his_no']}"
        check_problem(say(stack, other["his_no"], "disown", mine, reason="x"), 422, "idempotency_key_reused")
    assert stack.state(other["his_no"]) == "SUCCEEDED"


def test_an_act_without_a_key_is_refused(stack: LiveStack) -> None:
    for act, values in ACTS.items():
        headers = {"Content-Type": "application/json"}
        with nothing_written(stack):
            answer = stack.ask("POST", f"transactions/A/{act}", json.dumps(values).encode(), headers=headers)
        check_problem(answer, 400, "idempotency_key_missing")


def test_a_refused_act_may_come_again_with_its_key_once_the_cause_is_gone(stack: LiveStack) -> None:
    wish, key = settled(stack), uuid4().hex
    refund = {"amount_minor": 8000, "refund_no": "F-1"}
    check_problem(say(stack, wish["his_no"], "refunded", key, **refund), 409, "refund_exceeds_due")
    say(stack, wish["his_no"], "abandon", self_paid_minor=10000)
    assert say(stack, wish["his_no"], "refunded", key, **refund).status == 200
