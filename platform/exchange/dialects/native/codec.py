"""The native SPI, version 1: JSON over HTTP, one path per module. The README beside this file is its contract."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from exchange.dialects.native.replies import ACCOUNT_PAYERS, FUND_PAYERS, OUTCOMES
from exchange.messages import Outbound, Reply, Split, Wish, untrusted
from exchange.states import CallKind, CallOutcome

PATHS = {
    CallKind.ELIGIBILITY: "/spi/v1/eligibility",
    CallKind.PRESETTLE: "/spi/v1/presettle",
    CallKind.SETTLE: "/spi/v1/settle",
}
MONEY_KINDS = (CallKind.PRESETTLE, CallKind.SETTLE)
TEXT_LIMIT = 500


class NativeDialect:
    def build(self, kind: CallKind, wish: Wish, *, msgid: str, not_after: datetime) -> Outbound:
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
        return Outbound(path=PATHS[kind], body=json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())

    def read(self, kind: CallKind, wish: Wish, *, msgid: str, body: bytes) -> Reply:
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
            return Reply(
                outcome,
                reason_code="refused_by_insurer",
                insurer_code=_storable(said.get("code")),
                insurer_text=_storable(said.get("text")),
            )
        if outcome is not CallOutcome.DONE:
            return untrusted(f"code {str(answer.get('code'))[:40]!r} decides nothing")
        # An error inside a "done" contradicts itself: it proves neither.
        if answer.get("error"):
            return untrusted("it says done and carries an error")
        return self._done(kind, wish, answer)

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
