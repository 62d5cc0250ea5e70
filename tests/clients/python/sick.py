"""A listener's socket, byte by byte: what no well-built listener would do, over a real connection."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

VERDICT = {"his_no": "S-1", "verdict": "succeeded", "operation": "settle", "state": "SUCCEEDED"}


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")


Script = Callable[[socket.socket, Asked], bool]


class SickListener:
    """Reads whole requests and lets `script` answer each on its socket; True keeps the connection for another one."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                going = True
                while going and (line := reader.readline()):
                    method, path, _ = line.decode().split(" ")
                    headers = {}
                    while field := reader.readline().strip():
                        name, _, value = field.decode().partition(": ")
                        headers[name.lower()] = value
                    asked = Asked(method, path, headers, reader.read(int(headers.get("content-length", "0"))))
                    self.asked.append(asked)
                    going = self.script(connection, asked)
            except OSError:
                return


@contextmanager
def sick_listener(script: Script) -> Iterator[SickListener]:
    served = SickListener(script)
    try:
        yield served
    finally:
        served.listening.close()


def http(status: str, body: bytes, media_type: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answering(*answers: bytes) -> Script:
    """These answers in turn, the last of them for ever."""
    left = list(answers)

    def script(connection: socket.socket, asked: Asked) -> bool:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])
        return True

    return script


def verdict(**changes: Any) -> bytes:
    return http("200 OK", json.dumps(VERDICT | changes).encode())


def problem(status: str, code: str) -> bytes:
    body = {
        "status": int(status[:3]),
        "code": code,
        "detail": "no",
        "detail_zh": "否",
        "fix": "mend it",
        "trace_id": "t",
    }
    return http(status, json.dumps(body).encode(), "application/problem+json")


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
