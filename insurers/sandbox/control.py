"""The sandbox's steering wheel under `/_control`; it belongs to no insurer and is never part of the contract."""

import math
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from .app import Insurer, problem
from .claims import TELL_AS, Telling, claims_read
from .faults import BadPlan, FaultPlan, seconds_read
from .messages import BadMessage, body_read
from .rules import answer_bytes

CONTROL_PREFIX = "/_control/"
CLOCK_OFFSET_SECONDS_MAXIMUM = 366 * 86_400


def book_read(book: sqlite3.Connection) -> dict[str, Any]:
    """The whole book as the contract of the sandbox shows it; refusals hold nothing and are not in it."""
    rows = book.execute("SELECT * FROM settlements WHERE state <> 'refused' ORDER BY id").fetchall()
    names = ("msgid", "his_no", "total_minor", "fund_minor", "account_minor", "hospital_minor", "cash_minor")
    more = ("currency", "state", "accepted_reversals")
    settled = [row["fund_minor"] for row in rows if row["state"] == "settled"]
    return {
        "settlements": [{name: row[name] for name in names + more} for row in rows],
        "totals": {"settled_fund_minor": sum(settled), "count": len(settled)},
    }


def book_empty(book: sqlite3.Connection) -> None:
    """Deletes every row; numbers go on where they were."""
    for table in ("cancels", "settlements", "reversed_unknown", "messages", "decisions", "claims"):
        book.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand in the line above.


class Control:
    """Answers the control requests of one insurer."""

    def __init__(self, insurer: Insurer) -> None:
        self.insurer = insurer
        self._started_offset_seconds = insurer.clock_offset_seconds
        self._posts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "faults": self._faults,
            "latency": self._latency,
            "clock": self._clock,
            "deciding": self._deciding,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one control request with JSON."""
        name = request.path.removeprefix(CONTROL_PREFIX)
        try:
            return web.Response(body=answer_bytes(await self._answer(request, name)), content_type="application/json")
        except (BadPlan, BadMessage) as error:
            return problem(400, "bad_control", str(error))
        except KeyError:
            return problem(
                404,
                "not_found",
                "POST faults, latency, clock, deciding, decide, tell, reset; GET book, claims, faults, profile",
            )

    async def _answer(self, request: web.BaseRequest, name: str) -> dict[str, Any]:
        if request.method == "POST":
            body = await request.read()
            if name == "reset":
                return await self._reset()
            if name in ("decide", "tell"):
                content = dict(body_read(body or b"{}"))
                return await (self._decide(content) if name == "decide" else self._tell(content))
            return self._posts[name](dict(body_read(body or b"{}")))
        if request.method == "GET" and name == "book":
            return await self.insurer.book.execute(book_read)
        if request.method == "GET" and name == "claims":
            return await self.insurer.book.execute(claims_read)
        if request.method == "GET" and name == "faults":
            return self._faults_now()
        if request.method == "GET" and name == "profile":
            return {"code": self.insurer.code, "capabilities": asdict(self.insurer.profile)}
        raise KeyError(name)

    def _faults_now(self) -> dict[str, Any]:
        return self.insurer.faults.as_dict() | {"replayed_messages": self.insurer.replayed_messages}

    def _faults(self, content: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(content) - {"next", "on", "mix", "seed", "late_seconds"}:
            raise BadPlan(f"unknown: {', '.join(sorted(unknown))}; there are next, on, mix, seed, late_seconds")
        self.insurer.faults = FaultPlan(content)
        return self._faults_now()

    def _latency(self, content: dict[str, Any]) -> dict[str, Any]:
        self.insurer.latency_seconds = seconds_read(content.get("seconds"), "seconds")
        return {"seconds": self.insurer.latency_seconds}

    def _clock(self, content: dict[str, Any]) -> dict[str, Any]:
        offset = content.get("offset_seconds")
        if isinstance(offset, bool) or not isinstance(offset, int | float) or not math.isfinite(offset):
            raise BadPlan("offset_seconds must be a number of seconds")
        if abs(offset) > CLOCK_OFFSET_SECONDS_MAXIMUM:
            raise BadPlan(f"offset_seconds must lie within {CLOCK_OFFSET_SECONDS_MAXIMUM} of the true time")
        self.insurer.clock_offset_seconds = float(offset)
        return {"offset_seconds": float(offset), "now": self.insurer.now()}

    def _deciding(self, content: dict[str, Any]) -> dict[str, Any]:
        """`url`: where decisions are told; `seconds`: how long after a claim was taken, null: never by itself."""
        desk = self.insurer.claims
        if "url" in content:
            desk.callback_url = str(content["url"])
        if "seconds" in content:
            desk.decide_seconds = None if content["seconds"] is None else seconds_read(content["seconds"], "seconds")
        return {"url": desk.callback_url, "seconds": desk.decide_seconds}

    async def _decide(self, content: dict[str, Any]) -> dict[str, Any]:
        """Decide a claim that was taken, now; members beside `push_id` change what is told."""
        push_id = str(content.pop("push_id", ""))
        known = await self.insurer.book.execute(claims_read)
        if push_id not in {claim["push_id"] for claim in known["claims"]}:
            raise BadPlan("push_id names no claim that was taken")
        return await self.insurer.claims.decide(push_id, content)

    async def _tell(self, content: dict[str, Any]) -> dict[str, Any]:
        """Send `body` once under `message_id`, signed `as` one of TELL_AS; returns the status and code that came."""
        how = content.get("as", "plain")
        if how not in TELL_AS:
            raise BadPlan(f"as must be one of {', '.join(TELL_AS)}")
        body = content.get("body", {})
        raw = body.encode() if isinstance(body, str) else answer_bytes(body)
        claim_no = str(body.get("claim_no", "")) if isinstance(body, dict) else ""
        telling = Telling(str(content.get("message_id", "")), claim_no, raw, how)
        status, code = await self.insurer.claims.tell(telling)
        return {"status": status, "code": code}

    async def _reset(self) -> dict[str, Any]:
        """An empty book, no faults, no latency and the clock of the start."""
        self.insurer.faults = FaultPlan()
        self.insurer.replayed_messages = 0
        self.insurer.latency_seconds = 0.0
        self.insurer.clock_offset_seconds = self._started_offset_seconds
        await self.insurer.book.execute(book_empty)
        return {"reset": True}
