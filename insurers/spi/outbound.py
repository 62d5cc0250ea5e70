"""A pre-reviewed claim as a message, and what the insurer's answer to it means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from insurers.states import PushOutcome

PATH = "/spi/v1/claim"
TEXT_LIMIT = 200
NUMBER_LIMIT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedLine:
    line_no: int
    drug: str
    quantity: int
    unit_price_minor: int
    amount_minor: int
    payable_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedDocument:
    """What the patient handed in, by its content's digest; the insurer's people look at it in the portal."""

    kind: str
    sha256: str
    media_type: str
    issued_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedClaim:
    """All that an insurer's own system is told. Amounts in minor units of `currency`."""

    push_no: str
    round: int
    claim_no: str
    episode: int
    kind: str
    policy_no: str
    product: str
    terms_number: int
    confirmation_mode: str
    id_type: str
    id_no: str
    name: str
    drug: str
    icd10: str
    service_on: date
    quantity: int
    days_of_supply: int
    currency: str
    total_minor: int
    payable_minor: int
    deductible_minor: int
    recommended_minor: int
    risk: str
    lines: Sequence[PushedLine]
    documents: Sequence[PushedDocument]


@dataclass(frozen=True, slots=True)
class PushReply:
    """An answer in our words."""

    outcome: PushOutcome
    reason: str = ""
    case_no: str = ""


def content_of(claim: PushedClaim) -> dict[str, Any]:
    """The message without its id: equal for every message of one push."""
    return {
        "push_id": claim.push_no,
        "round": claim.round,
        "claim_no": claim.claim_no,
        "episode": claim.episode,
        "kind": claim.kind,
        "policy_no": claim.policy_no,
        "product": claim.product,
        "terms_number": claim.terms_number,
        "confirmation_mode": claim.confirmation_mode,
        "person": {"id_type": claim.id_type, "id_no": claim.id_no, "name": claim.name},
        "drug": claim.drug,
        "icd10": claim.icd10,
        "service_on": claim.service_on.isoformat(),
        "quantity": claim.quantity,
        "days_of_supply": claim.days_of_supply,
        "currency": claim.currency,
        "total_minor": claim.total_minor,
        "payable_minor": claim.payable_minor,
        "deductible_minor": claim.deductible_minor,
        "recommended_minor": claim.recommended_minor,
        "risk": claim.risk,
        "lines": [
            {
                "line_no": line.line_no,
                "drug": line.drug,
                "quantity": line.quantity,
                "unit_price_minor": line.unit_price_minor,
                "amount_minor": line.amount_minor,
                "payable_minor": line.payable_minor,
            }
            for line in claim.lines
        ],
        "documents": [
            {
                "kind": one.kind,
                "sha256": one.sha256,
                "media_type": one.media_type,
                "issued_on": one.issued_on.isoformat() if one.issued_on else None,
            }
            for one in claim.documents
        ],
    }


def body_of(content: Mapping[str, Any], *, msgid: str) -> bytes:
    """The exact bytes of one message."""
    return json.dumps({"msgid": msgid, **content}, ensure_ascii=False, separators=(",", ":")).encode()


def answer_read(body: bytes, *, msgid: str, push_no: str, claim_no: str) -> PushReply:
    """What a verified answer says. Never raises for anything that a counterparty can send."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return unknown("the body is not JSON")
    if not isinstance(answer, dict):
        return unknown("the body is no object")
    if (answer.get("msgid"), answer.get("push_id"), answer.get("claim_no")) != (msgid, push_no, claim_no):
        return unknown("it does not answer our message")
    if answer.get("error"):
        return unknown("it carries an error")
    if answer.get("code") == "done":
        return PushReply(PushOutcome.TAKEN, case_no=storable(answer.get("case_no"))[:NUMBER_LIMIT])
    reason = answer.get("reason")
    if answer.get("code") == "refused" and isinstance(reason, dict):
        return PushReply(PushOutcome.REFUSED, storable(reason.get("code"))[:NUMBER_LIMIT] or "refused")
    return unknown("its code decides nothing")


def unknown(reason: str) -> PushReply:
    """An answer that proves nothing: the push is asked again under the same number."""
    return PushReply(PushOutcome.UNKNOWN, reason[:TEXT_LIMIT])


def storable(said: object) -> str:
    """Their words as PostgreSQL can keep them: JSON may say NUL and half a character, a text column cannot."""
    return str(said or "").replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
