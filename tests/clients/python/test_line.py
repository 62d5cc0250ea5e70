"""Repeats: the same key and body, the next address, a named end; whatever is at the other end of the line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medisettle_client import Client, Limits, Problem, Unanswered
from medisettle_client.addresses import Addresses
from tests.clients.python import sick
from tests.clients.python.sick import Asked, SickListener, answering, sick_listener

WISH: dict[str, Any] = {"his_no": "S-1", "visit": {"visit_no": "V-1"}, "person": {"id_no": "110101199001011237"}}
QUICK = Limits(answer_seconds=0.5, deadline_seconds=3.0, pauses_seconds=(0.01, 0.02))
UNAVAILABLE = sick.problem("503 Service Unavailable", "service_unavailable")


def client_of(*addresses: str, store: Path, limits: Limits = QUICK) -> Client:
    return Client(addresses, "key-of-a-till", store=store, limits=limits)


def first_asked(*listeners: SickListener, his_no: str = "S-1") -> list[SickListener]:
    """The listeners in the order in which `his_no` asks them."""
    order = Addresses([listener.address for listener in listeners]).order(his_no, now=0.0)
    return sorted(listeners, key=lambda listener: order.index(listener.address))


def hang(connection: socket.socket, asked: Asked) -> bool:
    """Reads on, and says nothing, until the other side leaves."""
    return connection.recv(1) != b""


def test_each_his_no_has_an_order_of_its_own_that_no_list_changes() -> None:
    addresses = [f"http://10.0.0.{number}:8000" for number in range(1, 5)]
    here, there = Addresses(addresses), Addresses(addresses[::-1])
    assert all(here.order(f"H-{n}", now=0.0) == there.order(f"H-{n}", now=0.0) for n in range(100))
    first = Counter(here.order(f"H-{n}", now=0.0)[0] for n in range(400))
    assert set(first) == set(addresses)
    assert min(first.values()) > 50


def test_an_address_at_rest_is_asked_last_and_only_for_a_while() -> None:
    addresses = Addresses(["http://10.0.0.1:8000", "http://10.0.0.2:8000"])
    first, second = addresses.order("H-1", now=0.0)
    addresses.rest(first, until=10.0)
    assert addresses.order("H-1", now=9.0) == [second, first]
    assert addresses.order("H-1", now=10.0) == [first, second]


@pytest.mark.parametrize("address", ["10.0.0.1:8000", "ftp://x", "http://x/api", "http://", ""])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="listener"):
        Addresses([address])


def test_the_next_listener_gets_the_same_key_and_body(tmp_path: Path) -> None:
    with sick_listener(answering(UNAVAILABLE)) as one, sick_listener(answering(UNAVAILABLE)) as two:
        first, second = first_asked(one, two)
        second.script = answering(sick.verdict())
        with client_of(one.address, two.address, store=tmp_path) as client:
            assert client.settle(WISH).succeeded
        (before,), (after,) = first.asked, second.asked
        assert (before.key, before.body) == (after.key, after.body)
        assert before.headers["x-trace-id"] == after.headers["x-trace-id"]


def test_a_listener_that_is_gone_costs_one_attempt(tmp_path: Path) -> None:
    with (
        sick_listener(answering(sick.verdict())) as alive,
        client_of(sick.nobody(), alive.address, store=tmp_path) as client,
    ):
        for number in range(20):
            assert client.settle({**WISH, "his_no": f"S-{number}"}).succeeded
        assert len(alive.asked) == 20


def test_a_line_cut_in_the_middle_of_an_answer_is_asked_again_with_the_same_key(tmp_path: Path) -> None:
    def cut_once(connection: socket.socket, asked: Asked) -> bool:
        whole = sick.verdict()
        connection.sendall(whole if len(listener.asked) > 1 else whole[:-20])
        return len(listener.asked) > 1

    with sick_listener(cut_once) as listener, client_of(listener.address, store=tmp_path) as client:
        assert client.settle(WISH).succeeded
        assert len({asked.key for asked in listener.asked}) == 1
        assert len(listener.asked) == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        sick.http("200 OK", b"{", "application/json"),
        sick.http("502 Bad Gateway", b"<h1>proxy</h1>", "text/html"),
        sick.http("403 Forbidden", b"<h1>proxy</h1>", "text/html"),
        sick.http("302 Found", b"", "text/html"),
        sick.http("413 Too Large", b"", "text/plain"),
        UNAVAILABLE,
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_what_is_no_answer_of_the_platform_is_unknown_and_kept(tmp_path: Path, nonsense: bytes) -> None:
    with sick_listener(answering(nonsense)) as listener, client_of(listener.address, store=tmp_path) as client:
        with pytest.raises(Unanswered) as unknown:
            client.settle(WISH)
        assert unknown.value.his_no == "S-1"
        assert [kept.his_no for kept in client.kept()] == ["S-1"]
        # One round, and one after each pause.
        assert len(listener.asked) == 3
        assert len({asked.key for asked in listener.asked}) == 1


def test_a_verdict_without_its_members_is_unknown_and_kept(tmp_path: Path) -> None:
    strange = sick.http("200 OK", b'{"verdict": 7}')
    with sick_listener(answering(strange)) as listener, client_of(listener.address, store=tmp_path) as client:
        with pytest.raises(Unanswered, match="his_no"):
            client.settle(WISH)
        assert len(client.kept()) == 1


def test_a_listener_that_drips_meets_the_total_deadline(tmp_path: Path) -> None:
    def drip(connection: socket.socket, asked: Asked) -> bool:
        for byte in sick.verdict():
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
        return False

    limits = Limits(answer_seconds=60.0, deadline_seconds=1.0)
    with sick_listener(drip) as listener, client_of(listener.address, store=tmp_path, limits=limits) as client:
        began = time.monotonic()
        with pytest.raises(Unanswered, match="deadline"):
            client.settle(WISH, wait_seconds=0)
        assert 0.9 < time.monotonic() - began < 5


def test_a_listener_that_hangs_costs_one_attempt_and_rests(tmp_path: Path) -> None:
    with sick_listener(hang) as one, sick_listener(hang) as two:
        hung, alive = first_asked(one, two)
        alive.script = answering(sick.verdict())
        with client_of(one.address, two.address, store=tmp_path) as client:
            assert client.settle(WISH, wait_seconds=0).succeeded
            assert client.settle(WISH, wait_seconds=0).succeeded
        assert (len(hung.asked), len(alive.asked)) == (1, 2)


def test_an_answer_without_end_is_not_read(tmp_path: Path) -> None:
    limits = Limits(answer_bytes=1000, pauses_seconds=())
    endless = sick.http("200 OK", b'{"x": "' + b"x" * 5000 + b'"}')
    with (
        sick_listener(answering(endless)) as listener,
        client_of(listener.address, store=tmp_path, limits=limits) as client,
        pytest.raises(Unanswered, match="1000 bytes"),
    ):
        client.get("S-1")


def test_members_that_are_newer_than_the_client_are_tolerated_and_kept(tmp_path: Path) -> None:
    newer = sick.verdict(verdict="half_settled", moon="full", self_payment={"state": "PAID", "moon": 1})
    with sick_listener(answering(newer)) as listener, client_of(listener.address, store=tmp_path) as client:
        told = client.settle(WISH)
        assert (told.verdict, told.is_final, told.self_payment.state) == ("half_settled", True, "PAID")
        assert told.raw["moon"] == "full"


def test_a_refusal_after_an_attempt_without_answer_says_nothing_about_that_attempt(tmp_path: Path) -> None:
    revoked = sick.problem("401 Unauthorized", "key_revoked")
    with (
        sick_listener(answering(UNAVAILABLE, revoked)) as listener,
        client_of(listener.address, store=tmp_path) as client,
    ):
        with pytest.raises(Problem) as refused:
            client.settle(WISH)
        assert (refused.value.code, refused.value.detail_zh) == ("key_revoked", "否")
        assert [kept.his_no for kept in client.kept()] == ["S-1"]
        listener.script = answering(sick.verdict())
        assert [resumed.verdict.verdict for resumed in client.resume() if resumed.verdict] == ["succeeded"]
        assert client.kept() == []
        assert len({asked.key for asked in listener.asked}) == 1


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (sick.problem("401 Unauthorized", "key_revoked"), []),
        (sick.problem("422 Unprocessable", "invalid_fields"), []),
        (sick.problem("409 Conflict", "bill_has_open_wish"), []),
        (sick.problem("500 Internal Server Error", "internal_error"), ["S-1"]),
    ],
)
def test_a_wish_that_was_refused_at_its_first_attempt_is_kept_only_after_a_fault(
    tmp_path: Path, answer: bytes, kept: list[str]
) -> None:
    with sick_listener(answering(answer)) as listener, client_of(listener.address, store=tmp_path) as client:
        with pytest.raises(Problem):
            client.settle(WISH)
        assert [one.his_no for one in client.kept()] == kept


def test_cash_that_was_taken_stays_told_even_if_the_key_is_refused(tmp_path: Path) -> None:
    refused = sick.problem("403 Forbidden", "forbidden")
    with sick_listener(answering(refused)) as listener, client_of(listener.address, store=tmp_path) as client:
        with pytest.raises(Problem):
            client.disown("S-1", reason="the printer burnt")
        assert [(kept.act, kept.his_no) for kept in client.kept()] == [("disown", "S-1")]


def test_cash_is_told_before_the_wish_that_may_never_have_arrived(tmp_path: Path) -> None:
    """Else the wish would be settled now, hours after the patient paid in cash."""
    with sick_listener(answering(UNAVAILABLE)) as listener, client_of(listener.address, store=tmp_path) as client:
        with pytest.raises(Unanswered):
            client.settle(WISH)
        with pytest.raises(Unanswered):
            client.abandon("S-1", self_paid_minor=10000, collected_at=datetime(2026, 11, 25, 8, tzinfo=UTC))
        listener.asked.clear()
        listener.script = answering(sick.verdict(verdict="abandoned"))
        assert [resumed.act for resumed in client.resume()] == ["abandon", "settle"]
        told, wished = listener.asked
        assert told.path.endswith("/transactions/S-1/abandon")
        assert json.loads(told.body) == {
            "self_paid_minor": 10000,
            "collected_at": "2026-11-25T08:00:00Z",
            "tender": "cash",
        }
        assert wished.path.endswith("/transactions")
        assert client.kept() == []


def test_a_program_that_forgets_to_close_its_client_ends_all_the_same(tmp_path: Path) -> None:
    program = "import sys; from medisettle_client import Client; c = Client([sys.argv[1]], 'k'); c.get('S-1')"
    with sick_listener(answering(sick.verdict())) as listener:
        subprocess.run([sys.executable, "-c", program, listener.address], check=True, timeout=30)


def test_on_the_other_side_of_a_fork_a_client_says_so_and_does_not_hang(tmp_path: Path) -> None:
    program = """
import os, sys
from medisettle_client import Client, MediSettleError
client = Client([sys.argv[1]], "k")
client.get("S-1")
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
try:
    client.get("S-1")
except MediSettleError as error:
    sys.exit(7 if "fork" in str(error) else 1)
"""
    with sick_listener(answering(sick.verdict())) as listener:
        ended = subprocess.run([sys.executable, "-c", program, listener.address], check=False, timeout=30)
    assert ended.returncode == 7
