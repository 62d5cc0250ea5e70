"""The way to insurers: one total deadline, proof of what was never sent, and never a second sending."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from exchange.transport import Delivery, Receipt, Transport
from tests.exchange.house import NOBODY
from tests.exchange.peer import Script, answering, full_backlog, peer, reset, sending

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEADERS = {f"X-MS-{name}": name for name in ("Recipient", "Sender", "Message-Id", "Correlation-Id")}
BODY = b'{"msgid": "M1", "his_no": "W-1", "total_minor": 10000, "person": {"id_no": "1"}}'


def delivery(base_url: str, *, start_seconds: float = 2.0, total_seconds: float = 3.0) -> Delivery:
    now = time.monotonic()
    return Delivery(f"{base_url}/spi/v1/settle", HEADERS, BODY, now + start_seconds, now + total_seconds)


def deliver(*base_urls: str, pause_seconds: float = 0.0, **times: float) -> list[Receipt]:
    """One after another through one transport, so that connections are used again."""

    async def one_after_another() -> list[Receipt]:
        transport = Transport()
        receipts = []
        for base_url in base_urls:
            receipts.append(await transport.deliver(delivery(base_url, **times)))
            await asyncio.sleep(pause_seconds)
        await transport.close()
        return receipts

    return asyncio.run(one_after_another())


def test_a_whole_answer_comes_back_as_it_was_sent() -> None:
    with peer(answering()) as insurer:
        (receipt,) = deliver(insurer.base_url)
    assert (receipt.sent, receipt.failure, receipt.status) == (True, "", 200)
    assert b'"code": "done"' in receipt.body


def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    (receipt,) = deliver(NOBODY)
    assert (receipt.sent, receipt.failure) == (False, "connection_failed")


def test_an_address_that_does_not_resolve_proves_it_too() -> None:
    (receipt,) = deliver("http://no-such-insurer.invalid")
    assert (receipt.sent, receipt.failure) == (False, "connection_failed")


def test_a_connection_that_never_stands_proves_it_too() -> None:
    with full_backlog() as (base_url, _):
        began = time.monotonic()
        (receipt,) = deliver(base_url, total_seconds=0.7)
    assert (receipt.sent, receipt.failure) == (False, "connection_failed")
    assert time.monotonic() - began < 1.5


def test_a_message_that_is_ready_too_late_is_dropped_before_its_first_byte() -> None:
    with peer(answering()) as insurer:
        (receipt,) = deliver(insurer.base_url, start_seconds=0.0)
        assert (receipt.sent, receipt.failure) == (False, "dropped_before_sending")
        time.sleep(0.1)
        assert insurer.requests == []


def test_a_connection_that_stands_too_late_carries_nothing() -> None:
    heard: list[bytes] = []
    with full_backlog() as (base_url, server):

        def accept_after_a_while() -> None:
            time.sleep(0.6)
            server.settimeout(3)
            try:
                while True:
                    connection, _ = server.accept()
                    connection.settimeout(0.5)
                    try:
                        heard.append(connection.recv(10))
                    except TimeoutError:
                        heard.append(b"")
            except OSError:
                return

        thread = threading.Thread(target=accept_after_a_while)
        thread.start()
        # The kernel tries again after one second: by then the connection can stand, and 0.5 seconds have passed.
        (receipt,) = deliver(base_url, start_seconds=0.5, total_seconds=5.0)
        thread.join()
    assert (receipt.sent, receipt.failure) == (False, "dropped_before_sending")
    assert set(heard) <= {b""}


def closes_after(answers: int) -> Script:
    counts: dict[Any, int] = {}

    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        counts[connection] = counts.get(connection, 0) + 1
        if counts[connection] > answers:
            return False
        connection.sendall(OK)
        return True

    return script


def test_a_disconnect_on_a_connection_used_again_is_doubt_and_nothing_is_sent_again() -> None:
    with peer(closes_after(1)) as insurer:
        first, second = deliver(insurer.base_url, insurer.base_url)
        assert (first.sent, first.failure) == (True, "")
        assert (second.sent, second.failure.partition(":")[0]) == (True, "answer_not_trusted")
        assert (insurer.connections, len(insurer.requests)) == (1, 2)


def test_a_connection_that_the_insurer_has_closed_meanwhile_is_not_used_again() -> None:
    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.sendall(OK)
        return False

    with peer(script) as insurer:
        receipts = deliver(insurer.base_url, insurer.base_url, pause_seconds=0.1)
        assert [receipt.failure for receipt in receipts] == ["", ""]
        assert insurer.connections == 2


def falls_silent(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
    time.sleep(3)
    return False


def drips(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(30):
        connection.sendall(b"x")
        time.sleep(0.1)
    return False


def drips_headers(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(30):
        connection.sendall(f"X-{number}: 1\r\n".encode())
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("script", [falls_silent, drips, drips_headers])
def test_the_deadline_is_on_the_whole_call_however_it_drips(script: Script) -> None:
    with peer(script) as insurer:
        began = time.monotonic()
        (receipt,) = deliver(insurer.base_url, total_seconds=0.8)
    assert (receipt.sent, receipt.failure) == (True, "insurer_did_not_answer")
    assert 0.7 < time.monotonic() - began < 1.6


def resets(before: bytes) -> Script:
    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.sendall(before)
        time.sleep(0.05)
        reset(connection)
        return False

    return script


BROKEN: dict[str, Callable[[], Script]] = {
    "reset before the answer": lambda: resets(b""),
    "reset in the status line": lambda: resets(b"HTTP/1.1 20"),
    "reset in the body": lambda: resets(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "body shorter than said": lambda: sending(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
    "chunks that do not end": lambda: sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "no HTTP": lambda: sending(b"SSH-2.0-insurer\r\n\r\n"),
    "closed without a word": lambda: sending(b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_after_the_first_byte_is_never_called_unsent(name: str) -> None:
    with peer(BROKEN[name]()) as insurer:
        (receipt,) = deliver(insurer.base_url)
        assert receipt.sent
        assert receipt.failure.startswith("answer_not_trusted")
        assert len(insurer.requests) == 1


def endless(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(64):
        connection.sendall(b"x" * 65536)
    return False


@pytest.mark.parametrize("size", [2 * 1024 * 1024, 2 * 1024 * 1024 + 1])
def test_a_body_over_two_mebibytes_is_not_read_to_its_end(size: int) -> None:
    with peer(sending(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)) as insurer:
        (receipt,) = deliver(insurer.base_url)
    assert receipt.sent
    assert receipt.failure == ("" if size == 2 * 1024 * 1024 else "answer_not_trusted:too_large")
    assert len(receipt.body) in (0, 2 * 1024 * 1024)


def test_a_body_without_an_end_is_not_read_for_ever() -> None:
    with peer(endless) as insurer:
        (receipt,) = deliver(insurer.base_url)
    assert (receipt.sent, receipt.failure) == (True, "answer_not_trusted:too_large")


def test_a_packed_body_is_not_unpacked() -> None:
    packed = bytes.fromhex("1f8b08000000000002034bad0200acad9b3f03000000")
    raw = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed
    with peer(sending(raw)) as insurer:
        (receipt,) = deliver(insurer.base_url)
    assert receipt.body == packed


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(status: str) -> None:
    with peer(answering()) as elsewhere:
        moved = f"HTTP/1.1 {status}\r\nLocation: {elsewhere.base_url}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with peer(sending(moved)) as insurer:
            (receipt,) = deliver(insurer.base_url)
        assert receipt.status == int(status[:3])
        assert elsewhere.connections == 0


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with peer(answering()) as proxy, peer(answering()) as insurer:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        (receipt,) = deliver(insurer.base_url)
        assert receipt.status == 200
        assert proxy.connections == 0


def test_no_cookie_of_an_insurer_comes_back_to_it() -> None:
    seen: list[dict[str, str]] = []

    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        seen.append(headers)
        connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 2\r\n\r\n{}")
        return True

    with peer(script) as insurer:
        deliver(insurer.base_url, insurer.base_url)
    assert [headers.get("cookie") for headers in seen] == [None, None]


def test_hung_insurers_do_not_hold_up_another() -> None:
    async def at_once(hung: str, healthy: str) -> float:
        transport = Transport()
        waiting = [asyncio.create_task(transport.deliver(delivery(hung))) for _ in range(150)]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        receipt = await transport.deliver(delivery(healthy))
        took = time.monotonic() - began
        assert receipt.failure == ""
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await transport.close()
        return took

    with peer(falls_silent) as hung, peer(answering()) as healthy:
        assert asyncio.run(at_once(hung.base_url, healthy.base_url)) < 0.5
