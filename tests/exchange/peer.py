"""An insurer's socket, byte by byte: what no well-built insurer would ever do, over a real connection."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.exchange.house import SECRET

HEADERS = ("Sender", "Recipient", "Message-Id", "Correlation-Id", "Timestamp", "Schema", "Key-Id")
Script = Callable[[socket.socket, dict[str, str], dict[str, Any]], bool]


class Peer:
    """Reads whole requests and lets `script` answer each on its socket; True keeps the connection for another one."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[dict[str, Any]] = []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.stopping = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while not self.stopping.is_set():
                    path = reader.readline().decode().split(" ")[1]
                    headers = {":path": path}
                    while line := reader.readline().strip():
                        name, _, value = line.decode().partition(": ")
                        headers[name.lower()] = value
                    body = json.loads(reader.read(int(headers["content-length"])))
                    self.requests.append(body)
                    if not self.script(connection, headers, body):
                        return
            except (OSError, IndexError, ValueError):
                return


@contextmanager
def peer(script: Script) -> Iterator[Peer]:
    served = Peer(script)
    try:
        yield served
    finally:
        served.stopping.set()
        served.listening.close()


def answer_to(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The right answer to a settlement of the usual kind."""
    return {
        "msgid": request["msgid"],
        "his_no": request["his_no"],
        "code": "done",
        "reason": None,
        "settlement_no": f"S-{request['msgid']}",
        "person": {"id_no": request["person"]["id_no"]},
        "total_minor": request.get("total_minor", 10000),
        "currency": "CNY",
        "fund_minor": request.get("total_minor", 10000) - 2000,
        "account_minor": 0,
        "hospital_minor": 0,
        "cash_minor": 2000,
        "shares": [{"payer": "basic_fund", "amount_minor": request.get("total_minor", 10000) - 2000}],
    } | changes


def signed(headers: dict[str, str], body: bytes, *, status: str = "200 OK", **changes: str) -> bytes:
    """A whole HTTP answer in the envelope; `changes` to the routing facts are signed as they are."""
    facts = {
        "Sender": headers["x-ms-recipient"],
        "Recipient": headers["x-ms-sender"],
        "Message-Id": headers["x-ms-message-id"],
        "Correlation-Id": headers["x-ms-correlation-id"],
        "Timestamp": str(int(time.time())),
        "Schema": "1",
        "Key-Id": "k1",
    } | changes
    text = "\n".join(["answer", *(facts[name] for name in HEADERS), headers[":path"]]).encode() + b"\n" + body
    facts["Signature"] = base64.b64encode(hmac.digest(SECRET, text, "sha256")).decode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"X-MS-{k}: {v}" for k, v in facts.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(**changes: Any) -> Script:
    """A script that answers every request rightly but for `changes`."""

    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.sendall(signed(headers, json.dumps(answer_to(request, **changes)).encode()))
        return True

    return script


def sending(raw: bytes) -> Script:
    """A script that sends these bytes and closes."""

    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.sendall(raw)
        return False

    return script


def reset(connection: socket.socket) -> None:
    """End a connection with a TCP reset, not with a close."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def full_backlog() -> Iterator[tuple[str, socket.socket]]:
    """An address at which connecting hangs, because nobody accepts; and its socket, to begin accepting after all."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        while True:
            one = socket.socket()
            one.settimeout(0.2)
            waiting.append(one)
            try:
                one.connect(server.getsockname())
            except TimeoutError:
                break
        waiting.pop().close()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", server
        finally:
            for one in waiting:
                one.close()
