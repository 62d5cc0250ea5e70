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


class EnvelopeBroken(Exception):
    """The answer's signature or routing facts do not hold."""


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


def _digest(direction: str, headers: Mapping[str, str], path: str, body: bytes, secret: bytes) -> bytes:
    fields = ("Sender", "Recipient", "Message-Id", "Correlation-Id", "Timestamp", "Schema", "Key-Id")
    lines = [direction, *(headers.get(f"X-MS-{name}", "") for name in fields), path]
    return hmac.digest(secret, "\n".join(lines).encode() + b"\n" + body, hashlib.sha256)
