"""What the insurer does with a message that moves money or asks for one: functions of the book and the clock."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from .messages import Cancel, Query, Reverse, Settle, refused
from .profiles import Outcome, Profile, outcome_of, split

INSERT_SETTLEMENT = """
INSERT INTO settlements (msgid, his_no, hospital, id_no, total_minor, currency, fund_minor, account_minor,
    hospital_minor, cash_minor, shares, state, reason_code, reason_text, settled_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
MARK_REVERSED = "UPDATE settlements SET state = 'reversed', accepted_reversals = accepted_reversals + 1 WHERE id = ?"
SETTLEMENTS_BY_MSGID = "SELECT * FROM settlements WHERE msgid = ? ORDER BY id"


@dataclass(frozen=True, slots=True)
class Reply:
    """The stored answer of one message. `conflict` is HTTP 409: the message id was used before."""

    body: bytes
    conflict: bool = False
    replayed: bool = False


def answer_bytes(answer: dict[str, Any]) -> bytes:
    """One way to write an answer, so that a stored one equals a fresh one byte for byte."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def amounts(total_minor: int, currency: str, outcome: Outcome) -> dict[str, Any]:
    """The amounts of an answer, in minor units."""
    parts = split(total_minor, outcome)
    return {
        "total_minor": total_minor,
        "currency": currency,
        "fund_minor": parts.fund_minor,
        "account_minor": parts.account_minor,
        "hospital_minor": parts.hospital_minor,
        "cash_minor": parts.cash_minor,
        "shares": [{"payer": payer, "amount_minor": amount_minor} for payer, amount_minor in parts.shares],
    }


def _row_amounts(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "person": {"id_no": row["id_no"]},
        "total_minor": row["total_minor"],
        "currency": row["currency"],
        "fund_minor": row["fund_minor"],
        "account_minor": row["account_minor"],
        "hospital_minor": row["hospital_minor"],
        "cash_minor": row["cash_minor"],
        "shares": json.loads(row["shares"]),
    }


class Rules:
    """The business of one insurer: its code, and the promises of its profile."""

    def __init__(self, code: str, profile: Profile) -> None:
        self.code, self.profile = code, profile

    def once(
        self,
        book: sqlite3.Connection,
        request: Settle | Cancel | Reverse,
        *,
        message_id: str,
        body: bytes,
        now: float,
        refusal: tuple[str, str] | None = None,
    ) -> Reply:
        """Works a money message under its message id, once. `refusal` is a fault: refuse whatever the rules say."""
        body_hash = hashlib.sha256(body).digest()
        known = book.execute(
            "SELECT body_hash, answer FROM messages WHERE module = ? AND message_id = ?", (request.kind, message_id)
        ).fetchone()
        if known is not None:
            idempotent = (
                self.profile.reverse_idempotent if request.kind == "reverse" else self.profile.settle_idempotent
            )
            if not idempotent or known["body_hash"] != body_hash:
                return Reply(answer_bytes(refused(request, "message_id_used", "This message id was used.")), True, True)
            return Reply(known["answer"], replayed=True)
        match request:
            case Settle():
                answer = self._settle(book, request, now=now, refusal=refusal)
            case Cancel():
                answer = refused(request, *refusal) if refusal else self._cancel(book, request, now=now)
            case Reverse():
                answer = refused(request, *refusal) if refusal else self._reverse(book, request)
        stored = answer_bytes(answer)
        book.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", (request.kind, message_id, body_hash, stored))
        return Reply(stored)

    def _settlement_no(self, settlement_id: int) -> str:
        return f"{self.code}-{settlement_id:010d}"

    def _cancel_no(self, cancel_id: int) -> str:
        return f"{self.code}-C{cancel_id:09d}"

    def _settle(
        self, book: sqlite3.Connection, request: Settle, *, now: float, refusal: tuple[str, str] | None
    ) -> dict[str, Any]:
        profile = self.profile
        if profile.settle_idempotent:
            known = book.execute(SETTLEMENTS_BY_MSGID, (request.msgid,)).fetchone()
            if known is not None:
                return self._settle_again(request, known)
        outcome = outcome_of(request.id_no)
        refusal = refusal or self._too_late(request, now) or self._blocked(book, request.msgid) or outcome.refusal
        booked = amounts(request.total_minor, request.currency, Outcome() if refusal else outcome)
        row = book.execute(
            INSERT_SETTLEMENT,
            (
                request.msgid,
                request.his_no,
                request.hospital,
                request.id_no,
                request.total_minor,
                request.currency,
                booked["fund_minor"],
                booked["account_minor"],
                booked["hospital_minor"],
                booked["cash_minor"],
                json.dumps(booked["shares"]),
                "refused" if refusal else "settled",
                *(refusal or (None, None)),
                now,
            ),
        )
        if refusal:
            return refused(request, *refusal)
        settlement_no = self._settlement_no(row.lastrowid or 0)
        return request.done(settlement_no=settlement_no, person={"id_no": request.id_no}, **booked)

    def _settle_again(self, request: Settle, known: sqlite3.Row) -> dict[str, Any]:
        if known["state"] == "refused":
            return refused(request, known["reason_code"], known["reason_text"])
        if known["state"] != "settled":
            return refused(request, f"{known['state']}_before", f"This settlement was {known['state']} before.")
        return request.done(settlement_no=self._settlement_no(known["id"]), **_row_amounts(known))

    def _too_late(self, request: Settle, now: float) -> tuple[str, str] | None:
        if self.profile.honours_not_after and request.not_after is not None and now > request.not_after:
            return ("too_late", "not_after has passed; nothing is held.")
        return None

    def _blocked(self, book: sqlite3.Connection, msgid: str) -> tuple[str, str] | None:
        if not self.profile.blocks_late_original:
            return None
        if book.execute("SELECT 1 FROM reversed_unknown WHERE msgid = ?", (msgid,)).fetchone() is None:
            return None
        return ("reversed_before", "This message was reversed before it was worked.")

    def _cancel(self, book: sqlite3.Connection, request: Cancel, *, now: float) -> dict[str, Any]:
        settlement_no = request.settlement_no
        again = book.execute("SELECT * FROM cancels WHERE msgid = ?", (request.msgid,)).fetchone()
        if again is not None and again["state"] == "cancelled" and self.profile.settle_idempotent:
            return request.done(settlement_no=self._cancel_no(again["id"]), cancelled=settlement_no)
        if blocked := self._blocked(book, request.msgid):
            return refused(request, *blocked)
        row = self._settlement_by_no(book, settlement_no)
        if row is None or row["state"] == "refused":
            return refused(request, "not_found", "There is no such settlement.")
        if row["state"] != "settled":
            return refused(request, f"already_{row['state']}", f"The settlement is already {row['state']}.")
        window_seconds = self.profile.cancel_window_seconds
        if window_seconds is not None and now > row["settled_at"] + window_seconds:
            return refused(request, "window", "The time in which it could be cancelled has passed.")
        book.execute("UPDATE settlements SET state = 'cancelled' WHERE id = ?", (row["id"],))
        cancel = book.execute("INSERT INTO cancels VALUES (NULL, ?, ?, 'cancelled')", (request.msgid, row["id"]))
        return request.done(
            settlement_no=self._cancel_no(cancel.lastrowid or 0),
            cancelled=settlement_no,
            person={"id_no": row["id_no"]},
            total_minor=-row["total_minor"],
        )

    def _settlement_by_no(self, book: sqlite3.Connection, settlement_no: str) -> sqlite3.Row | None:
        number = settlement_no.removeprefix(f"{self.code}-")
        if number == settlement_no or not number.isdecimal() or len(number) > 18:
            return None
        row: sqlite3.Row | None = book.execute("SELECT * FROM settlements WHERE id = ?", (int(number),)).fetchone()
        return row

    def _reverse(self, book: sqlite3.Connection, request: Reverse) -> dict[str, Any]:
        if request.of_kind == "cancel":
            return self._reverse_cancel(book, request)
        rows = book.execute(SETTLEMENTS_BY_MSGID, (request.of_msgid,)).fetchall()
        # An insurer that is not idempotent may hold the message twice: one reversal undoes one of them.
        for row in rows:
            if row["state"] == "settled":
                book.execute(MARK_REVERSED, (row["id"],))
                return self._reversed(request, row)
        for row in rows:
            if row["state"] == "reversed":
                return self._reversed_again(request, row, self._settlement_no(row["id"]))
            if row["state"] == "cancelled":
                return refused(request, "already_cancelled", "The settlement is already cancelled.")
        return self._reverse_unknown(book, request)

    def _reversed(self, request: Reverse, row: sqlite3.Row) -> dict[str, Any]:
        return request.done(
            reversed={"msgid": request.of_msgid, "settlement_no": self._settlement_no(row["id"])},
            person={"id_no": row["id_no"]},
            total_minor=row["total_minor"],
        )

    def _reversed_again(self, request: Reverse, row: sqlite3.Row, number: str) -> dict[str, Any]:
        if not self.profile.reverse_idempotent:
            return refused(request, "already_reversed", "This was reversed before.")
        return request.done(already=True, reversed={"msgid": request.of_msgid, "settlement_no": number})

    def _reverse_unknown(self, book: sqlite3.Connection, request: Reverse) -> dict[str, Any]:
        if not self.profile.reverse_unknown_ok:
            return refused(request, "unknown_original", "There is nothing to reverse under this message id.")
        book.execute("INSERT OR IGNORE INTO reversed_unknown VALUES (?)", (request.of_msgid,))
        return request.done(reversed=None)

    def _reverse_cancel(self, book: sqlite3.Connection, request: Reverse) -> dict[str, Any]:
        """Undoing a cancel makes its settlement stand again."""
        row = book.execute("SELECT * FROM cancels WHERE msgid = ? ORDER BY id DESC", (request.of_msgid,)).fetchone()
        if row is None:
            return self._reverse_unknown(book, request)
        number = self._cancel_no(row["id"])
        if row["state"] == "reversed":
            return self._reversed_again(request, row, number)
        book.execute("UPDATE cancels SET state = 'reversed' WHERE id = ?", (row["id"],))
        book.execute("UPDATE settlements SET state = 'settled' WHERE id = ?", (row["settlement_id"],))
        return request.done(reversed={"msgid": request.of_msgid, "settlement_no": number})

    def query(self, book: sqlite3.Connection, request: Query) -> dict[str, Any]:
        """What the book holds under a message id of ours, or under a settlement number."""
        if request.settlement_no:
            row = self._settlement_by_no(book, request.settlement_no)
            return request.done(found=self._found(row)) if row is not None else request.answer("not_found")
        if not self.profile.can_query_by_msgid:
            return refused(request, "not_supported", "This insurer finds settlements by their number only.")
        rows = book.execute(SETTLEMENTS_BY_MSGID, (request.of_msgid,)).fetchall()
        if rows:
            return request.done(found=self._found(next((r for r in rows if r["state"] == "settled"), rows[-1])))
        cancel = book.execute(
            "SELECT cancels.*, his_no, id_no, total_minor, currency FROM cancels"
            " JOIN settlements ON settlements.id = settlement_id WHERE cancels.msgid = ? ORDER BY cancels.id DESC",
            (request.of_msgid,),
        ).fetchone()
        return request.answer("not_found") if cancel is None else request.done(found=self._found_cancel(cancel))

    def _found(self, row: sqlite3.Row) -> dict[str, Any]:
        is_refused = row["state"] == "refused"
        return {
            "kind": "settle",
            "state": row["state"],
            "msgid": row["msgid"],
            "his_no": row["his_no"],
            "settlement_no": None if is_refused else self._settlement_no(row["id"]),
            "reason": {"code": row["reason_code"], "text": row["reason_text"]} if is_refused else None,
            **_row_amounts(row),
        }

    def _found_cancel(self, row: sqlite3.Row) -> dict[str, Any]:
        return {
            "kind": "cancel",
            "state": row["state"],
            "msgid": row["msgid"],
            "his_no": row["his_no"],
            "settlement_no": self._cancel_no(row["id"]),
            "cancelled": self._settlement_no(row["settlement_id"]),
            "person": {"id_no": row["id_no"]},
            "total_minor": -row["total_minor"],
            "currency": row["currency"],
        }
