"""A model of an insurer: the sandbox's rules over a book in memory, and a wire that does whatever it is told.

Nothing sleeps: a message that the insurer works late waits in `late` until the clock of the simulation has passed it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.conf import settings

from chaos.facts import Held
from exchange.services.calls import Armed
from exchange.transport import Receipt
from insurers.sandbox.book import SCHEMA
from insurers.sandbox.envelope import Envelope, Key, answer_headers, request_open
from insurers.sandbox.messages import Cancel, Reverse, Settle, body_read, money_read, query_read
from insurers.sandbox.profiles import PROFILES
from insurers.sandbox.rules import Reply, Rules, answer_bytes

# What may befall a message that moves money, and how often; the rest is a plain answer.
MONEY_FAULTS = {
    "commit_and_silence": 0.14,
    "lost": 0.06,
    "late": 0.08,
    "refuse": 0.04,
    "garbage": 0.05,
    "garbage_without_commit": 0.03,
    "wrong_signature": 0.03,
    "another_total": 0.03,
    "unreachable": 0.03,
    "twice": 0.03,
}
QUERY_FAULTS = {"lost": 0.12, "garbage": 0.06, "running": 0.08, "wrong_signature": 0.03}
# An insurer that keeps its promises works a message this long after it came in at the latest; the sandbox's second.
LATE_SECONDS = 30.0
REFUSAL = ("refused_on_request", "The model was told to refuse this call.")


@dataclass(slots=True)
class Late:
    """A message on its way: on the wire until `arrives_at`, in the insurer's hands until `worked_at`."""

    arrives_at: datetime
    worked_at: datetime
    message: Settle | Cancel | Reverse
    message_id: str
    body: bytes


@dataclass
class ModelInsurer:
    """One insurer of the kind `profile` names. `calm`: from now on it answers everything."""

    code: str
    secret: bytes
    profile_name: str
    random: Random
    calm: bool = False
    late: list[Late] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.profile = PROFILES[self.profile_name]
        self.rules = Rules(self.code, self.profile)
        self.key = Key("k1", self.secret)
        self.book = sqlite3.connect(":memory:", isolation_level=None)
        self.book.row_factory = sqlite3.Row
        self.book.executescript(SCHEMA)
        self.seen: list[str] = []

    def take(self, armed: Armed, *, now: datetime) -> tuple[Receipt, datetime]:
        """What comes of one message that is sent at `now`: the receipt, and when the sender has it."""
        if now >= armed.armed_at + timedelta(seconds=settings.SEND_WITHIN_SECONDS):
            return Receipt(False, "dropped_before_sending"), now
        fault = self._fault(armed)
        if fault == "unreachable":
            return Receipt(False, "connection_failed"), now
        answer = self._work(armed, fault, now)
        if answer is None or fault in ("commit_and_silence", "lost", "late"):
            return Receipt(True, "insurer_did_not_answer"), armed.deadline
        return answer, now

    def time_passes(self, now: datetime) -> None:
        """Work what has been late until now."""
        due = [one for one in self.late if one.worked_at <= now]
        self.late = [one for one in self.late if one.worked_at > now]
        for one in sorted(due, key=lambda late: late.worked_at):
            self._book(one.message, one.message_id, one.body, one.worked_at)

    def settlements(self) -> list[Held]:
        """The insurer's own book, without what it refused."""
        rows = self.book.execute("SELECT * FROM settlements WHERE state <> 'refused' ORDER BY id").fetchall()
        names = [name for name in Held.__dataclass_fields__ if name != "insurer"]
        return [Held(insurer=self.code, **{name: row[name] for name in names}) for row in rows]

    def _fault(self, armed: Armed) -> str:
        if not self.profile.answers:
            return self.random.choice(("commit_and_silence", "lost"))
        if self.calm:
            return ""
        faults = QUERY_FAULTS if armed.kind == "QUERY" else MONEY_FAULTS
        (fault,) = self.random.choices([*faults, ""], [*faults.values(), 1 - sum(faults.values())])
        return fault

    def _work(self, armed: Armed, fault: str, now: datetime) -> Receipt | None:
        module, body = armed.facts.path.rpartition("/")[2], armed.delivery.body
        envelope = request_open(
            armed.delivery.headers, armed.facts.path, body, key=self.key, own_code=self.code, now=now.timestamp()
        )
        assert envelope.message_id not in self.seen, "a message was sent a second time"
        self.seen.append(envelope.message_id)
        if fault == "lost":
            return None
        if module == "query":
            return self._answered(envelope, Reply(answer_bytes(self._query(body_read(body), fault))), fault, now)
        message = money_read(module, body_read(body))
        if fault == "garbage_without_commit":
            return Receipt(True, "", 503, {}, b"not now")
        if fault == "late":
            self.late.append(self._late(armed, message, envelope.message_id, now))
            return None
        refusal = REFUSAL if fault == "refuse" else None
        answer = self._book(message, envelope.message_id, body, now, refusal=refusal)
        if fault == "twice":
            answer = self._book(message, envelope.message_id, body, now)
        return self._answered(envelope, answer, fault, now)

    def _late(self, armed: Armed, message: Settle | Cancel | Reverse, message_id: str, now: datetime) -> Late:
        """Within what the insurer promises, unless it is one that promises nothing about late originals."""
        promises = self.profile.honours_not_after or not isinstance(message, Settle)
        on_the_wire = self.profile.accept_window_seconds if promises else LATE_SECONDS
        arrives_at = now + timedelta(seconds=self.random.uniform(0, on_the_wire))
        in_hand = timedelta(seconds=self.random.uniform(0, self.profile.max_processing_seconds))
        return Late(arrives_at, arrives_at + in_hand, message, message_id, armed.delivery.body)

    def _book(
        self,
        message: Settle | Cancel | Reverse,
        message_id: str,
        body: bytes,
        now: datetime,
        *,
        refusal: tuple[str, str] | None = None,
    ) -> Reply:
        moment = now.timestamp()
        return self.rules.once(self.book, message, message_id=message_id, body=body, now=moment, refusal=refusal)

    def _query(self, content: Mapping[str, Any], fault: str) -> dict[str, Any]:
        query = query_read(content)
        answer = self.rules.query(self.book, query)
        in_hand = any(one.message.msgid == query.of_msgid for one in self.late)
        if fault == "running" or (answer["code"] == "not_found" and in_hand and self.profile.not_found_is_final):
            return query.answer("running")
        return answer

    def _answered(self, envelope: Envelope, reply: Reply, fault: str, now: datetime) -> Receipt:
        body = reply.body
        if fault == "garbage":
            body = body[: len(body) // 2]
        if fault == "another_total":
            body = body.replace(b'"total_minor":', b'"total_minor":1')
        signed = body + b" " if fault == "wrong_signature" else body
        headers = answer_headers(envelope, signed, key=self.key, own_code=self.code, now=now.timestamp())
        return Receipt(True, "", 409 if reply.conflict else 200, headers, body, 5)
