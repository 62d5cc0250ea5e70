"""The requests of the contract, read strictly, and the frame of every answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

AMOUNT_MINOR_MAXIMUM = 10**15
TEXT_MAXIMUM = 256


class BadMessage(Exception):
    """The body breaks the contract: HTTP 400 with this sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every request carries; answers echo it."""

    msgid: str
    his_no: str

    def answer(self, code: str, **more: Any) -> dict[str, Any]:
        """The frame of an answer: `done`, `refused`, `running` or `not_found`."""
        return {"msgid": self.msgid, "his_no": self.his_no, "code": code, "reason": None, **more}

    def done(self, **more: Any) -> dict[str, Any]:
        """The frame of an answer that says yes."""
        return self.answer("done", **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Message):
    """Eligibility and pre-settlement: nothing is booked. `total_minor` is 0 where none is asked for."""

    id_no: str
    total_minor: int
    currency: str
    insurance: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Message):
    """A settlement; `not_after` is unix seconds or None."""

    kind: str = field(default="settle", init=False)
    hospital: str
    id_no: str
    total_minor: int
    currency: str
    not_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Message):
    """A new negative settlement that takes back one both sides know."""

    kind: str = field(default="cancel", init=False)
    settlement_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(Message):
    """The undo of a message whose result the platform does not know."""

    kind: str = field(default="reverse", init=False)
    of_msgid: str
    of_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Message):
    """A question after a message, or after a settlement number when that is given."""

    of_msgid: str
    settlement_no: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedClaim:
    """A pre-reviewed claim that this insurer shall confirm. `push_id` names one push, however often it is sent."""

    msgid: str
    push_id: str
    claim_no: str
    policy_no: str
    id_no: str
    currency: str
    recommended_minor: int
    content: Mapping[str, Any]

    def answer(self, code: str, **more: Any) -> dict[str, Any]:
        """The frame of an answer: `done` or `refused`."""
        names = {"msgid": self.msgid, "claim_no": self.claim_no, "push_id": self.push_id}
        return {**names, "code": code, "reason": None, **more}


def claim_read(content: Mapping[str, Any]) -> PushedClaim:
    """A pushed claim. Raises BadMessage."""
    return PushedClaim(
        msgid=_text(content, "msgid"),
        push_id=_text(content, "push_id"),
        claim_no=_text(content, "claim_no"),
        policy_no=_text(content, "policy_no"),
        id_no=_text(_object(content, "person"), "id_no"),
        currency=_text(content, "currency"),
        recommended_minor=_amount_minor(content, "recommended_minor"),
        content={name: value for name, value in content.items() if name != "msgid"},
    )


def refused(request: Message, code: str, text: str) -> dict[str, Any]:
    """The frame of a definite refusal."""
    return request.answer("refused") | {"reason": {"code": code, "text": text}}


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAXIMUM:
        raise BadMessage(f"{name} must be a text of 1 to {TEXT_MAXIMUM} characters")
    return value


def _optional_text(content: Mapping[str, Any], name: str) -> str | None:
    return None if content.get(name) is None else _text(content, name)


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    if not isinstance(value, dict):
        raise BadMessage(f"{name} must be an object")
    return value


def _amount_minor(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= AMOUNT_MINOR_MAXIMUM:
        raise BadMessage(f"{name} must be a whole number of minor units from 0 to {AMOUNT_MINOR_MAXIMUM}")
    return value


def _id_no(content: Mapping[str, Any]) -> str:
    """The person's document number; a credential alone stands for a person whose number it is."""
    person = _object(content, "person")
    return _optional_text(person, "id_no") or _text(person, "credential")


def _not_after(content: Mapping[str, Any]) -> float | None:
    value = _optional_text(content, "not_after")
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadMessage("not_after must be an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise BadMessage("not_after must say its time zone")
    return moment.timestamp()


def _of_kind(content: Mapping[str, Any]) -> str:
    value = content.get("of_kind", "settle")
    if value not in ("settle", "cancel"):
        raise BadMessage("of_kind must be settle or cancel")
    return str(value)


def body_read(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body. Raises BadMessage."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage("the body must be JSON in UTF-8") from error
    if not isinstance(content, dict):
        raise BadMessage("the body must be a JSON object")
    return content


def money_read(module: str, content: Mapping[str, Any]) -> Settle | Cancel | Reverse:
    """A request that moves money. Raises BadMessage."""
    msgid, his_no = _text(content, "msgid"), _text(content, "his_no")
    if module == "cancel":
        return Cancel(msgid=msgid, his_no=his_no, settlement_no=_text(content, "settlement_no"))
    if module == "reverse":
        return Reverse(msgid=msgid, his_no=his_no, of_msgid=_text(content, "of_msgid"), of_kind=_of_kind(content))
    return Settle(
        msgid=msgid,
        his_no=his_no,
        hospital=_text(content, "hospital"),
        id_no=_id_no(content),
        total_minor=_amount_minor(content, "total_minor"),
        currency=_text(content, "currency"),
        not_after=_not_after(content),
    )


def trial_read(module: str, content: Mapping[str, Any]) -> Trial:
    """An eligibility or pre-settlement request. Raises BadMessage."""
    is_priced = module == "presettle"
    return Trial(
        msgid=_text(content, "msgid"),
        his_no=_text(content, "his_no"),
        id_no=_id_no(content),
        total_minor=_amount_minor(content, "total_minor") if is_priced else 0,
        currency=_text(content, "currency") if is_priced else "",
        insurance=_object(content, "insurance") if content.get("insurance") is not None else {},
    )


def query_read(content: Mapping[str, Any]) -> Query:
    """A query by message id or by settlement number. Raises BadMessage."""
    settlement_no = _optional_text(content, "settlement_no")
    return Query(
        msgid=_text(content, "msgid"),
        his_no=_text(content, "his_no"),
        of_msgid="" if settlement_no else _text(content, "of_msgid"),
        settlement_no=settlement_no,
    )
