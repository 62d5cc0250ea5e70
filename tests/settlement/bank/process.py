"""The sandbox bank as a real process, and a customer's program that writes its envelope on its own."""

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
ACCOUNT = "6225880000000001"
PAYEE = "6217000000001234"
BALANCE = 10_000_000
START_SECONDS = 20
_numbers = itertools.count(1)

PAIN = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>2026-11-25T08:00:00.000Z</CreDtTm><NbOfTxs>1</NbOfTxs>
<InitgPty><Nm>MediSettle</Nm></InitgPty></GrpHdr>
<PmtInf><PmtInfId>{message_id}</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt><Dt>2026-11-25</Dt></ReqdExctnDt>
<Dbtr><Nm>MediSettle</Nm></Dbtr><DbtrAcct><Id><Othr><Id>{account}</Id></Othr></Id></DbtrAcct>
<DbtrAgt><FinInstnId><ClrSysMmbId><MmbId>SANDBANK</MmbId></ClrSysMmbId></FinInstnId></DbtrAgt>
<CdtTrfTxInf><PmtId><EndToEndId>{message_id}</EndToEndId></PmtId>
<Amt><InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt>
<Cdtr><Nm>{name}</Nm></Cdtr><CdtrAcct><Id><Othr><Id>{payee}</Id></Othr></Id></CdtrAcct>
<RmtInf><Ustrd>for a test</Ustrd></RmtInf></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>"""


def pain(message_id: str, **changes: str) -> bytes:
    """An order over 40.00 CNY."""
    values = {"account": ACCOUNT, "payee": PAYEE, "currency": "CNY", "amount": "40.00", "name": "Chain A"}
    return PAIN.format(message_id=message_id, **(values | changes)).encode()


def number() -> str:
    return f"MSP{next(_numbers):08d}"


@dataclass
class Answer:
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
        signed = signature("answer", self.headers, self.path, self.body)
        return hmac.compare_digest(signed, self.headers.get("X-Bank-Signature", ""))


def signature(direction: str, headers: Mapping[str, str] | http.client.HTTPMessage, path: str, body: bytes) -> str:
    facts = [headers.get(f"X-Bank-{name}", "") for name in ("Message-Id", "Timestamp", "Key-Id")]
    text = "\n".join([direction, *map(str, facts), path]).encode() + b"\n" + body
    return base64.b64encode(hmac.digest(SECRET, text, "sha256")).decode()


@dataclass
class SandboxBank:
    """One running bank; `stop` or `kill` ends it, `start` brings it back on the same book."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, port: int = 0) -> "SandboxBank":
        secret = self.folder / "secret.json"
        secret.write_text(json.dumps({"key_id": "k1", "secret": base64.b64encode(SECRET).decode()}))
        command = [
            sys.executable,
            "-m",
            "settlement.bank",
            "--port",
            str(port),
            "--book",
            str(self.folder / "bank.sqlite3"),
        ]
        self.process = subprocess.Popen([*command, "--secret-file", str(secret)], cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = json.loads(self.process.stdout.readline())
        assert line["ready"] is True
        self.port = line["port"]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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

    def headers(self, name: str, body: bytes, **changes: str) -> dict[str, str]:
        """The signed headers of a request; `changes` are signed as they are."""
        facts = {"Message-Id": f"W-{next(_numbers)}", "Timestamp": str(int(time.time())), "Key-Id": "k1"} | changes
        headers = {f"X-Bank-{key}": value for key, value in facts.items()}
        return headers | {"X-Bank-Signature": signature("request", headers, f"/bank/v1/{name}", body)}

    def post(self, name: str, body: bytes, headers: Mapping[str, str] | None = None, timeout: float = 10) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            path = f"/bank/v1/{name}"
            connection.request("POST", path, body, dict(headers or self.headers(name, body)))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read(), path)
        finally:
            connection.close()

    def pay(self, message_id: str, timeout: float = 10, **changes: str) -> Answer:
        return self.post("payments", pain(message_id, **changes), timeout=timeout)

    def ask(self, message_id: str) -> Answer:
        return self.post("query", json.dumps({"message_id": message_id}).encode())

    def statement(self, number: int) -> Answer:
        return self.post("statement", json.dumps({"account_no": ACCOUNT, "number": number}).encode())

    def control(self, name: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steers the bank; without a content it only reads."""
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
        """The next payment meets this fault."""
        self.control("faults", {"next": [name], **more})

    def reset(self) -> None:
        """An empty book but for the platform's account."""
        self.control("reset", {})
        self.control("account", {"account_no": ACCOUNT, "holder": "MediSettle", "currency": "CNY",
                                 "balance_minor": BALANCE})  # fmt: skip

    def book(self) -> dict[str, list[dict[str, Any]]]:
        return self.control("book")

    def states(self) -> list[str]:
        """Of the payments, in the order of taking."""
        return [payment["state"] for payment in self.book()["payments"]]

    def balance(self) -> int:
        (account,) = self.book()["accounts"]
        return int(account["balance_minor"])


def unused_folder(base: Path) -> Path:
    folder = base / f"bank-{os.getpid()}-{next(_numbers)}"
    folder.mkdir(parents=True)
    return folder
