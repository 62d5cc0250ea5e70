"""The whole way, over real sockets between real processes: each fault of the insurer, and what becomes of the fee."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.books import books_agree, sent_once
from tests.live import Answer, LiveStack

pytestmark = pytest.mark.xdist_group("live-exchange")
# Fault -> the state it ends in, and whether the insurer holds the settlement.
FAULTS = {
    "commit_then_silence": ("IN_DOUBT", True),
    "commit_then_late_answer": ("IN_DOUBT", True),
    "reset_mid_body": ("IN_DOUBT", True),
    "duplicate_delivery": ("SUCCEEDED", True),
    "reorder": ("SUCCEEDED", True),
    "corrupt_json": ("IN_DOUBT", True),
    "wrong_signature": ("IN_DOUBT", True),
    "drip": ("IN_DOUBT", True),
    "ok_with_error_inside": ("IN_DOUBT", False),
    "wrong_amount": ("IN_DOUBT", True),
    "wrong_person": ("IN_DOUBT", True),
    "refuse": ("REJECTED", False),
    "unavailable": ("IN_DOUBT", False),
    "silence_without_commit": ("IN_DOUBT", False),
    "commit_running": ("SUCCEEDED", True),
}


def at_once(stack: LiveStack, count: int, **changes: Any) -> list[Answer]:
    with ThreadPoolExecutor(count) as pool:
        wishes = [stack.wish(**changes) for _ in range(count)]
        return list(pool.map(stack.post, wishes))


def keep_the_breaker_closed(live: LiveStack) -> None:
    """Enough good calls beside the bad ones, as on any working day."""
    answers = at_once(live, 3)
    assert [answer.verdict for answer in answers] == ["succeeded"] * 3


def test_a_fee_settles_end_to_end(live: LiveStack) -> None:
    wish = live.wish()
    answer = live.post(wish)
    assert (answer.status, answer.verdict) == (200, "succeeded")
    assert answer.body["amounts"]["fund_minor"] == 8000
    (row,) = (row for row in live.book("SANDBOX-A") if row["his_no"] == wish["his_no"])
    assert (row["msgid"], row["fund_minor"]) == (answer.body["insurer"]["msgid"], 8000)
    assert live.get(wish["his_no"]).body["verdict"] == "succeeded"


def test_fifty_equal_posts_at_once_are_one_call_and_all_get_its_verdict(live: LiveStack) -> None:
    wish = live.wish()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(live.post, [wish] * 50))
    assert {(answer.status, answer.verdict) for answer in answers} == {(200, "succeeded")}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert sum(row["his_no"] == wish["his_no"] for row in live.book("SANDBOX-A")) == 1
    sent_once(live)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_where_it_must(live: LiveStack, fault: str) -> None:
    keep_the_breaker_closed(live)
    state, settled = FAULTS[fault]
    live.faults("SANDBOX-A", fault)
    wish = live.wish(wait_seconds=0)
    assert live.post(wish).status == 202
    assert live.wait_for(wish["his_no"]) == state
    live.faults("SANDBOX-A")
    assert any(row["his_no"] == wish["his_no"] for row in live.book("SANDBOX-A")) is settled
    doubts = books_agree(live)
    assert (wish["his_no"] in doubts) is (settled and state == "IN_DOUBT")
    sent_once(live)


def test_a_question_without_an_answer_leaves_nothing_open(live: LiveStack) -> None:
    live.latency("SANDBOX-A", 4.0)
    wish = live.wish(operation="presettle", wait_seconds=10)
    answer = live.post(wish)
    live.latency("SANDBOX-A", 0.0)
    assert (answer.status, answer.verdict) == (200, "not_sent")
    assert answer.body["reason"]["code"] == "no_answer_nothing_at_stake"


def test_what_one_was_told_stays_what_it_was(live: LiveStack) -> None:
    keep_the_breaker_closed(live)
    live.faults("SANDBOX-A", "commit_then_silence")
    wish = live.wish(wait_seconds=0)
    assert live.post(wish).verdict == "pending"
    live.wait_for(wish["his_no"], "IN_DOUBT")
    answer = live.get(wish["his_no"])
    assert (answer.status, answer.verdict, answer.body["state"]) == (200, "pending", "IN_DOUBT")
    verdicts = live.rows(
        "SELECT verdict FROM exchange_verdict v JOIN exchange_transaction t ON t.id = transaction_id WHERE his_no = %s",
        [wish["his_no"]],
    )
    assert {word for (word,) in verdicts} == {"pending"}


def test_an_insurer_that_is_away_leaves_nothing_in_doubt(live: LiveStack) -> None:
    live.kill("sandbox-b")
    answer = live.post(live.wish(insurer="SANDBOX-B"))
    assert (answer.status, answer.verdict) == (200, "not_sent")
    assert answer.body["reason"]["code"] == "connection_failed"
    live.start_again("sandbox-b")
    assert live.post(live.wish(insurer="SANDBOX-B")).verdict == "succeeded"


def test_the_breaker_opens_on_doubt_and_closes_when_it_has_passed(live: LiveStack) -> None:
    live.faults("SANDBOX-B", mix={"corrupt_json": 1.0})
    wishes = [live.wish(insurer="SANDBOX-B", wait_seconds=0) for _ in range(12)]
    for wish in wishes:
        live.post(wish)
    for wish in wishes:
        live.wait_for(wish["his_no"], "IN_DOUBT", "NOT_SENT")
    live.faults("SANDBOX-B")
    time.sleep(0.6)
    refused = live.post(live.wish(insurer="SANDBOX-B"))
    assert (refused.verdict, refused.body["reason"]["code"]) == ("not_sent", "lane_broken")
    assert live.post(live.wish(insurer="SANDBOX-A")).verdict == "succeeded", "another insurer's lane is another lane"
    give_up_at = time.monotonic() + 20
    while live.post(live.wish(insurer="SANDBOX-B")).verdict != "succeeded":
        assert time.monotonic() < give_up_at
        time.sleep(1)
    books_agree(live, "SANDBOX-B")
