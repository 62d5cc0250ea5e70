"""One spelling for each body, and one idempotency key for each wish and act."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

TAG_CHARACTERS = 12


def canonical(body: Mapping[str, object]) -> bytes:
    """The bytes to send. Raises ValueError or TypeError for what JSON cannot say; half a character is a ValueError."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def key_of(act: str, his_no: str, body: Mapping[str, object]) -> str:
    """The key of one act on one his_no, the same at every repeat: from any till, and after a restart.

    Another body has another key, so that the platform answers with what is stored under the his_no. The person is left
    out of the tag: a key may stand in a log, and must not tell by trying whom it was for.
    """
    counted = {name: value for name, value in body.items() if name not in ("person", "wait_seconds")}
    return f"{act}.{his_no}.{hashlib.sha256(canonical(counted)).hexdigest()[:TAG_CHARACTERS]}"
