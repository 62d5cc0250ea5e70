"""Strict JSON: what two readers could understand in two ways is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from core.errors import Problem
from core.problems import UnsupportedContent

DEPTH_LIMIT = 16
FRACTION_CHARACTERS = 40
FRACTION_MAGNITUDE = 30
# Not part of a wish: how long the caller would wait this time.
NOT_OF_THE_WISH = frozenset({"wait_seconds"})


class MalformedJson(Problem):
    code = "malformed_json"
    status = 400
    title = "The body is not well-formed JSON"
    detail = "The body cannot be read: {explanation}."
    detail_zh = "请求体无法解析：{explanation}。"
    fix = "Send one JSON object in UTF-8, each key once, without NaN or Infinity."
    fix_zh = "请发送一个 UTF-8 编码的 JSON 对象，每个键只出现一次，不含 NaN 或 Infinity。"


def object_of(body: bytes, *, content_type: str) -> dict[str, Any]:
    """The JSON object in `body`; fractions come as Decimal. Raises UnsupportedContent, MalformedJson."""
    if content_type != "application/json" and not _is_json(content_type):
        raise UnsupportedContent(media_type=content_type[:200] or "(none)")
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_fraction
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(explanation=f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(explanation=f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise MalformedJson(explanation="it is nested too deeply") from None
    except ValueError:
        raise MalformedJson(explanation="a number in it is too long or too large") from None
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
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedJson(explanation=f"key {name[:40]!r} stands twice in one object")
            seen.add(name)
    return value


def _fraction(text: str) -> Decimal:
    """Never a float. Arithmetic on a Decimal like 1e999999999 raises or never ends, so it does not come in."""
    if len(text) > FRACTION_CHARACTERS:
        raise ValueError(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if abs(value.adjusted()) > FRACTION_MAGNITUDE:
        raise ValueError(text)
    return value


def _is_json(content_type: str) -> bool:
    """Whether it names JSON, and no encoding but UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")]
    return media_type == "application/json" and all(charset in ("utf-8", "utf8") for charset in charsets)


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
