"""A sandbox insurer as a real process, and a client that writes the envelope on its own."""

import base64
import hmac
import http.client
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SECRET = bytes(range(32))
CODE = "SANDBOX-A"
START_SECONDS = 20
HEADERS = (
    "X-MS-Sender",
    "X-MS-Recipient",
    "X-MS-Message-Id",
    "X-MS-Correlation-Id",
    "X-MS-Timestamp",
    "X-MS-Schema",
    "X-MS-Key-Id",
)
_numbers = itertools.count(1)


@dataclass
class Answer:
    """What came back over the socket."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    path: str

    @property
    def content(self) -> dict[str, Any]:
        content = json.loads(self.body)
        assert isinstance(content, dict)
        return content

    @property
    def is_signed(self) -> bool:
        facts = ["answer", *(self.headers.get(name, "") for name in HEADERS), self.path]
        signature = base64.b64decode(self.headers.get("X-MS-Signature", ""))
        return hmac.compare_digest(
            signature, hmac.digest(SECRET, "\n".join(facts).encode() + b"\n" + self.body, "sha256")
        )


def settlement(msgid: str | None = None, *, id_no: str = "110101199001011237", **changes: Any) -> dict[str, Any]:
    """The body of a settle request over 100.00 CNY."""
    msgid = msgid or f"M{next(_numbers):08d}"
    return {
        "msgid": msgid,
        "his_no": f"HIS-{msgid}",
        "hospital": "HOSP-A",
        "not_after": "2099-01-01T00:00:00.000000Z",
        "person": {"id_type": "01", "id_no": id_no, "name": "张三", "credential": None},
        "visit": {"visit_no": "V-1"},
        "bill": {"bill_no": "B-1", "batch_no": None},
        "insurance": {"scheme": "310", "region": "110000"},
        "items": [{"line_no": 1, "code": "XM0001", "amount_minor": 10000}],
        "total_minor": 10000,
        "currency": "CNY",
    } | changes


def about(module: str, of: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of a query or a reversal about an earlier request."""
    msgid = f"M{next(_numbers):08d}"
    named = {name: of[name] for name in ("his_no", "hospital", "person")}
    return named | {"msgid": msgid, "of_msgid": of["msgid"], "of_kind": "settle"} | changes


@dataclass
class Sandbox:
    """One running insurer; `stop` or `kill` ends it, `start` brings it back on the same book."""

    folder: Path
    profile: str = "all_capabilities"
    more: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> "Sandbox":
        secret = self.folder / "secret.json"
        secret.write_text(json.dumps({"key_id": "k1", "secret": base64.b64encode(SECRET).decode()}))
        command = [sys.executable, "-m", "insurers.sandbox", "--code", CODE, "--port", "0", "--profile", self.profile]
        command += ["--book", str(self.folder / "book.sqlite3"), "--secret-file", str(secret), *self.more]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = json.loads(self.process.stdout.readline())
        assert line["ready"] is True
        self.port = line["port"]
        return self

    def stop(self) -> int:
        self.process.terminate()
        return self._ended()

    def kill(self) -> None:
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        code = self.process.wait(START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def headers(self, module: str, body: bytes, message_id: str, **changes: str) -> dict[str, str]:
        """The signed headers of a request; `changes` are signed as they are."""
        facts = {
            "sender": "MEDISETTLE",
            "recipient": CODE,
            "message_id": message_id,
            "correlation_id": f"C-{message_id}",
            "timestamp": str(int(time.time())),
            "schema": "1",
            "key_id": "k1",
        } | changes
        text = "\n".join(["request", *facts.values(), f"/spi/v1/{module}"]).encode() + b"\n" + body
        signature = base64.b64encode(hmac.digest(SECRET, text, "sha256")).decode()
        return dict(zip(HEADERS, facts.values(), strict=True)) | {"X-MS-Signature": signature}

    def open(
        self, module: str, content: Mapping[str, Any], message_id: str | None = None
    ) -> http.client.HTTPConnection:
        """Sends a request and returns the connection on which its answer is due."""
        body = json.dumps(content).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = self.headers(module, body, message_id or content["msgid"])
        connection.request("POST", f"/spi/v1/{module}", body, headers)
        return connection

    def call(self, module: str, content: Mapping[str, Any], message_id: str | None = None) -> Answer:
        """Sends a request and waits for its answer."""
        connection = self.open(module, content, message_id)
        try:
            return answer_of(connection, module)
        finally:
            connection.close()

    def control(self, name: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steers the sandbox; without a content it only reads."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        method, body = ("GET", None) if content is None else ("POST", json.dumps(content))
        connection.request(method, f"/_control/{name}", body)
        answer = connection.getresponse()
        result = json.loads(answer.read())
        connection.close()
        assert isinstance(result, dict)
        assert answer.status == 200, result
        return result

    def fault(self, name: str, **more: Any) -> None:
        """The next call of a money operation meets this fault."""
        self.control("faults", {"next": [name], **more})

    def book(self) -> list[dict[str, Any]]:
        """The settlements in the insurer's own book."""
        settlements = self.control("book")["settlements"]
        assert isinstance(settlements, list)
        return settlements

    def states(self) -> list[str]:
        """Their states, in the order of booking."""
        return [row["state"] for row in self.book()]


def answer_of(connection: http.client.HTTPConnection, module: str) -> Answer:
    """Reads the answer that is due on a connection."""
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read(), f"/spi/v1/{module}")


def unused_folder(base: Path, name: str) -> Path:
    """A folder of its own for one process's book."""
    folder = base / f"{name}-{os.getpid()}-{next(_numbers)}"
    folder.mkdir(parents=True)
    return folder
