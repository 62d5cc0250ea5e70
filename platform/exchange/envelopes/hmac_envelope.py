"""The `hmac` envelope of the native SPI: routing facts in headers, HMAC-SHA256 over them and the raw body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from exchange.messages import Facts

SCHEMA = "1"
# The insurer's clock may differ from ours by this much in either direction.
SKEW_SECONDS = 60
TIMESTAMP = re.compile(r"[0-9]{1,12}")
MESSAGE_ID = re.compile(r"[!-~]{1,80}")


class EnvelopeBroken(Exception):
    """The answer's signature or routing facts do not hold."""


class MessageRefused(Exception):
    """A message that a counterparty began is not proven to be its own; `code` says what does not hold."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class HmacEnvelope:
    def seal(self, body: bytes, *, facts: Facts, key_id: str, secret: bytes) -> dict[str, str]:
        headers = {
            "X-MS-Sender": facts.sender,
            "X-MS-Recipient": facts.recipient,
            "X-MS-Message-Id": facts.message_id,
            "X-MS-Correlation-Id": facts.correlation_id,
            "X-MS-Timestamp": str(int(facts.sent_at.timestamp())),
            "X-MS-Schema": SCHEMA,
            "X-MS-Key-Id": key_id,
        }
        headers["X-MS-Signature"] = base64.b64encode(_digest("request", headers, facts.path, body, secret)).decode()
        return headers

    def open(
        self, body: bytes, headers: Mapping[str, str], *, facts: Facts, secrets: Mapping[str, bytes], now: datetime
    ) -> None:
        expected = {
            "X-MS-Sender": facts.recipient,
            "X-MS-Recipient": facts.sender,
            "X-MS-Message-Id": facts.message_id,
            "X-MS-Correlation-Id": facts.correlation_id,
            "X-MS-Schema": SCHEMA,
        }
        for name, value in expected.items():
            if headers.get(name) != value:
                raise EnvelopeBroken(f"{name} is not {value}")
        secret = secrets.get(headers.get("X-MS-Key-Id", ""))
        if secret is None:
            raise EnvelopeBroken("the signing key is not known")
        try:
            presented = base64.b64decode(headers.get("X-MS-Signature", ""), validate=True)
        except (binascii.Error, ValueError):
            presented = b""
        if not hmac.compare_digest(presented, _digest("answer", headers, facts.path, body, secret)):
            raise EnvelopeBroken("the signature does not match")
        timestamp = headers["X-MS-Timestamp"]
        if not TIMESTAMP.fullmatch(timestamp) or abs(int(timestamp) - now.timestamp()) > SKEW_SECONDS:
            raise EnvelopeBroken("the timestamp is too far off")

    def accept(
        self, body: bytes, headers: Mapping[str, str], *, facts: Facts, secrets: Mapping[str, bytes], now: datetime
    ) -> None:
        """Verify a message that the counterparty `facts.sender` began. Raises MessageRefused.

        The signature is looked at before anything it covers, so that nobody learns from the answer what else is wrong.
        """
        secret = secrets.get(headers.get("X-MS-Key-Id", ""))
        if secret is None:
            raise MessageRefused("unknown_key")
        try:
            presented = base64.b64decode(headers.get("X-MS-Signature", ""), validate=True)
        except (binascii.Error, ValueError):
            presented = b""
        if not hmac.compare_digest(presented, _digest("request", headers, facts.path, body, secret)):
            raise MessageRefused("bad_signature")
        if headers.get("X-MS-Sender") != facts.sender or headers.get("X-MS-Recipient") != facts.recipient:
            raise MessageRefused("wrong_route")
        if headers.get("X-MS-Schema") != SCHEMA:
            raise MessageRefused("unknown_schema")
        if not MESSAGE_ID.fullmatch(headers.get("X-MS-Message-Id", "")):
            raise MessageRefused("no_message_id")
        timestamp = headers.get("X-MS-Timestamp", "")
        if not TIMESTAMP.fullmatch(timestamp) or abs(int(timestamp) - now.timestamp()) > SKEW_SECONDS:
            raise MessageRefused("stale_timestamp")


def _digest(direction: str, headers: Mapping[str, str], path: str, body: bytes, secret: bytes) -> bytes:
    fields = ("Sender", "Recipient", "Message-Id", "Correlation-Id", "Timestamp", "Schema", "Key-Id")
    lines = [direction, *(headers.get(f"X-MS-{name}", "") for name in fields), path]
    return hmac.digest(secret, "\n".join(lines).encode() + b"\n" + body, hashlib.sha256)
