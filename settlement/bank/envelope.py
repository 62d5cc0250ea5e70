"""What the bank asks of a request, and how it signs an answer."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SKEW_SECONDS_MAXIMUM = 60.0
SECRET_BYTES_MINIMUM = 16


class NotAuthentic(Exception):
    """The request is not signed as the bank asks."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Key:
    key_id: str
    secret: bytes


def key_read(path: Path) -> Key:
    """The shared secret from its file. Raises ValueError, OSError."""
    content = json.loads(path.read_text())
    try:
        secret = base64.b64decode(content["secret"], validate=True)
        key = Key(str(content["key_id"]), secret)
    except (KeyError, TypeError, binascii.Error):
        raise ValueError('the secret file holds {"key_id": "k1", "secret": "base64"}') from None
    if len(secret) < SECRET_BYTES_MINIMUM:
        raise ValueError(f"a secret has at least {SECRET_BYTES_MINIMUM} bytes")
    return key


def _signature(key: Key, direction: str, message_id: str, timestamp: str, path: str, body: bytes) -> str:
    text = "\n".join([direction, message_id, timestamp, key.key_id, path]).encode() + b"\n" + body
    return base64.b64encode(hmac.digest(key.secret, text, "sha256")).decode()


def request_open(headers: Mapping[str, str], path: str, body: bytes, *, key: Key, now: float) -> str:
    """The message id of an authentic request. Raises NotAuthentic."""
    message_id, timestamp = headers.get("X-Bank-Message-Id", ""), headers.get("X-Bank-Timestamp", "")
    if headers.get("X-Bank-Key-Id") != key.key_id:
        raise NotAuthentic("unknown_key")
    expected = _signature(key, "request", message_id, timestamp, path, body)
    if not hmac.compare_digest(expected, headers.get("X-Bank-Signature", "")):
        raise NotAuthentic("bad_signature")
    if not timestamp.isdigit() or abs(int(timestamp) - now) > SKEW_SECONDS_MAXIMUM:
        raise NotAuthentic("stale_timestamp")
    if not message_id:
        raise NotAuthentic("no_message_id")
    return message_id


def answer_headers(message_id: str, path: str, body: bytes, *, key: Key, now: float, media: str) -> dict[str, str]:
    """The headers of an answer to that message."""
    timestamp = str(int(now))
    return {
        "Content-Type": media,
        "X-Bank-Key-Id": key.key_id,
        "X-Bank-Message-Id": message_id,
        "X-Bank-Timestamp": timestamp,
        "X-Bank-Signature": _signature(key, "answer", message_id, timestamp, path, body),
    }
