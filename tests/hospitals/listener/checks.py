"""What every refusal must be, and what it must not leave behind."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from tests.live import Answer, LiveStack

MEMBERS = ("type", "title", "code", "detail", "detail_zh", "fix", "fix_zh", "trace_id")
CASH_TABLES = ("exchange_selfpayment", "exchange_refund", "ledger_posting")
TABLES = (
    "exchange_transaction",
    "exchange_bill",
    "exchange_idempotencykey",
    "exchange_verdict",
    "exchange_call",
    "exchange_evidence",
    "journal_job",
)


def check_problem(answer: Answer, status: int, code: str) -> None:
    """The answer is this problem, told in two languages, and found again by its trace id."""
    assert (answer.status, answer.body.get("code")) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(isinstance(answer.body[name], str) and answer.body[name] for name in MEMBERS), answer.body
    assert answer.body["status"] == status
    assert re.search("[\u4e00-\u9fff]", answer.body["detail_zh"])
    assert answer.headers["x-trace-id"] == answer.body["trace_id"]


def rows_of(stack: LiveStack, *tables: str) -> dict[str, int]:
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    return dict(zip(tables, stack.rows(f"SELECT {counts}")[0], strict=True))


@contextmanager
def nothing_written(stack: LiveStack, *tables: str) -> Iterator[None]:
    """Not one row more or less in these tables, named none: in all of ours, after what is done inside."""
    tables = tables or (*TABLES, *CASH_TABLES)
    before = rows_of(stack, *tables)
    yield
    after = rows_of(stack, *tables)
    assert after == before, (before, after)


def talk(stack: LiveStack, sent: bytes, *, seconds: float = 20.0, listener: int = 0) -> bytes:
    """Send raw bytes and read until the server closes or is silent for `seconds`."""
    address = urlsplit(stack.base_urls[listener])
    with closing(socket.create_connection((address.hostname, address.port), timeout=seconds)) as line:
        line.sendall(sent)
        return read_on(line)


def read_on(line: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := line.recv(65536):
            received += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def raw_request(
    stack: LiveStack, *, method: str = "POST", path: str = "transactions", body: bytes = b"", **headers: str | None
) -> bytes:
    """A request as bytes; a header None leaves it out. Names: `content_type` for Content-Type."""
    standard: dict[str, str | None] = {
        "host": "127.0.0.1",
        "authorization": f"Bearer {stack.client_keys['HOSP-A']}",
        "content_length": str(len(body)),
        "content_type": "application/json",
    }
    lines = [f"{method} /api/his/v1/{path} HTTP/1.1"]
    for name, value in {**standard, **headers}.items():
        if value is not None:
            lines.append(f"{name.replace('_', '-')}: {value}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body
