"""Wishes that name others (cancel, resettle, replaces, retry_of), done wrongly: a clear answer, and nothing is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.hospitals.listener.counter import bill_of, doubtful, naming, say, settled, unsent
from tests.hospitals.listener.test_acts import ACTS
from tests.hospitals.listener.test_zones import listener, status_at
from tests.live import Answer, LiveStack, until


def test_a_wish_in_doubt_is_not_replaced(stack: LiveStack) -> None:
    wish = doubtful(stack)
    for member in ("replaces", "retry_of"):
        with nothing_written(stack):
            refused = stack.post(naming(stack, wish, **{member: wish["his_no"]}))
        check_problem(refused, 409, "cannot_be_replaced")
        assert refused.body["transaction"]["his_no"] == wish["his_no"]
    check_problem(stack.post(naming(stack, wish, "cancel", of=wish["his_no"])), 409, "not_settled")


def test_a_wish_with_cash_is_replaced_and_not_retried_and_by_one_only(stack: LiveStack) -> None:
    wish = unsent(stack)
    say(stack, wish["his_no"], "abandon", self_paid_minor=10000)
    check_problem(stack.post(naming(stack, wish, retry_of=wish["his_no"])), 409, "retry_has_cash")
    follower = naming(stack, wish, replaces=wish["his_no"])
    assert stack.post(follower).verdict == "succeeded"
    second = stack.post(naming(stack, wish, replaces=wish["his_no"], bill={"batch_no": "2"}))
    check_problem(second, 409, "already_followed")
    assert second.body["transaction"]["his_no"] == follower["his_no"]


def test_references_that_lead_nowhere_or_to_another_bill(stack: LiveStack) -> None:
    wish, trial = unsent(stack), settled(stack, operation="presettle")
    with nothing_written(stack):
        for member in ("replaces", "retry_of", "presettle_of"):
            check_problem(stack.post(stack.wish() | {member: "NOT-THERE"}), 422, "reference_unknown")
        for operation, of in itertools.product(("cancel", "resettle"), ("NOT-THERE", trial["his_no"])):
            check_problem(stack.post(stack.wish(operation=operation, of=of)), 422, "reference_unknown")
        elsewhere = stack.post(stack.wish(replaces=wish["his_no"]))
        check_problem(elsewhere, 409, "reference_on_other_bill")
        check_problem(stack.post(naming(stack, trial, replaces=trial["his_no"])), 422, "reference_unknown")
    assert elsewhere.body["transaction"]["his_no"] == wish["his_no"]


def test_a_strangers_wish_cannot_be_named(stack: LiveStack) -> None:
    theirs = stack.wish()
    assert stack.post(theirs, hospital="HOSP-B").verdict == "succeeded"
    with nothing_written(stack):
        for operation in ("cancel", "resettle"):
            check_problem(stack.post(stack.wish(operation=operation, of=theirs["his_no"])), 422, "reference_unknown")
        check_problem(stack.post(stack.wish(replaces=theirs["his_no"])), 422, "reference_unknown")
        for act, values in ACTS.items():
            if act != "abandon":
                check_problem(say(stack, theirs["his_no"], act, **values), 404, "not_found")


def test_a_service_that_is_cancelled_is_not_settled_anew(stack: LiveStack) -> None:
    wish = unsent(stack)
    say(stack, wish["his_no"], "service-cancelled")
    check_problem(stack.post(naming(stack, wish, replaces=wish["his_no"])), 409, "service_is_cancelled")


def test_a_fee_is_cancelled_once(stack: LiveStack) -> None:
    wish = settled(stack)
    stack.latency("SANDBOX-A", 2.0)
    cancel = naming(stack, wish, "cancel", of=wish["his_no"], wait_seconds=0)
    stack.post(cancel)
    refused = stack.post(naming(stack, wish, "cancel", of=wish["his_no"]))
    check_problem(refused, 409, "cancel_is_open")
    assert refused.body["transaction"]["his_no"] == cancel["his_no"]
    stack.wait_for(cancel["his_no"], "SUCCEEDED")
    check_problem(stack.post(naming(stack, wish, "cancel", of=wish["his_no"])), 409, "not_settled")
    check_problem(stack.post(naming(stack, wish, "cancel", of=cancel["his_no"])), 409, "not_settled")


def test_the_half_of_a_resettle_is_named_but_never_made(stack: LiveStack) -> None:
    wish = settled(stack)
    anew = naming(stack, wish, "resettle", of=wish["his_no"], total_minor=5000)
    told = stack.post(anew)
    rest = f"{anew['his_no']}~2"
    assert (told.status, told.body["his_no"], told.verdict) == (200, rest, "succeeded")
    assert told.body["cash_difference_minor"] == 1000 - 2000
    assert stack.get(rest).verdict == stack.get(rest.replace("~", "%7E")).verdict == "succeeded"
    assert stack.get(anew["his_no"]).body["operation"] == "cancel"
    assert say(stack, rest, "acknowledge", verdict="succeeded").body["acknowledged"] is True
    check_problem(stack.post({**wish, "his_no": rest}), 422, "invalid_fields")
    cancel = naming(stack, wish, "cancel", of=rest)
    assert stack.post(cancel).verdict == "succeeded"
    assert stack.post(naming(stack, wish, replaces=rest)).verdict == "succeeded"


def test_a_resettle_whose_cancel_is_refused_changes_nothing(stack: LiveStack) -> None:
    wish = settled(stack)
    stack.faults("SANDBOX-A", "refuse")
    told = stack.post(naming(stack, wish, "resettle", of=wish["his_no"], total_minor=5000))
    assert (told.status, told.verdict, told.body["reason"]["code"]) == (200, "rejected", "resettle_cancel_refused")
    assert stack.get(wish["his_no"]).verdict == "succeeded"
    assert bill_of(stack, wish["visit"]["visit_no"])["resettles"][0]["state"] == "cancel_failed"


@pytest.fixture
def same_day(stack: LiveStack) -> Iterator[LiveStack]:
    """SANDBOX-B takes cancels on the day of the settlement only, and the latest first."""
    stack.rows(
        "INSERT INTO exchange_capabilitygrant (interface_id, name, value, source, granted_at, granted_by) "
        "SELECT id, grants.name, grants.value::jsonb, 'DEMO', now(), 'test' FROM exchange_insurerinterface, "
        "(VALUES ('cancel_window', '\"same_day\"'), ('cancel_latest_first', 'true')) AS grants (name, value) "
        "WHERE code = 'SANDBOX-B'"
    )
    yield stack
    stack.rows("DELETE FROM exchange_capabilitygrant WHERE name IN ('cancel_window', 'cancel_latest_first')")


def test_a_cancel_after_its_window_is_refused_before_anything_is_sent(same_day: LiveStack) -> None:
    stack = same_day
    wish = settled(stack, insurer="SANDBOX-B")
    cancel = naming(stack, wish, "cancel", of=wish["his_no"], insurer="SANDBOX-B")
    with listener(stack, "edge", MEDISETTLE_CLOCK_OFFSET="172800") as port:
        until(lambda: status_at(port, "/healthz") == 200, what="the listener of the day after tomorrow")
        with nothing_written(stack):
            refused = post_at(stack, port, cancel)
    check_problem(refused, 409, "cancel_window_over")
    assert "same_day" in refused.body["detail"]
    assert refused.body["transaction"]["his_no"] == wish["his_no"]
    assert stack.post(cancel).verdict == "succeeded"


def test_the_latest_settlement_of_a_bill_is_cancelled_first(same_day: LiveStack) -> None:
    stack = same_day
    # Its grants are read anew after two seconds.
    until(lambda: "cancel_latest_first" in str(stack.rows("SELECT name FROM exchange_capabilitygrant")))
    first = settled(stack, insurer="SANDBOX-B", bill={"bill_no": "B", "batch_no": "1"})
    second = settled(stack, insurer="SANDBOX-B", visit=first["visit"], bill={"bill_no": "B", "batch_no": "2"})

    def cancelled(wish: dict[str, Any]) -> Answer:
        return stack.post(naming(stack, wish, "cancel", of=wish["his_no"], insurer="SANDBOX-B"))

    refused = cancelled(first)
    check_problem(refused, 409, "cancel_window_over")
    assert second["his_no"] in refused.body["detail"]
    assert cancelled(second).verdict == "succeeded"
    assert cancelled(first).verdict == "succeeded"


def post_at(stack: LiveStack, port: int, wish: dict[str, Any]) -> Answer:
    """POST to a listener of one's own."""
    known = stack.base_urls
    stack.base_urls = [f"http://127.0.0.1:{port}"]
    try:
        return stack.post(wish)
    finally:
        stack.base_urls = known
