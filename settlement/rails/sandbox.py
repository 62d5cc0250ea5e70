"""The sandbox bank's door: pain.001 out, signed JSON about a payment, camt.053 in. See settlement/bank/README.md."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from exchange.transport import Receipt
from settlement.rails.orders import RailAccount, RailMessage, RailReply, StatementUnreadable, Transfer, TransferUnfit
from settlement.rails.pain001 import pain001_write
from settlement.states import BankOutcome

PREFIX = "/bank/v1/"
JSON, XML = "application/json", "application/xml"
OUTCOMES = {
    "taken": BankOutcome.TAKEN,
    "booked": BankOutcome.BOOKED,
    "refused": BankOutcome.REFUSED,
    "returned": BankOutcome.RETURNED,
    "not_found": BankOutcome.NOT_FOUND,
}


class Untrusted(Exception):
    """The answer proves nothing, for this reason."""


class SandboxRail:
    name = "sandbox"
    is_online = True
    one_leg_each = False

    def send(self, transfer: Transfer, *, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        body = pain001_write([transfer], message_id=transfer.message_id, account=account, now=now)
        return _message("payments", body, XML, account, wire_id, now)

    def query(self, transfer: Transfer, *, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        body = json.dumps({"message_id": transfer.message_id}).encode()
        return _message("query", body, JSON, account, wire_id, now)

    def statement(self, *, number: int, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        body = json.dumps({"account_no": account.account_no, "number": number}).encode()
        return _message("statement", body, JSON, account, wire_id, now)

    def reply_read(self, receipt: Receipt, *, transfer: Transfer, account: RailAccount, wire_id: str) -> RailReply:
        if receipt.failure:
            return RailReply(BankOutcome.UNKNOWN if receipt.sent else BankOutcome.NOT_SENT, receipt.failure)
        try:
            _trusted(receipt, account, wire_id)
            return _reply(_content(receipt.body), transfer)
        except Untrusted as fault:
            return RailReply(BankOutcome.UNKNOWN, str(fault))

    def statement_answer(self, receipt: Receipt, *, account: RailAccount, wire_id: str) -> bytes | None:
        if receipt.failure:
            raise StatementUnreadable(place="bank", fault=receipt.failure)
        try:
            _trusted(receipt, account, wire_id, statuses=(200, 204))
        except Untrusted as fault:
            raise StatementUnreadable(place="bank", fault=str(fault)) from None
        return receipt.body if receipt.status == 200 else None

    def file(self, transfers: list[Transfer], *, file_id: str, account: RailAccount, now: datetime) -> bytes:
        raise TransferUnfit(place="file", fault="this bank is given each payment over its line")


def _message(name: str, body: bytes, media: str, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
    path = PREFIX + name
    timestamp = str(int(now.timestamp()))
    headers = {
        "X-Bank-Key-Id": account.key_id,
        "X-Bank-Message-Id": wire_id,
        "X-Bank-Timestamp": timestamp,
        "X-Bank-Signature": _signature(account, "request", wire_id, timestamp, path, body),
    }
    return RailMessage(account.base_url + path, headers, body, media)


def _signature(account: RailAccount, direction: str, wire_id: str, timestamp: str, path: str, body: bytes) -> str:
    signed = "\n".join([direction, wire_id, timestamp, account.key_id, path]).encode() + b"\n" + body
    return base64.b64encode(hmac.digest(account.secret, signed, "sha256")).decode()


def _trusted(receipt: Receipt, account: RailAccount, wire_id: str, statuses: tuple[int, ...] = (200,)) -> None:
    """Raises Untrusted unless this is the bank's signed answer to that very message."""
    if receipt.status not in statuses:
        raise Untrusted(f"HTTP status {receipt.status}")
    headers = receipt.headers or {}
    if headers.get("X-Bank-Key-Id") != account.key_id or headers.get("X-Bank-Message-Id") != wire_id:
        raise Untrusted("not an answer to this message")
    timestamp = headers.get("X-Bank-Timestamp", "")
    for name in ("payments", "query", "statement"):
        expected = _signature(account, "answer", wire_id, timestamp, PREFIX + name, receipt.body)
        if hmac.compare_digest(expected.encode(), headers.get("X-Bank-Signature", "").encode()):
            return
    raise Untrusted("the signature does not fit")


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        raise Untrusted("not JSON") from None
    if not isinstance(content, dict):
        raise Untrusted("not an object")
    return content


def _reply(content: Mapping[str, Any], transfer: Transfer) -> RailReply:
    outcome = OUTCOMES.get(str(content.get("status")))
    if outcome is None or "error" in content:
        raise Untrusted("an error where a status belongs")
    if content.get("message_id") != transfer.message_id:
        raise Untrusted("about another payment")
    if outcome == BankOutcome.NOT_FOUND:
        return RailReply(outcome)
    if (content.get("amount_minor"), content.get("currency")) != (transfer.amount_minor, transfer.currency):
        raise Untrusted("about another amount")
    value_date = _day(content.get("value_date"))
    if outcome in (BankOutcome.BOOKED, BankOutcome.RETURNED) and value_date is None:
        raise Untrusted("booked without a day")
    reference = str(content.get("bank_reference") or "")[:70]
    return RailReply(outcome, str(content.get("reason") or "")[:35], reference, value_date)


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        raise Untrusted("a day that is none") from None
