"""The `hmac` envelope as an insurer would write it from the contract in README.md."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLATFORM_CODE = "MEDISETTLE"
SCHEMA = "1"
ALLOWED_SKEW_SECONDS = 60
SECRET_BYTES_MINIMUM = 16


class NotAuthentic(Exception):
    """The request is not proven to come from the platform: HTTP 401 with this code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True, slots=True)
class Key:
    """The shared secret and the name under which both sides know it."""

    key_id: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """The routing facts of one authentic request."""

    message_id: str
    correlation_id: str
    path: str


def key_read(path: Path) -> Key:
    """Reads `{"key_id": ..., "secret": base64}`. Raises ValueError when the file says anything else."""
    try:
        content = json.loads(path.read_text("utf-8"))
        key = Key(str(content["key_id"]), base64.b64decode(content["secret"], validate=True))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} must hold {{"key_id": "...", "secret": "base64"}}') from error
    if len(key.secret) < SECRET_BYTES_MINIMUM:
        raise ValueError(f"the secret in {path} is shorter than {SECRET_BYTES_MINIMUM} bytes")
    return key


def _signature(secret: bytes, facts: tuple[str, ...], body: bytes) -> bytes:
    # Header bytes that are no UTF-8 reach us as surrogates; they are signed as the bytes they were.
    return hmac.digest(secret, "\n".join(facts).encode("utf-8", "surrogateescape") + b"\n" + body, "sha256")


def request_open(
    headers: Mapping[str, str], path: str, body: bytes, *, key: Key, own_code: str, now: float
) -> Envelope:
    """Checks the envelope of a request; `now` is unix seconds. Raises NotAuthentic."""
    facts = tuple(
        headers.get(name, "")
        for name in (
            "X-MS-Sender",
            "X-MS-Recipient",
            "X-MS-Message-Id",
            "X-MS-Correlation-Id",
            "X-MS-Timestamp",
            "X-MS-Schema",
            "X-MS-Key-Id",
        )
    )
    sender, recipient, message_id, correlation_id, timestamp, schema, key_id = facts
    try:
        given = base64.b64decode(headers.get("X-MS-Signature", ""), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if key_id != key.key_id:
        raise NotAuthentic("unknown_key", "X-MS-Key-Id names no key of ours.")
    if not hmac.compare_digest(given, _signature(key.secret, ("request", *facts, path), body)):
        raise NotAuthentic("bad_signature", "X-MS-Signature does not fit the request.")
    if sender != PLATFORM_CODE or recipient != own_code:
        raise NotAuthentic("wrong_route", f"This is {own_code}; it takes messages of {PLATFORM_CODE} only.")
    if schema != SCHEMA:
        raise NotAuthentic("unknown_schema", f"X-MS-Schema must be {SCHEMA}.")
    if not message_id:
        raise NotAuthentic("no_message_id", "X-MS-Message-Id is missing.")
    if not timestamp.isdecimal() or abs(int(timestamp) - now) > ALLOWED_SKEW_SECONDS:
        raise NotAuthentic("stale_timestamp", f"X-MS-Timestamp is more than {ALLOWED_SKEW_SECONDS} s off.")
    return Envelope(message_id, correlation_id, path)


def request_headers(
    *, path: str, body: bytes, key: Key, own_code: str, message_id: str, correlation_id: str, now: float
) -> dict[str, str]:
    """The signed headers of a message that this insurer begins; `now` is unix seconds."""
    facts = (own_code, PLATFORM_CODE, message_id, correlation_id, str(int(now)), SCHEMA, key.key_id)
    return _headers(facts, _signature(key.secret, ("request", *facts, path), body))


def answer_headers(envelope: Envelope, body: bytes, *, key: Key, own_code: str, now: float) -> dict[str, str]:
    """The signed headers of the answer to this request; `now` is unix seconds."""
    facts = (
        own_code,
        PLATFORM_CODE,
        envelope.message_id,
        envelope.correlation_id,
        str(int(now)),
        SCHEMA,
        key.key_id,
    )
    return _headers(facts, _signature(key.secret, ("answer", *facts, envelope.path), body))


def _headers(facts: tuple[str, ...], signature: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-MS-Sender": facts[0],
        "X-MS-Recipient": facts[1],
        "X-MS-Message-Id": facts[2],
        "X-MS-Correlation-Id": facts[3],
        "X-MS-Timestamp": facts[4],
        "X-MS-Schema": facts[5],
        "X-MS-Key-Id": facts[6],
        "X-MS-Signature": base64.b64encode(signature).decode("ascii"),
    }
