"""What a hospital reads beside verdicts: a bill, the abnormal list, lanes, the path of the messages."""

from __future__ import annotations

import json
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.hospitals.listener.checks import check_problem, nothing_written
from tests.hospitals.listener.counter import abnormal, bill_of, kinds_of, say, unsent
from tests.hospitals.listener.test_keys import READ, WRITE, new_key
from tests.live import LiveStack, until

# Bills -----------------------------------------------------------------------------------------------------------


def test_a_settled_bill_tells_its_terms_and_is_square(stack: LiveStack) -> None:
    wish = stack.wish(bill={"bill_no": "B-1"})
    answer = stack.post(wish)
    bill = bill_of(stack, wish["visit"]["visit_no"], "B-1")
    assert (bill["square"], bill["outside"], bill["resting"], bill["currency"]) == (True, False, True, "CNY")
    assert (bill["price_minor"], bill["payers_minor"], bill["own_share_minor"]) == (10000, 8000, 2000)
    assert (bill["self_paid_minor"], bill["refunded_minor"], bill["net_cash_minor"]) == (0, 0, 2000)
    assert (bill["refund_due_minor"], bill["cash_short_minor"], bill["unclaimed"]) == (0, 0, False)
    (told,) = bill["transactions"]
    assert {**told, **answer.body} == told
    assert (told["batch_no"], told["replaces"], told["cancel_open"]) == ("", None, False)
    assert (bill["self_payments"], bill["refunds"], bill["resettles"]) == ([], [], [])


def test_a_bill_without_a_number_is_that_of_its_visit(stack: LiveStack) -> None:
    wish = stack.wish()
    visit_no = wish["visit"]["visit_no"]
    stack.post(wish)
    bills = [
        {name: value for name, value in bill.items() if name != "trace_id"}
        for bill in (bill_of(stack, visit_no), bill_of(stack, visit_no, ""), bill_of(stack, visit_no, visit_no))
    ]
    assert bills[0] == bills[1] == bills[2]
    assert bills[0]["bill_no"] == ""
    check_problem(stack.ask("GET", f"bills/{visit_no}/B-9"), 404, "not_found")


@pytest.mark.parametrize("number", ["V/1", "门诊 7", "a%2Fb", "a+b&c=d?e#f", "..%", "~7", '"<>\\'])
def test_any_number_is_found_percent_encoded(stack: LiveStack, number: str) -> None:
    unique = f"{number}-{uuid4().hex[:8]}"
    wish = stack.wish(visit={"visit_no": unique}, bill={"bill_no": f"{number}/B"})
    assert stack.post(wish).verdict == "succeeded"
    bill = bill_of(stack, unique, f"{number}/B")
    assert (bill["visit_no"], bill["bill_no"]) == (unique, f"{number}/B")


def test_cash_its_taking_over_and_its_refund_are_told(stack: LiveStack) -> None:
    wish = unsent(stack)
    his_no, visit_no = wish["his_no"], wish["visit"]["visit_no"]
    told = say(stack, his_no, "abandon", self_paid_minor=10000, tender="cash", receipt_no="R-1")
    check_problem(told, 409, "already_ended")
    bill = bill_of(stack, visit_no)
    assert (bill["square"], bill["price_minor"], bill["net_cash_minor"]) == (True, 10000, 10000)
    (payment,) = bill["self_payments"]
    assert (payment["his_no"], payment["state"], payment["amount_minor"]) == (his_no, "STANDS", 10000)
    assert (payment["tender"], payment["receipt_no"]) == ("cash", "R-1")

    anew = stack.wish(visit=wish["visit"], replaces=his_no)
    assert stack.post(anew).verdict == "succeeded"
    bill = bill_of(stack, visit_no)
    assert (bill["square"], bill["payers_minor"], bill["refund_due_minor"]) == (False, 8000, 8000)
    assert bill["self_payments"][0]["state"] == "REFUND_DUE"
    assert [one["replaces"] for one in bill["transactions"]] == [None, his_no]
    entry = kinds_of(stack, anew["his_no"])["refund_due"]
    assert (entry["amount_minor"], entry["unclaimed"], entry["visit_no"]) == (8000, False, visit_no)

    say(stack, anew["his_no"], "refunded", amount_minor=8000, refund_no="F-1", red_receipt_no="RR-1")
    bill = bill_of(stack, visit_no)
    assert (bill["square"], bill["refunded_minor"], bill["net_cash_minor"]) == (True, 8000, 2000)
    (refund,) = bill["refunds"]
    assert (refund["his_no"], refund["refund_no"], refund["red_receipt_no"]) == (anew["his_no"], "F-1", "RR-1")
    assert "refund_due" not in kinds_of(stack, anew["his_no"])


def test_a_refund_that_is_due_for_long_is_unclaimed(stack: LiveStack) -> None:
    wish = unsent(stack)
    say(stack, wish["his_no"], "abandon", self_paid_minor=10000)
    say(stack, wish["his_no"], "service-cancelled")
    assert kinds_of(stack, wish["his_no"])["refund_due"]["reason"]["code"] == "refund_due"
    stack.rows(
        "UPDATE exchange_bill SET refund_due_since = refund_due_since - interval '31 days' WHERE visit_no = %s",
        [wish["visit"]["visit_no"]],
    )
    entry = kinds_of(stack, wish["his_no"])["refund_due"]
    assert (entry["unclaimed"], entry["reason"]["code"]) == (True, "refund_unclaimed")
    assert entry["age_seconds"] >= 31 * 86400
    bill = bill_of(stack, wish["visit"]["visit_no"])
    assert (bill["unclaimed"], bill["self_payments"][0]["state"]) == (True, "UNCLAIMED")


def test_a_resettle_says_how_far_it_is(stack: LiveStack) -> None:
    wish = stack.wish()
    visit_no = wish["visit"]["visit_no"]
    stack.post(wish)
    stack.latency("SANDBOX-A", 1.5)
    half = stack.wish(operation="resettle", visit=wish["visit"], of=wish["his_no"], total_minor=5000, wait_seconds=0)
    assert stack.post(half).verdict == "pending"
    bill = bill_of(stack, visit_no)
    (saga,) = bill["resettles"]
    assert (saga["cancel"], saga["rest"], saga["state"]) == (half["his_no"], f"{half['his_no']}~2", "cancelling")
    assert {one["his_no"]: one["cancel_open"] for one in bill["transactions"]}[wish["his_no"]] is True
    states = ["cancelling"]

    def look() -> bool:
        (one,) = bill_of(stack, visit_no)["resettles"]
        if one["state"] != states[-1]:
            states.append(one["state"])
        return bool(one["state"] == "done")

    until(look, what="both halves")
    assert states == ["cancelling", "between_halves", "done"]
    bill = bill_of(stack, visit_no)
    assert (bill["square"], bill["price_minor"], bill["payers_minor"]) == (True, 5000, 4000)
    told = {one["his_no"]: (one["verdict"], one["of"], one["replaces"]) for one in bill["transactions"]}
    assert told == {
        wish["his_no"]: ("cancelled", None, None),
        half["his_no"]: ("succeeded", wish["his_no"], None),
        f"{half['his_no']}~2": ("succeeded", None, wish["his_no"]),
    }


def test_a_tombstones_cash_is_found_by_its_number(stack: LiveStack) -> None:
    his_no = f"NEVER-{uuid4().hex[:8]}"
    say(stack, his_no, "abandon", self_paid_minor=500)
    bill = bill_of(stack, "~", his_no)
    assert (bill["self_paid_minor"], bill["square"]) == (500, True)
    assert bill["transactions"][0]["insurer"]["code"] is None


@pytest.mark.parametrize(
    "path", ["bills/%00", "bills/V%00/B", f"bills/{'V' * 65}", "bills/%20", "bills/%FF", "bills/V/%0A"]
)
def test_a_number_that_is_none_is_not_found(stack: LiveStack, path: str) -> None:
    check_problem(stack.ask("GET", path), 404, "not_found")


# The abnormal list -----------------------------------------------------------------------------------------------


def test_a_settlement_is_on_the_list_until_it_is_acknowledged(stack: LiveStack) -> None:
    wish = stack.wish(operator={"no": "C12", "shift_no": "S-1"})
    stack.post(wish)
    entry = kinds_of(stack, wish["his_no"])["unacknowledged"]
    assert (entry["verdict"], entry["state"], entry["amount_minor"]) == ("succeeded", "SUCCEEDED", 10000)
    assert (entry["operator_no"], entry["shift_no"], entry["owner"]) == ("C12", "S-1", None)
    assert all(entry["reason"][name] for name in ("code", "detail", "detail_zh", "fix", "fix_zh"))
    say(stack, wish["his_no"], "acknowledge", verdict="succeeded")
    assert kinds_of(stack, wish["his_no"]) == {}


def test_a_doubt_is_on_the_list_with_its_age(stack: LiveStack) -> None:
    stack.faults("SANDBOX-A", "corrupt_json")
    wish = stack.wish(wait_seconds=0)
    stack.post(wish)
    stack.wait_for(wish["his_no"], "IN_DOUBT")
    entry = kinds_of(stack, wish["his_no"])["in_doubt"]
    assert (entry["verdict"], entry["reason"]["code"]) == ("pending", "answer_not_trusted")
    assert entry["age_seconds"] >= 0
    stack.wait_for(wish["his_no"], "SUCCEEDED", seconds=60)
    assert kinds_of(stack, wish["his_no"]).keys() == {"unacknowledged"}


def test_a_disowned_success_is_on_the_list_while_it_is_reversed(stack: LiveStack) -> None:
    wish = stack.wish()
    stack.post(wish)
    stack.latency("SANDBOX-A", 2.0)
    say(stack, wish["his_no"], "disown", reason="never booked")
    entry = kinds_of(stack, wish["his_no"])["reversing"]
    assert (entry["verdict"], entry["reason"]["code"]) == ("succeeded", "disown_in_progress")
    stack.wait_for(wish["his_no"], "REVERSED")
    assert kinds_of(stack, wish["his_no"]) == {}


def test_the_list_is_ordered_by_arrival(stack: LiveStack) -> None:
    wishes = [stack.wish() for _ in range(3)]
    for wish in wishes:
        stack.post(wish)
    mine = [wish["his_no"] for wish in wishes]
    assert [entry["his_no"] for entry in abnormal(stack) if entry["his_no"] in mine] == mine


@pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNnx4", "%00", "%FF", "A" * 5000, "MDAwMS0wMS0wMnww", " "])
def test_a_cursor_of_somebody_elses_making_is_refused(stack: LiveStack, cursor: str) -> None:
    answer = stack.ask("GET", f"abnormal?cursor={cursor if '%' in cursor else quote(cursor)}")
    check_problem(answer, 422, "invalid_fields")
    assert [error["field"] for error in answer.body["errors"]] == ["cursor"]


# Lanes and messages ----------------------------------------------------------------------------------------------


def test_lanes_tell_whether_a_cashier_may_try(stack: LiveStack) -> None:
    answer = stack.ask("GET", "lanes")
    lanes = {lane["insurer"]: lane for lane in answer.body["lanes"]}
    assert lanes.keys() == {"SANDBOX-A", "SANDBOX-B"}
    assert lanes["SANDBOX-A"]["state"] in ("open", "slow")
    stack.rows("UPDATE journal_lane SET paused_at = now(), paused_reason = 'maintenance' WHERE code ILIKE 'sandbox-b'")
    try:
        lanes = {lane["insurer"]: lane for lane in stack.ask("GET", "lanes").body["lanes"]}
        assert (lanes["SANDBOX-B"]["state"], lanes["SANDBOX-B"]["paused_reason"]) == ("paused", "maintenance")
        assert lanes["SANDBOX-B"]["paused_since"].endswith("Z")
    finally:
        stack.rows("UPDATE journal_lane SET paused_at = NULL, paused_reason = '' WHERE code ILIKE 'sandbox-b'")


def test_the_path_of_the_messages_is_told_without_the_patient(stack: LiveStack) -> None:
    wish = stack.wish()
    answer = stack.post(wish)
    path = stack.ask("GET", f"transactions/{wish['his_no']}/messages")
    assert (path.status, path.body["his_no"]) == (200, wish["his_no"])
    (message,) = path.body["messages"]
    assert (message["kind"], message["outcome"], message["http_status"]) == ("SETTLE", "DONE", 200)
    assert message["msgid"] == answer.body["insurer"]["msgid"]
    assert wish["his_no"] in path.body["wish"]["body"]
    whole = json.dumps(path.body, ensure_ascii=False)
    assert wish["person"]["id_no"] not in whole
    assert wish["person"]["name"] not in whole
    check_problem(stack.ask("GET", "transactions/NOT-THERE/messages"), 404, "not_found")


# Who may read ----------------------------------------------------------------------------------------------------


def test_a_stranger_sees_none_of_it(stack: LiveStack) -> None:
    wish = stack.wish()
    visit_no = wish["visit"]["visit_no"]
    stack.post(wish)
    for path in (f"bills/{visit_no}", f"bills/{visit_no}/{visit_no}", f"transactions/{wish['his_no']}/messages"):
        assert stack.ask("GET", path).status == 200
        theirs = stack.ask("GET", path, hospital="HOSP-B")
        check_problem(theirs, 404, "not_found")
    assert wish["his_no"] not in [entry["his_no"] for entry in abnormal(stack, hospital="HOSP-B")]
    assert wish["his_no"] in [entry["his_no"] for entry in abnormal(stack)]


@pytest.mark.parametrize("path", ["bills/V", "bills/V/B", "abnormal", "lanes", "transactions/A/messages"])
def test_reading_needs_the_scope_and_takes_no_post(stack: LiveStack, path: str) -> None:
    key = new_key(stack, WRITE)
    check_problem(stack.ask("GET", path, headers={"Authorization": f"Bearer {key}"}), 403, "forbidden")
    check_problem(stack.ask("GET", path, headers={"Authorization": ""}), 401, "key_missing")
    with nothing_written(stack):
        refused = stack.ask("POST", path, b"{}", headers={"Content-Type": "application/json"})
    check_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET"
    may_read = {"Authorization": f"Bearer {new_key(stack, READ)}"}
    assert stack.ask("GET", path, headers=may_read).status in (200, 404)
