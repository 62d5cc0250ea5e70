"""Strict JSON: what two readers could understand in two ways is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.errors import Problem
from core.problems import UnsupportedContent

DEPTH_LIMIT = 16
# Not part of a wish: how long the caller would wait this time.
NOT_OF_THE_WISH = frozenset({"wait_seconds"})


class MalformedJson(Problem):
    code = "malformed_json"
    status = 400
    title = "The body is not well-formed JSON"
    detail = "The body cannot be read: {explanation}."
    detail_zh = "请求体无法解析:{explanation}。"
    fix = "Send one JSON object in UTF-8, each key once, without NaN or Infinity."


def object_of(body: bytes, *, content_type: str) -> dict[str, Any]:
    """The JSON object in `body`; fractions come as Decimal. Raises UnsupportedContent, MalformedJson."""
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"') if parameters.strip() else "utf-8"
    if media_type.strip().lower() != "application/json" or charset not in ("utf-8", "utf8"):
        raise UnsupportedContent(media_type=content_type or "(none)")
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=Decimal
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(explanation=f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(explanation=f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise MalformedJson(explanation="it is nested too deeply") from None
    except ValueError:
        raise MalformedJson(explanation="a number in it is too long") from None
    if not isinstance(value, dict):
        raise MalformedJson(explanation="it is not an object")
    _check_depth(value)
    return value


def canonical(wish: Mapping[str, Any]) -> bytes:
    """One spelling for equal wishes: sorted keys, no blanks, without wait_seconds. Raises MalformedJson."""
    kept = {name: value for name, value in wish.items() if name not in NOT_OF_THE_WISH}
    try:
        return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    except UnicodeEncodeError:
        raise MalformedJson(explanation="it contains half a character (a lone surrogate)") from None


def digest_of(canonical_body: bytes) -> bytes:
    return hashlib.sha256(canonical_body).digest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedJson(explanation=f"key {twice[:40]!r} stands twice in one object")
    return value


def _no_constant(name: str) -> None:
    raise MalformedJson(explanation=f"{name} is not JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise MalformedJson(explanation=f"it is nested more than {DEPTH_LIMIT} levels deep")
