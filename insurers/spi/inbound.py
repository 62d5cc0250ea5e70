"""A decision that an insurer's system tells, read strictly: what could be understood in two ways is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.money import EXPONENTS, LARGEST_MINOR
from insurers.spi.outbound import storable

NUMBER_LIMIT = 80
TEXT_LIMIT = 2000
ITEMS_LIMIT = 20


class ToldWord(StrEnum):
    APPROVE = "approve"
    APPROVE_PARTLY = "approve_partly"
    DECLINE = "decline"
    NEED_MATERIALS = "need_materials"


class NotReadable(Exception):
    """The message breaks the contract; `place` is the member that does."""

    def __init__(self, place: str, says: str) -> None:
        super().__init__(f"{place}: {says}")
        self.place = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One decision, or one wish for materials. `amount_minor` is what is confirmed, 0 on a refusal."""

    decision_no: str
    claim_no: str
    push_no: str
    word: ToldWord
    amount_minor: int
    currency: str
    reason_code: str
    clause: str
    clause_zh: str
    explanation: str
    lines: tuple[Mapping[str, Any], ...] = ()
    items: tuple[Mapping[str, str], ...] = ()
    message: str = ""
    message_zh: str = ""
    supervisor: str = ""
    why_not_before: str = field(default="")


def decision_read(body: bytes) -> Told:
    """The decision in a verified body. Raises NotReadable with the member that is wrong."""
    try:
        content = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise NotReadable("body", "is no JSON object in UTF-8 with each key once") from None
    if not isinstance(content, dict):
        raise NotReadable("body", "is no JSON object")
    word = content.get("decision")
    if word not in list(ToldWord):
        raise NotReadable("decision", f"is not one of {', '.join(ToldWord)}")
    told = Told(
        decision_no=_text(content, "decision_no", NUMBER_LIMIT),
        claim_no=_text(content, "claim_no", NUMBER_LIMIT),
        push_no=_optional(content, "push_id", NUMBER_LIMIT),
        word=ToldWord(word),
        amount_minor=_amount(content, "amount_minor"),
        currency=_text(content, "currency", 3),
        reason_code=_optional(content, "reason_code", 40),
        clause=_optional(content, "clause"),
        clause_zh=_optional(content, "clause_zh"),
        explanation=_optional(content, "explanation"),
        lines=_lines(content),
        items=_items(content),
        message=_optional(content, "message"),
        message_zh=_optional(content, "message_zh"),
        supervisor=_optional(content, "supervisor", NUMBER_LIMIT),
        why_not_before=_optional(content, "why_not_before"),
    )
    _whole(told)
    return told


def _whole(told: Told) -> None:
    if told.currency not in EXPONENTS:
        raise NotReadable("currency", "is not known")
    if told.word in (ToldWord.DECLINE, ToldWord.APPROVE_PARTLY) and not (told.clause and told.clause_zh):
        raise NotReadable("clause", "a refusal quotes its clause in both languages")
    if told.word in (ToldWord.DECLINE, ToldWord.NEED_MATERIALS) and told.amount_minor:
        raise NotReadable("amount_minor", "is 0 where nothing is confirmed")
    if told.word == ToldWord.NEED_MATERIALS and not (told.items and told.message and told.message_zh):
        raise NotReadable("items", "what is asked for is named, with a message in both languages")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice")
    return value


def _text(content: Mapping[str, Any], name: str, limit: int = TEXT_LIMIT) -> str:
    value = _optional(content, name, limit)
    if not value:
        raise NotReadable(name, f"must be a text of 1 to {limit} characters")
    return value


def _optional(content: Mapping[str, Any], name: str, limit: int = TEXT_LIMIT) -> str:
    value = content.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit or storable(value) != value:
        raise NotReadable(name, f"must be a text of at most {limit} characters")
    return value


def _amount(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if type(value) is not int or not 0 <= value <= LARGEST_MINOR:
        raise NotReadable(name, "must be a whole number of minor units")
    return value


def _objects(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = content.get(name) or []
    if not isinstance(value, list) or len(value) > ITEMS_LIMIT or not all(isinstance(one, dict) for one in value):
        raise NotReadable(name, f"must be a list of at most {ITEMS_LIMIT} objects")
    return value


def _lines(content: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    lines = []
    for one in _objects(content, "lines"):
        number = one.get("line_no")
        if type(number) is not int or number < 1:
            raise NotReadable("lines", "each has its line_no")
        lines.append(
            {"line_no": number, "amount_minor": _amount(one, "amount_minor"), "clause": _optional(one, "clause")}
        )
    return tuple(lines)


def _items(content: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    return tuple(
        {
            "kind": _text(one, "kind", 30),
            "reason": _text(one, "reason", 500),
            "reason_zh": _text(one, "reason_zh", 500),
        }
        for one in _objects(content, "items")
    )
