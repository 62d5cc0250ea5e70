"""The whole way, over real sockets between real processes: each fault of the insurer, and what becomes of the fee."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.books import at_rest, books_agree, doubted, sent_once
from tests.live import Answer, LiveStack, until

# Fault -> whether it leaves a doubt, the state it ends in, and whether the insurer holds the settlement.
FAULTS = {
    "commit_then_silence": (True, "SUCCEEDED", True),
    "commit_then_late_answer": (True, "SUCCEEDED", True),
    "reset_mid_body": (True, "SUCCEEDED", True),
    "duplicate_delivery": (False, "SUCCEEDED", True),
    "reorder": (False, "SUCCEEDED", True),
    "corrupt_json": (True, "SUCCEEDED", True),
    "wrong_signature": (True, "SUCCEEDED", True),
    "drip": (True, "SUCCEEDED", True),
    "ok_with_error_inside": (True, "REJECTED", False),
    "wrong_amount": (True, "SUCCEEDED", True),
    "wrong_person": (True, "SUCCEEDED", True),
    "refuse": (False, "REJECTED", False),
    "unavailable": (True, "REJECTED", False),
    "silence_without_commit": (True, "REJECTED", False),
    "late_commit": (True, "SUCCEEDED", True),
    "commit_running": (False, "SUCCEEDED", True),
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


def test_each_fault_ends_where_it_must(live: LiveStack) -> None:
    wishes = {}
    for fault in FAULTS:
        keep_the_breaker_closed(live)
        live.faults("SANDBOX-A", fault, on="settle")
        wishes[fault] = live.wish(wait_seconds=0)["his_no"]
        assert live.post(live.wish(wishes[fault], wait_seconds=0)).status == 202
        until(lambda: not live.control("SANDBOX-A", "faults")["next"], what="the fault")
    at_rest(live)
    held = {row["his_no"] for row in live.book("SANDBOX-A") if row["state"] == "settled"}
    found = {fault: (doubted(live, no), live.state(no), no in held) for fault, no in wishes.items()}
    assert found == FAULTS
    assert books_agree(live) == set()
    sent_once(live)


def test_a_question_without_an_answer_leaves_nothing_open(live: LiveStack) -> None:
    live.latency("SANDBOX-A", 4.0)
    wish = live.wish(operation="presettle", wait_seconds=10)
    answer = live.post(wish)
    live.latency("SANDBOX-A", 0.0)
    assert (answer.status, answer.verdict) == (200, "not_sent")
    assert answer.body["reason"]["code"] == "no_answer_nothing_at_stake"


def test_while_in_doubt_one_is_told_pending_and_then_the_truth(live: LiveStack) -> None:
    keep_the_breaker_closed(live)
    live.faults("SANDBOX-A", "commit_then_silence")
    wish = live.wish(wait_seconds=0)
    assert live.post(wish).verdict == "pending"
    assert live.wait_for(wish["his_no"], "SUCCEEDED") == "SUCCEEDED"
    assert live.get(wish["his_no"]).verdict == "succeeded"
    verdicts = live.rows(
        "SELECT verdict FROM exchange_verdict v JOIN exchange_transaction t ON t.id = transaction_id WHERE his_no = %s"
        " ORDER BY v.id",
        [wish["his_no"]],
    )
    assert [word for (word,) in verdicts] == ["pending", "succeeded"]


def test_an_insurer_that_is_away_leaves_nothing_in_doubt(live: LiveStack) -> None:
    live.kill("sandbox-b")
    answer = live.post(live.wish(insurer="SANDBOX-B"))
    assert (answer.status, answer.verdict) == (200, "not_sent")
    assert answer.body["reason"]["code"] == "connection_failed"
    live.start_again("sandbox-b")
    assert live.post(live.wish(insurer="SANDBOX-B")).verdict == "succeeded"


def break_the_lane(live: LiveStack, insurer: str, **setting: Any) -> list[str]:
    """Twelve fees that end in doubt at this insurer, and a lane that takes no more of them."""
    live.faults(insurer, mix={"corrupt_json": 1.0}, **setting)
    wishes = [live.wish(insurer=insurer, wait_seconds=0) for _ in range(12)]
    for wish in wishes:
        live.post(wish)
    return [wish["his_no"] for wish in wishes]


def test_the_breaker_opens_on_doubt_and_closes_when_questions_are_answered(live: LiveStack) -> None:
    # The insurer is silent from now on, to questions too.
    live.pause("sandbox-a")
    try:
        wishes = [live.wish(wait_seconds=0) for _ in range(12)]
        for wish in wishes:
            live.post(wish)
        refused = until(lambda: not_sent(live.post(live.wish(wait_seconds=1))), what="an open breaker")
        assert refused is not None
        assert refused.body["reason"]["code"] == "lane_broken"
        assert live.post(live.wish(insurer="SANDBOX-B")).verdict == "succeeded", "another insurer's lane is another"
    finally:
        live.resume("sandbox-a")
    for wish in wishes:
        live.wait_for(wish["his_no"], "SUCCEEDED", "REJECTED")
    # The last questions may be answered a moment after the others.
    until(lambda: live.post(live.wish()).verdict == "succeeded", what="a lane that answered questions have closed")
    at_rest(live)
    assert books_agree(live) == set()


def not_sent(answer: Answer) -> Answer | None:
    return answer if answer.verdict == "not_sent" else None


def test_a_broken_lane_goes_on_reversing_and_closes_with_it(live: LiveStack) -> None:
    wishes = break_the_lane(live, "SANDBOX-B", on="settle")
    refused = until(lambda: not_sent(live.post(live.wish(insurer="SANDBOX-B", wait_seconds=1))), what="an open breaker")
    assert refused is not None
    assert refused.body["reason"]["code"] == "lane_broken"
    for his_no in wishes:
        live.wait_for(his_no, "REVERSED", "NOT_SENT")
    live.faults("SANDBOX-B")
    assert live.post(live.wish(insurer="SANDBOX-B")).verdict == "succeeded"
    at_rest(live)
    assert books_agree(live, "SANDBOX-B") == set()


def test_a_paused_lane_asks_and_reverses_all_the_same(live: LiveStack) -> None:
    keep_the_breaker_closed(live)
    live.faults("SANDBOX-A", "commit_then_silence", "commit_then_silence", on="settle")
    asked, undone = live.wish(wait_seconds=0)["his_no"], live.wish(wait_seconds=0)["his_no"]
    for his_no in (asked, undone):
        live.post(live.wish(his_no, wait_seconds=0))
        live.wait_for(his_no, "SENDING")
    pause = "UPDATE journal_lane SET paused_at = {}, paused_reason = 'x' WHERE code = 'sandbox-a'"
    live.rows(pause.format("now()"))
    try:
        told = json.dumps({"self_paid_minor": 10000, "receipt_no": "R-1"}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": "abandon-1"}
        assert live.ask("POST", f"transactions/{undone}/abandon", told, headers=headers).verdict == "abandoned"
        assert live.wait_for(asked, "SUCCEEDED") == "SUCCEEDED"
        assert live.wait_for(undone, "REVERSED") == "REVERSED"
    finally:
        live.rows(pause.format("NULL"))
    assert books_agree(live) == set()
