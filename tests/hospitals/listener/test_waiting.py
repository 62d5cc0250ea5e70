"""Many cashiers who wait, a broker that is away, and what a waiting request costs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread, Timer
from typing import Any

import aiohttp
import psutil
import pytest

from tests.live import LiveStack, until

CASHIERS = 500
# A thread and a connection for each kind of database work, whatever waits.
THREADS_LIMIT = 16
CONNECTIONS_LIMIT = 10
LISTENERS = ("listener-1", "listener-2")


async def settle_all(stack: LiveStack, wishes: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """(status, verdict) of each wish; all are posted at once, in turn to the two listeners."""
    headers = {"Authorization": f"Bearer {stack.client_keys['HOSP-A']}"}
    limits = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=60)

    async def settle(number: int, wish: dict[str, Any]) -> tuple[int, str]:
        url = f"{stack.base_urls[number % 2]}/api/his/v1/transactions"
        async with session.post(url, json=wish, headers={"Idempotency-Key": wish["his_no"]}) as answer:
            body = await answer.json(content_type=None)
            return answer.status, str(body.get("verdict") or body.get("code"))

    async with aiohttp.ClientSession(connector=limits[0], timeout=limits[1], headers=headers) as session:
        return await asyncio.gather(*(settle(number, wish) for number, wish in enumerate(wishes)))


@contextmanager
def watched(stack: LiveStack) -> Iterator[dict[str, int]]:
    """The most threads and database connections that one listener had while the block ran."""
    most = {"threads": 0, "connections": 0}
    ended = Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for name in LISTENERS:
                parent = psutil.Process(stack.pid(name))
                threads = max(process.num_threads() for process in [parent, *parent.children(recursive=True)])
                most["threads"] = max(most["threads"], threads)
                most["connections"] = max(most["connections"], stack.connections(name))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def test_five_hundred_cashiers_wait_at_a_few_threads_and_connections(stack: LiveStack) -> None:
    stack.latency("SANDBOX-A", 2.0)
    wishes = [stack.wish(wait_seconds=25) for _ in range(CASHIERS)]
    with watched(stack) as most:
        answers = asyncio.run(settle_all(stack, wishes))
    assert Counter(answers) == {(200, "succeeded"): CASHIERS}
    assert 0 < most["threads"] <= THREADS_LIMIT, most
    assert 0 < most["connections"] <= CONNECTIONS_LIMIT, most
    booked = Counter(entry["his_no"] for entry in stack.book("SANDBOX-A"))
    assert all(booked[wish["his_no"]] == 1 for wish in wishes)


@pytest.fixture
def without_broker(stack: LiveStack) -> Iterator[LiveStack]:
    """The stack; a test kills the broker when it likes. Afterwards it runs again."""
    yield stack
    if stack.processes["valkey"].process.poll() is not None:
        stack.start_again("valkey")
    # A hint is heard again, else the sweeper's second would be in every later test.
    until(lambda: stack.post(stack.wish()).verdict == "succeeded")


def test_a_broker_that_dies_while_one_waits_costs_seconds_only(without_broker: LiveStack) -> None:
    stack = without_broker
    stack.latency("SANDBOX-A", 2.0)
    killer = Timer(0.7, stack.kill, ["valkey"])
    killer.start()
    answer = stack.post(stack.wish(wait_seconds=20))
    killer.join()
    assert (answer.status, answer.verdict) == (200, "succeeded")


def test_without_a_broker_requests_are_answered_all_the_same(without_broker: LiveStack) -> None:
    stack = without_broker
    stack.kill("valkey")
    wishes = [stack.wish(wait_seconds=20) for _ in range(20)]
    assert Counter(asyncio.run(settle_all(stack, wishes))) == {(200, "succeeded"): 20}
    started = time.monotonic()
    told = stack.post(stack.wish(wait_seconds=0))
    assert (told.status, told.verdict) == (202, "pending")
    assert time.monotonic() - started < 2
    assert stack.wait_for(told.body["his_no"]) == "SUCCEEDED"
    assert stack.get(told.body["his_no"]).verdict == "succeeded"


def test_a_broker_that_hangs_holds_no_request_up(without_broker: LiveStack) -> None:
    stack = without_broker
    stack.pause("valkey")
    try:
        answer = stack.post(stack.wish(wait_seconds=20))
    finally:
        stack.resume("valkey")
    assert (answer.status, answer.verdict) == (200, "succeeded")
