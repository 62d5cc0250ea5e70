"""The calls of the hospital interface: path, body, key, and how the answer is read. Nothing is sent here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from medisettle_client.answers import Verdict
from medisettle_client.closing import DayResult, ShiftResult
from medisettle_client.desk import AbnormalPage, Bill, Lane, MessagePath, Slip
from medisettle_client.keys import canonical, key_of
from medisettle_client.limits import WAIT_LIMIT_SECONDS, WAIT_SECONDS
from medisettle_client.reading import Unreadable, read

JSON = "application/json"
# A whole day is held against the books while one waits.
DAY_SECONDS = 30.0
QUESTIONS = frozenset({"eligibility", "presettle"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the platform: `json` is None where it sent something else."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    json: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call[Answer]:
    """One request. Its `key` and `body` are the same at every repeat; `name` decides which listener is asked first."""

    method: str
    path: str
    name: str
    answer: Callable[[Reply], Answer]
    act: str = ""
    his_no: str | None = None
    key: str | None = None
    body: Mapping[str, object] | None = None
    accept: str = JSON
    # How long the platform may take beside the usual; a wish says it to the platform, but it is no part of the wish.
    wait_seconds: float = 0.0
    # Whether it must not be forgotten before it is answered.
    kept: bool = False

    @property
    def is_wish(self) -> bool:
        return self.path == "transactions"

    @property
    def content(self) -> bytes | None:
        if self.body is None:
            return None
        return canonical({**self.body, "wait_seconds": self.wait_seconds} if self.is_wish else self.body)


def verdict_of(reply: Reply) -> Verdict:
    """Reads a verdict, and from the header whether the request was here before."""
    replayed = reply.headers.get("Idempotent-Replayed") == "true"
    return dataclasses.replace(read(Verdict, reply.json), replayed=replayed)


def wish_call(
    wish: Mapping[str, object], *, operation: str, of: str | None, wait_seconds: float | None
) -> Call[Verdict]:
    """POST transactions. Raises ValueError when the wish says another operation, or names nothing."""
    body = {name: value for name, value in wish.items() if name != "wait_seconds"}
    if body.setdefault("operation", operation) != operation:
        raise ValueError(f"the wish says operation {body['operation']!r}, not {operation!r}")
    if of is not None and body.setdefault("of", of) != of:
        raise ValueError(f"the wish says of {body['of']!r}, not {of!r}")
    his_no = body.get("his_no")
    if not isinstance(his_no, str) or not his_no:
        raise ValueError("a wish needs its his_no")
    wait = wait_of(wish.get("wait_seconds") if wait_seconds is None else wait_seconds)
    return wish_again(his_no, key=key_of(operation, his_no, body), body=body, wait_seconds=wait)


def wish_again(his_no: str, *, key: str, body: Mapping[str, object], wait_seconds: float) -> Call[Verdict]:
    """The same wish as before: its key and body came from the store, or have just been made."""
    operation = str(body["operation"])
    return Call(
        method="POST",
        path="transactions",
        name=his_no,
        answer=verdict_of,
        act=operation,
        his_no=his_no,
        key=key,
        body=body,
        wait_seconds=wait_seconds,
        kept=operation not in QUESTIONS,
    )


def act_call(act: str, his_no: str, body: Mapping[str, object]) -> Call[Verdict]:
    """POST transactions/{his_no}/<act>. Members that are None are left out."""
    body = {name: value for name, value in body.items() if value is not None}
    return act_again(act, his_no, key=key_of(act, his_no, body), body=body)


def act_again(act: str, his_no: str, *, key: str, body: Mapping[str, object]) -> Call[Verdict]:
    return Call(
        method="POST",
        path=f"{path_of(his_no)}/{act}",
        name=his_no,
        answer=verdict_of,
        act=act,
        his_no=his_no,
        key=key,
        body=body,
        kept=True,
    )


def question[Answer](
    path: str, answer: Callable[[Reply], Answer], *, his_no: str | None = None, name: str = "", **parameters: str | None
) -> Call[Answer]:
    """A GET; parameters that are None are left out."""
    asked = urlencode({key: value for key, value in parameters.items() if value is not None})
    return Call(
        method="GET",
        path=f"{path}?{asked}" if asked else path,
        name=name or his_no or path,
        answer=answer,
        his_no=his_no,
    )


def path_of(his_no: str) -> str:
    return f"transactions/{segment(his_no)}"


def segment(text: str) -> str:
    """One part of a path, whatever characters it has. Raises ValueError for what would be another path."""
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} names nothing")
    return quote(text, safe="~")


def wait_of(value: object) -> float:
    """Seconds within 0 and 25. Raises ValueError."""
    if value is None:
        return WAIT_SECONDS
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= WAIT_LIMIT_SECONDS:
        raise ValueError(f"wait_seconds must be a number from 0 to {WAIT_LIMIT_SECONDS:g}")
    return value


def one_of[Answer](kind: type[Answer]) -> Callable[[Reply], Answer]:
    """Reads the body as `kind`."""
    return lambda reply: read(kind, reply.json)


def list_of[Member](kind: type[Member], name: str) -> Callable[[Reply], tuple[Member, ...]]:
    """Reads `{name: [...]}`."""

    def reading(reply: Reply) -> tuple[Member, ...]:
        members = reply.json.get(name) if isinstance(reply.json, dict) else None
        if not isinstance(members, list):
            raise Unreadable(f"no list of {name}")
        return tuple(read(kind, member) for member in members)

    return reading


def kept_again(act: str, his_no: str, *, key: str, body: Mapping[str, object], wait_seconds: float) -> Call[Verdict]:
    """A kept request, as it was the first time."""
    if "operation" in body:
        return wish_again(his_no, key=key, body=body, wait_seconds=wait_seconds)
    return act_again(act, his_no, key=key, body=body)


def slip_call(his_no: str, *, media_type: str) -> Call[Slip]:
    def answer(reply: Reply) -> Slip:
        return Slip(media_type=reply.headers.get("Content-Type", ""), content=reply.content)

    path = f"{path_of(his_no)}/slip"
    return Call(method="GET", path=path, name=his_no, answer=answer, his_no=his_no, accept=media_type)


def messages_call(his_no: str) -> Call[MessagePath]:
    return question(f"{path_of(his_no)}/messages", one_of(MessagePath), his_no=his_no)


def bill_call(visit_no: str, bill_no: str) -> Call[Bill]:
    path = f"bills/{segment(visit_no)}/{segment(bill_no)}" if bill_no else f"bills/{segment(visit_no)}"
    return question(path, one_of(Bill), name=visit_no)


def lanes_call() -> Call[tuple[Lane, ...]]:
    return question("lanes", list_of(Lane, "lanes"))


def abnormal_call(cursor: str | None) -> Call[AbnormalPage]:
    return question("abnormal", one_of(AbnormalPage), cursor=cursor)


def day_call(business_date: date) -> Call[DayResult]:
    path = f"days/{business_date.isoformat()}"
    return dataclasses.replace(question(path, one_of(DayResult)), wait_seconds=DAY_SECONDS)


def day_put_call(business_date: date, body: Mapping[str, object]) -> Call[DayResult]:
    """PUT is a repeat by nature; its key says so to the platform as well."""
    name = f"days/{business_date.isoformat()}"
    return Call(
        method="PUT",
        path=f"{name}/list",
        name=name,
        answer=one_of(DayResult),
        key=key_of("day", business_date.isoformat(), body),
        body=body,
        wait_seconds=DAY_SECONDS,
    )


def shift_call(shift_no: str, totals: Mapping[str, int], currency: str) -> Call[ShiftResult]:
    path = f"shifts/{segment(shift_no)}/close"
    told = [{"tender": tender, "amount_minor": amount} for tender, amount in sorted(totals.items())]
    body = {"totals": told, "currency": currency}
    key = key_of("shift", segment(shift_no), body)
    return Call(method="POST", path=path, name=path, answer=one_of(ShiftResult), key=key, body=body)
