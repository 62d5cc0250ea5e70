"""The hospital's counter: wishes that end in one way or another, what is said of them, and what is read."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tests.live import Answer, LiveStack


def say(stack: LiveStack, his_no: str, act: str, /, key: str = "", **values: Any) -> Answer:
    """One act of the hospital on one of its wishes."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key or uuid4().hex}
    return stack.ask("POST", f"transactions/{his_no}/{act}", json.dumps(values).encode(), headers=headers)


def bill_of(stack: LiveStack, visit_no: str, *more: str) -> dict[str, Any]:
    answer = stack.ask("GET", "/".join(["bills", *(quote(part, safe="") for part in (visit_no, *more))]))
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def abnormal(stack: LiveStack, *, hospital: str = "HOSP-A") -> list[dict[str, Any]]:
    """One whole reading of the list, page by page."""
    entries: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = stack.ask("GET", f"abnormal?cursor={quote(cursor)}" if cursor else "abnormal", hospital=hospital)
        assert answer.status == 200, answer
        entries += answer.body["entries"]
        cursor = answer.body["cursor"] or ""
        if not cursor:
            return entries


def kinds_of(stack: LiveStack, his_no: str) -> dict[str, dict[str, Any]]:
    return {entry["kind"]: entry for entry in abnormal(stack) if entry["his_no"] == his_no}


def unsent(stack: LiveStack, **changes: Any) -> dict[str, Any]:
    """A wish that ends NOT_SENT: nobody listens at the insurer's port."""
    stack.kill("sandbox-b")
    try:
        wish = stack.wish(insurer="SANDBOX-B", **changes)
        assert stack.post(wish).verdict == "not_sent"
    finally:
        stack.start_again("sandbox-b")
    return wish


def settled(stack: LiveStack, **changes: Any) -> dict[str, Any]:
    wish = stack.wish(**changes)
    assert stack.post(wish).verdict == "succeeded"
    return wish


def doubtful(stack: LiveStack, **changes: Any) -> dict[str, Any]:
    """In doubt for about as long as the deadline of this stack."""
    stack.faults("SANDBOX-A", "corrupt_json")
    wish = stack.wish(wait_seconds=0, **changes)
    stack.post(wish)
    stack.wait_for(wish["his_no"], "IN_DOUBT")
    return wish


def naming(stack: LiveStack, wish: dict[str, Any], operation: str = "settle", **changes: Any) -> dict[str, Any]:
    """A wish on the same bill as `wish`."""
    same: dict[str, Any] = {name: wish[name] for name in ("visit", "bill") if name in wish}
    return stack.wish(operation=operation, **(same | changes))
