"""The native SPI, version 1: JSON over HTTP, one path per module. The README beside this file is its contract."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from exchange.dialects.native.replies import (
    ACCOUNT_PAYERS,
    ALREADY_CANCELLED,
    FUND_PAYERS,
    HELD,
    OUTCOMES,
    UNDO_REFUSALS,
)
from exchange.messages import Held, Original, Outbound, Reply, Split, Wish, untrusted
from exchange.states import CallKind, CallOutcome

PATHS = {
    CallKind.ELIGIBILITY: "/spi/v1/eligibility",
    CallKind.PRESETTLE: "/spi/v1/presettle",
    CallKind.SETTLE: "/spi/v1/settle",
    CallKind.QUERY: "/spi/v1/query",
    CallKind.REVERSE: "/spi/v1/reverse",
    CallKind.CANCEL: "/spi/v1/cancel",
}
MONEY_KINDS = (CallKind.PRESETTLE, CallKind.SETTLE)
TEXT_LIMIT = 500


class NativeDialect:
    def build(
        self, kind: CallKind, wish: Wish, *, msgid: str, not_after: datetime, original: Original | None = None
    ) -> Outbound:
        message: dict[str, Any] = {
            "msgid": msgid,
            "his_no": wish.his_no,
            "hospital": wish.hospital_code,
            "not_after": not_after.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            **{name: wish.body.get(name) for name in ("person", "visit", "insurance")},
        }
        if kind in MONEY_KINDS:
            message |= {name: wish.body.get(name) for name in ("bill", "items")}
            message |= {"total_minor": wish.total_minor, "currency": wish.currency}
        if original is not None:
            message |= _about(kind, original)
        return Outbound(path=PATHS[kind], body=json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())

    def read(self, kind: CallKind, wish: Wish, *, msgid: str, body: bytes, original: Original | None = None) -> Reply:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return untrusted("the body is not JSON")
        if not isinstance(answer, dict) or answer.get("msgid") != msgid:
            return untrusted("it does not answer our message")
        outcome = OUTCOMES.get(answer["code"]) if isinstance(answer.get("code"), str) else None
        reason = answer.get("reason")
        if outcome is CallOutcome.REFUSED:
            said = reason if isinstance(reason, dict) else {}
            return _refusal(kind, _storable(said.get("code")), _storable(said.get("text")))
        if kind is CallKind.QUERY and outcome in (CallOutcome.RUNNING, CallOutcome.NOT_FOUND):
            return Reply(outcome)
        if outcome is not CallOutcome.DONE:
            return untrusted(f"code {str(answer.get('code'))[:40]!r} decides nothing")
        # An error inside a "done" contradicts itself: it proves neither.
        if answer.get("error"):
            return untrusted("it says done and carries an error")
        if original is None:
            return self._done(kind, wish, answer)
        return _READERS[kind](wish, answer, original)

    def _done(self, kind: CallKind, wish: Wish, answer: dict[str, Any]) -> Reply:
        person = answer.get("person")
        asked = wish.person.get("id_no")
        if asked and (not isinstance(person, dict) or person.get("id_no") != asked):
            return untrusted("it names another person")
        if kind not in MONEY_KINDS:
            if answer.get("covered") is True:
                return Reply(CallOutcome.DONE)
            return Reply(CallOutcome.REFUSED, reason_code="refused_by_insurer", insurer_code="not_covered")
        split = _split(answer)
        if split is None:
            return untrusted("its amounts do not make a whole")
        if split.total_minor != wish.total_minor or answer.get("currency") != wish.currency:
            return untrusted("it names another total")
        # It is told back to the insurer one day, so it is kept as it was said or not at all.
        if split.settlement_no != _storable(split.settlement_no):
            return untrusted("its settlement number cannot be stored")
        if kind is CallKind.SETTLE and not split.settlement_no:
            return untrusted("it has no settlement number")
        return Reply(CallOutcome.DONE, split=split)


def _refusal(kind: CallKind, code: str, text: str) -> Reply:
    if kind is CallKind.CANCEL and code == ALREADY_CANCELLED:
        return Reply(CallOutcome.DONE, "already_cancelled", insurer_code=code, insurer_text=text)
    reason = UNDO_REFUSALS.get(code, "refused_by_insurer") if kind is CallKind.REVERSE else "refused_by_insurer"
    return Reply(CallOutcome.REFUSED, reason, insurer_code=code, insurer_text=text)


def _about(kind: CallKind, original: Original) -> dict[str, Any]:
    """What a message says of the act that it asks about or undoes."""
    if kind is CallKind.REVERSE:
        return {"of_msgid": original.msgid, "of_kind": "cancel" if original.kind is CallKind.CANCEL else "settle"}
    if kind is CallKind.QUERY and original.kind is not CallKind.CANCEL:
        return {"of_msgid": original.msgid}
    return {"of_msgid": original.msgid, "settlement_no": original.settlement_no}


def _names_another(wish: Wish, said: dict[str, Any], *, total_minor: int | None) -> bool:
    """Whether what is said belongs to somebody else or to another total."""
    asked, person = wish.person.get("id_no"), said.get("person")
    if asked and (not isinstance(person, dict) or person.get("id_no") != asked):
        return True
    return said.get("total_minor") != total_minor


def _read_query(wish: Wish, answer: dict[str, Any], original: Original) -> Reply:
    found = answer.get("found")
    if not isinstance(found, dict):
        return untrusted("it found nothing that can be read")
    # A cancel was asked for by its settlement, whose own state says whether the cancel stands.
    words = HELD["cancel" if original.kind is CallKind.CANCEL else "settle"]
    held = words.get(found["state"]) if isinstance(found.get("state"), str) else None
    if held is None:
        return untrusted("it found a state that is not known")
    if original.kind is not CallKind.CANCEL and found.get("msgid") != original.msgid:
        return untrusted("it found another message")
    if original.kind is CallKind.CANCEL and found.get("settlement_no") != original.settlement_no:
        return untrusted("it found another settlement")
    if held is Held.REFUSED and original.kind is not CallKind.CANCEL:
        raw = found.get("reason")
        reason = raw if isinstance(raw, dict) else {}
        code, text = _storable(reason.get("code")), _storable(reason.get("text"))
        return Reply(CallOutcome.DONE, "refused_by_insurer", held=held, insurer_code=code, insurer_text=text)
    if _names_another(wish, found, total_minor=wish.total_minor):
        return Reply(CallOutcome.DONE, held=Held.ANOTHER)
    if held is not Held.STANDS or original.kind is CallKind.CANCEL:
        return Reply(CallOutcome.DONE, held=held)
    split = _split(found)
    if split is None or not split.settlement_no or split.settlement_no != _storable(split.settlement_no):
        return untrusted("the amounts that it found do not make a whole")
    return Reply(CallOutcome.DONE, held=held, split=split)


def _read_reverse(wish: Wish, answer: dict[str, Any], original: Original) -> Reply:
    undone = answer.get("reversed")
    # Said before, or where nothing was held, the answer has no person and no total.
    named = "person" in answer or "total_minor" in answer
    if named and _names_another(wish, answer, total_minor=wish.total_minor):
        return untrusted("it reversed another person's settlement or another total")
    if undone is None:
        return Reply(CallOutcome.DONE, reason_code="nothing_held")
    if not isinstance(undone, dict) or undone.get("msgid") != original.msgid:
        return untrusted("it reversed another message")
    settlement_no = _storable(undone.get("settlement_no"))
    if not settlement_no:
        return untrusted("it does not name what it reversed")
    return Reply(CallOutcome.DONE, reason_code="reversal_accepted", undone=settlement_no)


def _read_cancel(wish: Wish, answer: dict[str, Any], original: Original) -> Reply:
    settlement_no = _storable(answer.get("settlement_no"))
    if answer.get("cancelled") != original.settlement_no or not settlement_no:
        return untrusted("it cancelled another settlement")
    # A repeated answer names neither person nor total.
    named = "person" in answer or "total_minor" in answer
    if named and _names_another(wish, answer, total_minor=-(wish.total_minor or 0)):
        return untrusted("it cancelled another person's settlement or another total")
    return Reply(CallOutcome.DONE, undone=settlement_no)


_READERS = {CallKind.QUERY: _read_query, CallKind.REVERSE: _read_reverse, CallKind.CANCEL: _read_cancel}


def _storable(said: object) -> str:
    """The insurer's words as PostgreSQL can keep them: JSON may say NUL and half a character, a text column cannot."""
    return str(said or "").replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()[:TEXT_LIMIT]


def _split(answer: dict[str, Any]) -> Split | None:
    """The answer's amounts, or None when they are not whole numbers that add up."""
    names = ("total_minor", "fund_minor", "account_minor", "hospital_minor", "cash_minor")
    values = [answer.get(name) for name in names]
    shares = answer.get("shares")
    if any(type(value) is not int or value < 0 for value in values) or not isinstance(shares, list):
        return None
    total, fund, account, hospital, cash = [int(value) for value in values if value is not None]
    parts: list[tuple[str, int]] = []
    for share in shares:
        payer, amount = (share.get("payer"), share.get("amount_minor")) if isinstance(share, dict) else (None, None)
        if (
            not isinstance(payer, str)
            or payer not in FUND_PAYERS | ACCOUNT_PAYERS
            or type(amount) is not int
            or amount < 0
        ):
            return None
        parts.append((payer, amount))
    sums_match = (
        sum(amount for payer, amount in parts if payer in FUND_PAYERS) == fund
        and sum(amount for payer, amount in parts if payer in ACCOUNT_PAYERS) == account
        and fund + account + hospital + cash == total
    )
    if not sums_match:
        return None
    return Split(total, fund, account, hospital, cash, tuple(parts), str(answer.get("settlement_no") or ""))
