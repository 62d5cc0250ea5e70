"""Identifiers. UUID version 7 (RFC 9562): time-ordered, so indexes grow at one end and rows lock in order of age."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

HIS_NO = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
RandomBytes = Callable[[int], bytes]


def uuid7(now: datetime, *, random_bytes: RandomBytes = secrets.token_bytes) -> UUID:
    """A new identifier of the time `now`; `random_bytes` is a seam for simulation."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds << 80) | int.from_bytes(random_bytes(10), "big")
    value = value & ~(0xF << 76) | (7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))


def new_trace_id() -> str:
    """128 random bits in hex: the form that tracing tools expect."""
    return secrets.token_hex(16)
