"""What the machinery survives: a broker away or flushed, a storm of hints, killed processes, hung insurers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.books import at_rest, books_agree, doubted, sent_once
from tests.exchange.peer import full_backlog
from tests.live import LiveStack, live_stack, until

HUNG = """
UPDATE exchange_insurerinterface SET base_url = %s WHERE code = %s
"""


def settle_many(stack: LiveStack, count: int, **changes: Any) -> list[str]:
    """Post wishes at once from eight tills; returns the his_no of those that were taken."""
    wishes = [stack.wish(wait_seconds=0, **changes) for _ in range(count)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda wish: stack.post(wish).status, wishes))
    assert set(statuses) <= {200, 202}
    return [wish["his_no"] for wish in wishes]


def all_settled(stack: LiveStack, his_nos: list[str], *, seconds: float = 30.0) -> None:
    query = "SELECT count(*) FROM exchange_transaction WHERE his_no = ANY (%s) AND state = 'SUCCEEDED'"
    until(lambda: stack.rows(query, [his_nos])[0][0] == len(his_nos), seconds=seconds, what="every success")


def redirected(stack: LiveStack, code: str, base_url: str) -> str:
    """Let our platform look for an insurer somewhere else; returns where it was. Processes notice within 2 seconds."""
    before = stack.rows("SELECT base_url FROM exchange_insurerinterface WHERE code = %s", [code])[0][0]
    stack.rows(HUNG, [base_url, code])
    time.sleep(2.2)
    return str(before)


def test_a_flushed_broker_loses_nothing_and_hints_flow_again(live: LiveStack) -> None:
    stop = threading.Event()

    def flush() -> None:
        with closing(live.broker) as broker:
            while not stop.wait(0.2):
                broker.flushall()

    flushing = threading.Thread(target=flush)
    flushing.start()
    taken = settle_many(live, 100)
    stop.set()
    flushing.join()
    all_settled(live, taken)
    # The sweeper is stopped, so what is done now was asked for by a hint.
    live.terminate("sweeper")
    try:
        assert live.post(live.wish(wait_seconds=8)).verdict == "succeeded"
        assert live.post(live.wish(wait_seconds=8)).verdict == "succeeded"
    finally:
        live.start_again("sweeper")
    books_agree(live)
    sent_once(live)


def test_a_storm_of_wishes_leaves_few_hints_in_the_queue(live: LiveStack) -> None:
    live.pause("workers-1")
    live.pause("sweeper")
    try:
        taken = settle_many(live, 300)
        with closing(live.broker) as broker:
            length: Any = broker.llen("group.main")
        assert length <= 3
    finally:
        live.resume("workers-1")
        live.resume("sweeper")
    all_settled(live, taken)
    books_agree(live)
    sent_once(live)


def test_stopped_workers_finish_the_calls_under_way_and_lose_nothing(live: LiveStack) -> None:
    live.latency("SANDBOX-A", 1.5)
    taken = settle_many(live, 20)
    armed = "SELECT count(*) FROM exchange_transaction WHERE state = 'SENDING'"
    until(lambda: live.rows(armed)[0][0] > 0, what="a call under way")
    live.terminate("workers-1")
    assert live.rows("SELECT count(*) FROM exchange_transaction WHERE state = 'IN_DOUBT'")[0][0] == 0
    live.latency("SANDBOX-A", 0.0)
    all_settled(live, taken)
    live.start_again("workers-1")
    assert books_agree(live) == set()
    sent_once(live)


def test_workers_killed_between_arming_and_sending_leave_a_doubt_and_nothing_is_found(live: LiveStack) -> None:
    live.terminate("sweeper")
    wish = live.wish(wait_seconds=0)
    with full_backlog() as (nowhere, _):
        before = redirected(live, "SANDBOX-A", nowhere)
        live.post(wish)
        live.wait_for(wish["his_no"], "SENDING")
        live.kill("workers-1")
    live.rows(HUNG, [before, "SANDBOX-A"])
    live.start_again("workers-1")
    live.start_again("sweeper")
    assert live.wait_for(wish["his_no"], "SUCCEEDED", "REJECTED", "REVERSED") == "REJECTED"
    assert doubted(live, wish["his_no"])
    jobs = live.rows(
        "SELECT kind, lease_token FROM journal_job JOIN exchange_transaction t ON t.id = subject_id WHERE his_no = %s",
        [wish["his_no"]],
    )
    assert jobs == [("exchange.watch", None)], "what was refused by absence only is watched"
    assert all(row["his_no"] != wish["his_no"] for row in live.book("SANDBOX-A"))
    sent_once(live)


def test_workers_killed_while_the_insurer_works_leave_a_doubt_that_is_found_settled(live: LiveStack) -> None:
    live.terminate("sweeper")
    live.latency("SANDBOX-A", 1.0)
    wish = live.wish(wait_seconds=0)
    live.post(wish)
    live.wait_for(wish["his_no"], "SENDING")
    time.sleep(0.4)
    live.kill("workers-1")
    live.latency("SANDBOX-A", 0.0)
    live.start_again("workers-1")
    live.start_again("sweeper")
    assert live.wait_for(wish["his_no"], "SUCCEEDED", "REJECTED", "REVERSED") == "SUCCEEDED"
    assert doubted(live, wish["his_no"])
    assert books_agree(live) == set()
    sent_once(live)


def test_a_worker_frozen_past_its_fence_sends_nothing_when_it_wakes(live: LiveStack) -> None:
    live.terminate("sweeper")
    wish = live.wish(wait_seconds=0)
    with full_backlog() as (nowhere, server):
        before = redirected(live, "SANDBOX-A", nowhere)
        live.post(wish)
        live.wait_for(wish["his_no"], "SENDING")
        live.pause("workers-1")
        time.sleep(2.5)
        heard = _listen_to(server)
        live.resume("workers-1")
        assert live.wait_for(wish["his_no"], seconds=10) == "NOT_SENT"
    assert set(heard) <= {b""}
    live.rows(HUNG, [before, "SANDBOX-A"])
    live.start_again("sweeper")
    (outcome,) = live.rows(
        "SELECT outcome, says FROM exchange_call c JOIN exchange_transaction t ON t.id = c.transaction_id "
        "JOIN exchange_evidence e ON e.call_id = c.id WHERE his_no = %s",
        [wish["his_no"]],
    )
    assert outcome == ("NOT_SENT", "NOT_SENT")
    time.sleep(2.2)


def _listen_to(server: socket.socket) -> list[bytes]:
    heard: list[bytes] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.settimeout(0.5)
                with suppress(TimeoutError):
                    heard.append(connection.recv(10))

    threading.Thread(target=accept, daemon=True).start()
    return heard


def test_a_paused_lane_waits_and_is_worked_when_it_goes_on(live: LiveStack) -> None:
    pause = "UPDATE journal_lane SET paused_at = {}, paused_reason = 'x' WHERE code = 'sandbox-b'"
    live.rows(pause.format("now()"))
    time.sleep(2.2)
    wish = live.wish(insurer="SANDBOX-B", wait_seconds=0)
    live.post(wish)
    time.sleep(2.5)
    assert live.state(wish["his_no"]) == "RECEIVED"
    live.rows(pause.format("NULL"))
    assert live.wait_for(wish["his_no"], seconds=8) == "SUCCEEDED"


def test_a_paused_lane_gives_up_when_its_patience_is_used_up(live: LiveStack) -> None:
    pause = "UPDATE journal_lane SET paused_at = {}, paused_reason = 'x' WHERE code = 'sandbox-b'"
    live.rows(pause.format("now()"))
    time.sleep(2.2)
    answer = live.post(live.wish(insurer="SANDBOX-B", wait_seconds=20))
    live.rows(pause.format("NULL"))
    assert (answer.verdict, answer.body["reason"]["code"]) == ("not_sent", "lane_paused")
    assert all(row["his_no"] != answer.body["his_no"] for row in live.book("SANDBOX-B"))
    time.sleep(2.2)


# Stacks of another shape ---------------------------------------------------------------------------


def test_without_a_broker_from_the_start_everything_is_worked_only_later(live_template: None, tmp_path: Path) -> None:
    with live_stack(tmp_path, broker=False, workers=0) as stack:
        began = time.monotonic()
        answer = stack.post(stack.wish())
        assert (answer.status, answer.verdict) == (200, "succeeded")
        assert time.monotonic() - began < 5
        all_settled(stack, settle_many(stack, 30))
        books_agree(stack)
        sent_once(stack)


def test_hung_insurers_as_many_as_children_and_one_more_do_not_slow_a_healthy_one(
    live_template: None, tmp_path: Path
) -> None:
    insurers = (("SANDBOX-A", "all_capabilities"), ("SANDBOX-B", "never_answers"), ("SANDBOX-C", "never_answers"))
    with live_stack(tmp_path, concurrency=1, sweeper=False, insurers=insurers) as stack:
        stack.post(stack.wish())
        for insurer in ("SANDBOX-B", "SANDBOX-C"):
            settle_many(stack, 40, insurer=insurer)
        took = []
        for _ in range(10):
            began = time.monotonic()
            assert stack.post(stack.wish()).verdict == "succeeded"
            took.append(time.monotonic() - began)
        hung = "SELECT count(*) FROM exchange_transaction WHERE state = 'SENDING'"
        assert stack.rows(hung)[0][0] > 0, "the others must still be hanging, or this proves nothing"
        assert max(took) < 1.5


@pytest.fixture
def own_cluster(live_template: None, tmp_path: Path) -> Iterator[LiveStack]:
    with live_stack(tmp_path, own_postgres=True) as stack:
        yield stack


def test_postgresql_restarted_under_load_loses_nothing_that_was_answered(own_cluster: LiveStack) -> None:
    stack = own_cluster
    told: dict[str, str] = {}
    stop = threading.Event()

    def till() -> None:
        while not stop.is_set():
            wish = stack.wish(wait_seconds=3)
            with suppress(OSError, HTTPException, ValueError):
                answer = stack.post(wish)
                if answer.status in (200, 202):
                    told[wish["his_no"]] = answer.verdict
                else:
                    assert answer.status == 503, answer
                    time.sleep(0.1)

    tills = [threading.Thread(target=till) for _ in range(6)]
    for one in tills:
        one.start()
    for _ in range(2):
        time.sleep(2.0)
        stack.supervisor.restart(stack.processes["postgres"])
        until(lambda: _answers(stack), what="PostgreSQL")
    time.sleep(3.0)
    stop.set()
    for one in tills:
        one.join()
    assert len(told) > 50
    at_rest(stack)
    found = dict(stack.rows("SELECT his_no, state FROM exchange_transaction"))
    for his_no, verdict in told.items():
        assert his_no in found, f"{his_no} was answered {verdict} and is gone"
        if verdict != "pending":
            assert found[his_no] == verdict.upper()
    books_agree(stack)
    sent_once(stack)


def _answers(stack: LiveStack) -> bool:
    try:
        return bool(stack.rows("SELECT 1"))
    except psycopg.OperationalError:
        return False
