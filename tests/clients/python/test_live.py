"""The client against the real platform: listeners that die, programs that are killed, verdicts that are not lost."""

from __future__ import annotations

import asyncio
import inspect
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from medisettle_client import AsyncClient, Client, Limits, Problem, Unanswered
from medisettle_client.addresses import Addresses
from tests.live import LiveStack, until

HURRIED = Limits(deadline_seconds=1.0, pauses_seconds=(0.05, 0.1))
PROGRAM = """
import json, sys
from medisettle_client import Client
addresses, key, store, wish = json.load(sys.stdin)
Client(addresses, key, store=store).settle(wish)
"""


@pytest.fixture
def client(stack: LiveStack, tmp_path: Path) -> Iterator[Client]:
    with client_of(stack, tmp_path) as made:
        yield made


def client_of(stack: LiveStack, store: Path, *, limits: Limits | None = None) -> Client:
    return Client(stack.base_urls, stack.client_keys["HOSP-A"], store=store, limits=limits)


def first_listener(stack: LiveStack, his_no: str) -> str:
    """The name of the process that the client asks first."""
    address = Addresses(stack.base_urls).order(his_no, now=0.0)[0]
    return f"listener-{stack.base_urls.index(address) + 1}"


def settled_once(stack: LiveStack, his_no: str) -> None:
    """One settlement in the insurer's own book, one call, one key."""
    assert [row["state"] for row in stack.book("SANDBOX-A") if row["his_no"] == his_no] == ["settled"]
    counted = stack.rows(
        "SELECT count(DISTINCT c.id), count(DISTINCT k.key) FROM exchange_transaction t"
        " JOIN exchange_call c ON c.transaction_id = t.id JOIN exchange_idempotencykey k ON k.transaction_id = t.id"
        " WHERE t.his_no = %s",
        [his_no],
    )
    assert counted == [(1, 1)]


def test_a_fee_settles_and_nothing_stays_kept(stack: LiveStack, client: Client) -> None:
    wish = stack.wish()
    verdict = client.settle(wish)
    assert (verdict.verdict, verdict.succeeded, verdict.is_final) == ("succeeded", True, True)
    assert verdict.amounts is not None
    assert (verdict.amounts.fund_minor, verdict.amounts.cash_minor) == (8000, 2000)
    assert [(share.payer, share.amount_minor) for share in verdict.amounts.shares] == [("basic_fund", 8000)]
    assert verdict.insurer is not None
    assert verdict.insurer.code == "SANDBOX-A"
    assert verdict.bill is not None
    assert verdict.bill.square
    assert client.kept() == []
    assert client.get(wish["his_no"]) == verdict


def test_a_repeat_from_another_till_says_that_it_is_one(stack: LiveStack, client: Client, tmp_path: Path) -> None:
    wish = stack.wish()
    first = client.settle(wish)
    with client_of(stack, tmp_path / "other") as other:
        again = other.settle(wish)
    assert (first.replayed, again.replayed, again.id) == (False, True, first.id)
    settled_once(stack, wish["his_no"])


def test_the_asynchronous_client_does_the_same(stack: LiveStack, tmp_path: Path) -> None:
    async def settle_ten() -> list[str]:
        async with AsyncClient(stack.base_urls, stack.client_keys["HOSP-A"], store=tmp_path) as client:
            verdicts = await asyncio.gather(*(client.settle(stack.wish()) for _ in range(10)))
            assert await client.kept() == []
            return [verdict.verdict for verdict in verdicts]

    assert asyncio.run(settle_ten()) == ["succeeded"] * 10


def test_one_client_serves_many_threads(stack: LiveStack, client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(client.settle, [stack.wish() for _ in range(16)]))
    assert {verdict.verdict for verdict in verdicts} == {"succeeded"}
    assert client.kept() == []


def test_another_wish_under_the_same_his_no_is_told_what_is_stored(stack: LiveStack, client: Client) -> None:
    wish = stack.wish()
    first = client.settle(wish)
    with pytest.raises(Problem) as refused:
        client.settle(stack.wish(wish["his_no"], total_minor=500))
    assert (refused.value.status, refused.value.code) == (409, "his_no_reused")
    assert refused.value.transaction is not None
    assert refused.value.transaction.id == first.id
    assert refused.value.detail_zh
    assert refused.value.fix
    assert refused.value.trace_id
    assert client.kept() == []


def test_bad_fields_and_strangers_are_problems(stack: LiveStack, client: Client, tmp_path: Path) -> None:
    with pytest.raises(Problem) as wrong:
        client.settle(stack.wish(total_minor=0))
    assert (wrong.value.status, wrong.value.code) == (422, "invalid_fields")
    assert wrong.value.body["errors"]
    wish = stack.wish()
    client.settle(wish)
    with Client(stack.base_urls, stack.client_keys["HOSP-B"]) as stranger, pytest.raises(Problem) as unknown:
        stranger.get(wish["his_no"])
    assert (unknown.value.status, unknown.value.code) == (404, "not_found")
    with Client(stack.base_urls, "nonsense", store=tmp_path) as nobody, pytest.raises(Problem) as refused:
        nobody.settle(stack.wish())
    assert refused.value.status == 401
    assert client.kept() == []


def test_questions_are_not_kept(stack: LiveStack) -> None:
    with Client(stack.base_urls, stack.client_keys["HOSP-A"]) as client:
        told = client.presettle(stack.wish(operation="presettle"))
        assert (told.operation, told.verdict) == ("presettle", "succeeded")
        assert client.eligibility(stack.wish(operation="eligibility")).operation == "eligibility"


def test_a_listener_killed_in_the_middle_of_a_settle_is_followed_by_the_other_with_the_same_key(
    stack: LiveStack, client: Client
) -> None:
    stack.latency("SANDBOX-A", 2.0)
    wish = stack.wish()
    killed = first_listener(stack, wish["his_no"])
    try:
        with ThreadPoolExecutor(1) as pool:
            settling = pool.submit(client.settle, wish)
            stack.wait_for(wish["his_no"], "SENDING")
            stack.kill(killed)
            verdict = settling.result(60)
    finally:
        stack.latency("SANDBOX-A", 0.0)
        stack.start_again(killed)
    assert (verdict.verdict, verdict.replayed) == ("succeeded", True)
    settled_once(stack, wish["his_no"])
    assert client.kept() == []


def test_a_paused_listener_costs_its_time_and_no_money(stack: LiveStack, tmp_path: Path) -> None:
    wish = stack.wish(wait_seconds=0)
    paused = first_listener(stack, wish["his_no"])
    stack.pause(paused)
    try:
        with client_of(stack, tmp_path, limits=Limits(answer_seconds=1.0)) as client:
            assert client.settle(wish).his_no == wish["his_no"]
    finally:
        stack.resume(paused)
    stack.wait_for(wish["his_no"], "SUCCEEDED")
    settled_once(stack, wish["his_no"])


def test_a_program_killed_after_sending_takes_its_verdict_later(stack: LiveStack, tmp_path: Path) -> None:
    stack.latency("SANDBOX-A", 2.0)
    wish = stack.wish()
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE)
    assert program.stdin is not None
    with program.stdin as told:
        told.write(json.dumps([stack.base_urls, stack.client_keys["HOSP-A"], str(tmp_path), wish]).encode())
    try:
        stack.wait_for(wish["his_no"], "SENDING")
        program.send_signal(signal.SIGKILL)
        assert program.wait(10) == -signal.SIGKILL
    finally:
        stack.latency("SANDBOX-A", 0.0)
    with client_of(stack, tmp_path) as client:
        (kept,) = client.kept()
        assert (kept.his_no, kept.act, kept.body["total_minor"]) == (wish["his_no"], "settle", 10000)
        (resumed,) = client.resume(wait_seconds=20)
        assert resumed.verdict is not None
        assert (resumed.verdict.verdict, resumed.verdict.replayed) == ("succeeded", True)
        assert client.kept() == []
    settled_once(stack, wish["his_no"])


def test_what_nobody_answers_is_kept_and_asked_again(stack: LiveStack, tmp_path: Path) -> None:
    names = ("listener-1", "listener-2")
    for name in names:
        stack.kill(name)
    wishes = [stack.wish() for _ in range(3)]
    try:
        with client_of(stack, tmp_path, limits=HURRIED) as client:
            for wish in wishes:
                with pytest.raises(Unanswered) as unknown:
                    client.settle(wish)
                assert unknown.value.his_no == wish["his_no"]
            assert [resumed.error is not None for resumed in client.resume()] == [True] * 3
            assert [kept.his_no for kept in client.kept()] == [wish["his_no"] for wish in wishes]
    finally:
        for name in names:
            stack.start_again(name)
    with client_of(stack, tmp_path) as client:
        taken = [
            (resumed.his_no, resumed.verdict and resumed.verdict.verdict) for resumed in client.resume(wait_seconds=10)
        ]
        assert taken == [(wish["his_no"], "succeeded") for wish in wishes]
        assert client.kept() == []


def test_one_that_was_not_worked_off_comes_again(stack: LiveStack, client: Client) -> None:
    """The program dies while it books a resumed verdict."""
    stack.latency("SANDBOX-A", 1.0)
    wish = stack.wish(wait_seconds=0)
    assert client.settle(wish).verdict == "pending"
    stack.latency("SANDBOX-A", 0.0)
    assert stack.wait_for(wish["his_no"]) == "SUCCEEDED"
    assert next(iter(client.resume())).verdict is not None
    (again,) = client.resume()
    assert again.verdict is not None
    assert again.verdict.succeeded
    assert client.kept() == []


def test_a_pending_one_stays_kept_until_its_final_verdict_is_seen(stack: LiveStack, client: Client) -> None:
    stack.latency("SANDBOX-A", 1.0)
    wish = stack.wish(wait_seconds=0)
    verdict = client.settle(wish)
    stack.latency("SANDBOX-A", 0.0)
    assert (verdict.verdict, verdict.is_final) == ("pending", False)
    assert verdict.reason is not None
    assert verdict.reason.code == "waiting_for_insurer"
    assert [kept.his_no for kept in client.kept()] == [wish["his_no"]]
    until(lambda: client.get(wish["his_no"]).is_final)
    assert client.kept() == []


def test_both_clients_offer_the_same() -> None:
    def offered(kind: type) -> dict[str, list[Any]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: [*inspect.signature(method).parameters.values()] for name, method in methods if name[0] != "_"}

    assert offered(Client) == offered(AsyncClient)
