"""The claims desk: takes pre-reviewed claims, decides them by the table of numbers, and tells its decisions."""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from .book import Book
from .envelope import Key, request_headers
from .messages import PushedClaim
from .profiles import ClaimOutcome, claim_outcome_of
from .rules import Reply, answer_bytes

DECIDE_SECONDS = 0.3
DELIVERY_SECONDS = 10.0
# After each try that nobody answered; who comes to the end gives up and says so in the book.
DELIVERY_LADDER = (0.3, 0.5, 1, 1, 2, 2, 3, 5, 5, 10, 10, 20, 30)
STALE_SECONDS = 3600
TELL_AS = ("plain", "bad_signature", "unknown_key", "stale", "other_sender", "replay")


@dataclass(frozen=True, slots=True)
class Telling:
    """One message to the platform, signed as it is sent."""

    message_id: str
    claim_no: str
    body: bytes
    how: str = "plain"


class ClaimsDesk:
    """One insurer's claims. `now` is the insurer's own clock, in unix seconds."""

    def __init__(self, *, code: str, key: Key, book: Book, now: Callable[[], float], callback_url: str) -> None:
        self.code, self.key, self.book, self.now = code, key, book, now
        self.callback_url = callback_url
        self.decide_seconds: float | None = DECIDE_SECONDS
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._last: tuple[bytes, dict[str, str]] | None = None

    # Taking -------------------------------------------------------------------------------------------------------

    async def take(self, claim: PushedClaim) -> Reply:
        """Books the claim under its push id, once; a decision follows by itself."""
        outcome = claim_outcome_of(id_no=claim.id_no, policy_no=claim.policy_no)
        reply, fresh = await self.book.execute(lambda book: self._take(book, claim, outcome))
        if fresh and outcome.refusal is None and outcome.decision is not None and self.decide_seconds is not None:
            self._spawn(self._decide_later(claim.push_id, self.decide_seconds))
        return reply

    def _take(self, book: sqlite3.Connection, claim: PushedClaim, outcome: ClaimOutcome) -> tuple[Reply, bool]:
        content = json.dumps(claim.content, sort_keys=True, ensure_ascii=False)
        content_hash = hashlib.sha256(content.encode()).digest()
        known = book.execute("SELECT * FROM claims WHERE push_id = ?", (claim.push_id,)).fetchone()
        if known is not None:
            book.execute("UPDATE claims SET received = received + 1 WHERE id = ?", (known["id"],))
            if known["content_hash"] != content_hash:
                return Reply(_refusal(claim, "push_id_used", "This push id came with another claim."), True), False
            return Reply(self._answer(claim, known["id"], known["refusal"]), replayed=True), False
        refusal = json.dumps(outcome.refusal) if outcome.refusal else None
        row = book.execute(
            "INSERT INTO claims (push_id, claim_no, content_hash, content, refusal) VALUES (?, ?, ?, ?, ?)",
            (claim.push_id, claim.claim_no, content_hash, content, refusal),
        )
        return Reply(self._answer(claim, row.lastrowid or 0, refusal)), True

    def _answer(self, claim: PushedClaim, number: int, refusal: str | None) -> bytes:
        if refusal is not None:
            return _refusal(claim, *json.loads(refusal))
        return answer_bytes(claim.answer("done", case_no=f"{self.code}-K{number:09d}"))

    # Deciding -----------------------------------------------------------------------------------------------------

    async def _decide_later(self, push_id: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.decide(push_id, {})

    async def decide(self, push_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Decide a claim by the table, with `changes` to what is told, and deliver it; returns what was told."""
        tellings = await self.book.execute(lambda book: self._decide(book, push_id, changes))
        for telling in tellings:
            self._spawn(self._deliver(telling))
        told: dict[str, Any] = json.loads(tellings[0].body)
        return told

    def _decide(self, book: sqlite3.Connection, push_id: str, changes: Mapping[str, Any]) -> list[Telling]:
        row = book.execute("SELECT * FROM claims WHERE push_id = ?", (push_id,)).fetchone()
        content = json.loads(row["content"])
        outcome = claim_outcome_of(id_no=content["person"]["id_no"], policy_no=content["policy_no"])
        number = book.execute("SELECT count(*) FROM decisions").fetchone()[0] + 1
        decision = self._content(content, outcome, f"{self.code}-D{row['id']:05d}-{number}") | dict(changes)
        bodies = [decision]
        if outcome.sends == "twice":
            bodies.append(decision)
        if outcome.sends == "twice_other":
            bodies.append(decision | {"amount_minor": max(0, decision["amount_minor"] - 1)})
        tellings = []
        for nth, body in enumerate(bodies, 1):
            message_id = f"{decision['decision_no']}-M{nth}"
            telling = Telling(message_id, str(decision["claim_no"]), answer_bytes(body))
            book.execute(
                "INSERT INTO decisions (push_id, decision_no, message_id, body, state) VALUES (?, ?, ?, ?, 'waiting')",
                (push_id, decision["decision_no"], message_id, telling.body.decode()),
            )
            tellings.append(telling)
        return tellings

    def _content(self, claim: Mapping[str, Any], outcome: ClaimOutcome, decision_no: str) -> dict[str, Any]:
        word = outcome.decision or "approve"
        if word == "need_materials" and claim.get("round", 1) > 1:
            # What was missing has come.
            word = "approve"
        told = {
            "decision_no": decision_no,
            "claim_no": claim["claim_no"],
            "push_id": claim["push_id"],
            "decision": word,
            "amount_minor": 0 if word == "need_materials" else claim["recommended_minor"] * outcome.percent // 100,
            "currency": claim["currency"],
            "reason_code": outcome.reason_code,
            "clause": outcome.clause,
            "clause_zh": outcome.clause_zh,
            "explanation": outcome.explanation,
            "decided_at": datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds"),
        }
        if word == "need_materials":
            told["items"] = [
                {"kind": "PATHOLOGY", "reason": "The report is not legible.", "reason_zh": "病理报告无法辨认。"}
            ]
            told["message"] = "Please photograph the pathology report again, all four corners visible."
            told["message_zh"] = "请重新拍摄病理报告，确保四角完整清晰。"
        return told

    # Telling ------------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """After a start: deliver what the last run had decided and not delivered."""
        waiting = await self.book.execute(
            lambda book: book.execute("SELECT * FROM decisions WHERE state = 'waiting' ORDER BY id").fetchall()
        )
        for row in waiting:
            claim_no = json.loads(row["body"]).get("claim_no", "")
            self._spawn(self._deliver(Telling(row["message_id"], str(claim_no), row["body"].encode())))

    async def _deliver(self, telling: Telling) -> None:
        """The same message until somebody says that he has it, or that he will not take it."""
        for pause_seconds in DELIVERY_LADDER:
            status, code = await self.tell(telling)
            state = "waiting"
            if 200 <= status < 300:
                state = "delivered"
            elif 400 <= status < 500 and status not in (408, 429):
                state = "refused"
            await self._note(telling, state, status, code)
            if state != "waiting":
                return
            await asyncio.sleep(pause_seconds)
        await self._note(telling, "given_up", 0, "")

    async def _note(self, telling: Telling, state: str, status: int, code: str) -> None:
        await self.book.execute(
            lambda book: book.execute(
                "UPDATE decisions SET state = ?, status = ?, code = ?, tries = tries + 1 WHERE message_id = ?",
                (state, status, code, telling.message_id),
            )
        )

    async def tell(self, telling: Telling) -> tuple[int, str]:
        """Sends one message; returns the status (0: nobody answered) and the code in the answer."""
        body, headers = telling.body, self._headers(telling)
        if telling.how == "replay" and self._last is not None:
            body, headers = self._last
        self._last = (body, headers)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_SECONDS))
        try:
            async with self._session.post(self.callback_url, data=body, headers=headers, allow_redirects=False) as one:
                return one.status, _code(await one.read())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return 0, ""

    def _headers(self, telling: Telling) -> dict[str, str]:
        key = Key("nobody", self.key.secret) if telling.how == "unknown_key" else self.key
        headers = request_headers(
            path=urlsplit(self.callback_url).path,
            body=telling.body + (b" " if telling.how == "bad_signature" else b""),
            key=key,
            own_code="SOMEBODY-ELSE" if telling.how == "other_sender" else self.code,
            message_id=telling.message_id,
            correlation_id=telling.claim_no,
            now=self.now() - (STALE_SECONDS if telling.how == "stale" else 0),
        )
        return headers

    # The book, and the end ------------------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Forgets what it was about to tell: it stands in the book and is told after the next start."""
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _refusal(claim: PushedClaim, code: str, text: str) -> bytes:
    return answer_bytes(claim.answer("refused") | {"reason": {"code": code, "text": text}})


def _code(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    return str(content.get("outcome") or content.get("code") or "") if isinstance(content, dict) else ""


def claims_read(book: sqlite3.Connection) -> dict[str, Any]:
    """The claims as the control shows them, each with its decisions and what became of telling them."""
    claims = []
    for row in book.execute("SELECT * FROM claims ORDER BY id").fetchall():
        told = book.execute("SELECT * FROM decisions WHERE push_id = ? ORDER BY id", (row["push_id"],)).fetchall()
        names = ("decision_no", "message_id", "state", "tries", "status", "code")
        claims.append(
            {
                **{name: row[name] for name in ("push_id", "claim_no", "received")},
                "refused": row["refusal"] is not None,
                "content": json.loads(row["content"]),
                "decisions": [{name: one[name] for name in names} | {"told": json.loads(one["body"])} for one in told],
            }
        )
    return {"claims": claims}
