"""The story's chapters about doubt: lost answers, cash at the counter, reversals, and fees that are settled anew.

A till is kept beside them as a hospital keeps its own: what each verdict and each payment puts in or takes out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.money import Money
from medisettle_client import Client, Problem, Verdict

SECONDS = 60.0
PRICE_MINOR = 10_000
Insurer = Mapping[str, Any]


class StoryFailed(Exception):
    """Something did not turn out as told."""


@dataclass(slots=True)
class Doubts:
    """One hospital's counter. `wish` makes a fee of PRICE_MINOR, `break_next` breaks an insurer's next money call."""

    client: Client
    say: Callable[[str], None]
    wish: Callable[..., dict[str, Any]]
    break_next: Callable[[Insurer, str], None]
    book: Callable[[Insurer], list[dict[str, Any]]]
    till_minor: int = 0
    receipts: Counter[str] = field(default_factory=Counter)

    def lost_answer(self, insurer: Insurer) -> None:
        """The insurer's answer is lost, the patient pays in cash; it is reversed once and settled anew."""
        wish = self._silenced(insurer)
        told = self._cash(wish["his_no"], PRICE_MINOR)
        expect(told.verdict == "abandoned", "the cash is the patient's payment for now", told)
        told = self._ends(wish["his_no"], "reversed")
        expect(told.self_payment.state == "STANDS" and square(told), "cash stands and the bill is square", told)
        self._reversed_once(insurer, wish["his_no"])
        self.say(f"   {wish['his_no']} {insurer['code']}: answer lost, 100.00 in cash, reversed once, cash stands")
        anew = self._settle(self.wish(insurer, visit=wish["visit"], replaces=wish["his_no"]))
        due = anew.self_payment.refund_due_minor
        expect(due == PRICE_MINOR - own(anew), "what the insurer pays goes back to the patient", anew)
        told = self._refund(anew.his_no, due)
        expect(told.self_payment.state == "REFUNDED" and square(told), "the bill is square again", told)
        self.say(f"   {anew.his_no} settled anew: patient pays {Money(own(anew))}, {Money(due)} went back")

    def insurance_stands(self, insurer: Insurer) -> None:
        """It is proven settled before the cash is told: the surplus is due back.

        An insurer that cannot be asked cannot prove it later either: there the cashier only missed the answer.
        """
        if insurer["capabilities"]["can_query_by_msgid"]:
            wish = self._silenced(insurer)
        else:
            wish = self.wish(insurer)
            self.client.settle(wish)
        told = self._ends(wish["his_no"], "succeeded")
        try:
            self.client.abandon(
                wish["his_no"], self_paid_minor=PRICE_MINOR, collected_at=datetime.now(UTC), receipt_no="R-late"
            )
            raise StoryFailed("expected that a late cash report is answered with the success that came first")
        except Problem as refused:
            expect(refused.status == 409, "success was proven first", told)
        self.till_minor += PRICE_MINOR
        told = self.client.get(wish["his_no"])
        due = told.self_payment.refund_due_minor
        expect(due == PRICE_MINOR - own(told), "refund due is cash taken less the own share", told)
        told = self._refund(wish["his_no"], due)
        expect(square(told), "the bill is square", told)
        self.say(f"   {wish['his_no']} {insurer['code']}: proven settled, cash told late, {Money(due)} went back")

    def service_given_up(self, insurer: Insurer) -> None:
        """Cash was taken, the insurer is reversed, and the service is not given after all: everything goes back."""
        wish = self._silenced(insurer)
        self._cash(wish["his_no"], PRICE_MINOR)
        self._ends(wish["his_no"], "reversed", "rejected")
        told = self.client.service_cancelled(wish["his_no"])
        expect(told.self_payment.refund_due_minor == PRICE_MINOR, "all cash is due back", told)
        told = self._refund(wish["his_no"], PRICE_MINOR)
        expect(square(told), "nothing is left", told)
        self.say(f"   {wish['his_no']} {insurer['code']}: service not given, {Money(PRICE_MINOR)} went back")

    def cancelled(self, insurer: Insurer) -> None:
        """A settled fee is cancelled, and another one is settled anew for its rest."""
        first = self._settle(self.wish(insurer))
        told = self.client.cancel(self.wish(insurer, operation="cancel", items=[], total_minor=None), of=first.his_no)
        expect(told.verdict == "succeeded", "the cancel is proven", told)
        self.till_minor -= own(first)
        expect(self.client.get(first.his_no).verdict == "cancelled", "the original is cancelled", told)
        second = self._settle(self.wish(insurer))
        rest = self.client.resettle(self.wish(insurer, operation="resettle", total_minor=6_000), of=second.his_no)
        expect(rest.verdict == "succeeded" and rest.his_no.endswith("~2"), "the rest is settled", rest)
        difference = own(rest) - own(second)
        expect(rest.cash_difference_minor == difference, "the cash difference is told", rest)
        self.till_minor += difference
        self.say(f"   {second.his_no} {insurer['code']}: settled anew for 60.00, {Money(-difference)} went back")

    # What a cashier does ------------------------------------------------------------------------------------------

    def _silenced(self, insurer: Insurer) -> dict[str, Any]:
        """A fee whose insurer settled it and then said nothing."""
        self.break_next(insurer, "commit_then_silence")
        wish = self.wish(insurer, wait_seconds=2)
        told = self.client.settle(wish)
        expect(told.verdict == "pending", "silence is told as pending", told)
        return wish

    def _settle(self, wish: dict[str, Any]) -> Verdict:
        told = self.client.settle(wish)
        expect(told.verdict == "succeeded", "a fee settles", told)
        covered = told.self_payment.amount_minor
        self.till_minor += 0 if covered else own(told)
        return told

    def _cash(self, his_no: str, amount_minor: int) -> Verdict:
        self.receipts["R"] += 1
        told = self.client.abandon(
            his_no,
            self_paid_minor=amount_minor,
            collected_at=datetime.now(UTC),
            receipt_no=f"R-{his_no}-{self.receipts['R']}",
        )
        self.till_minor += amount_minor
        return told

    def _refund(self, his_no: str, amount_minor: int) -> Verdict:
        told = self.client.refunded(his_no, amount_minor=amount_minor, refund_no=f"F-{his_no}", tender="cash")
        self.till_minor -= amount_minor
        return told

    def _ends(self, his_no: str, *verdicts: str) -> Verdict:
        give_up_at = time.monotonic() + SECONDS
        while (told := self.client.get(his_no)).verdict not in verdicts:
            expect(time.monotonic() < give_up_at, f"it ends as {' or '.join(verdicts)}", told)
            time.sleep(0.3)
        return told

    def _reversed_once(self, insurer: Insurer, his_no: str) -> None:
        held = [row for row in self.book(insurer) if row["his_no"] == his_no]
        if [(row["state"], row["accepted_reversals"]) for row in held] != [("reversed", 1)]:
            raise StoryFailed(f"{his_no} is not reversed exactly once in the book of {insurer['code']}: {held}")


def own(told: Verdict) -> int:
    """The patient's own share, minor units."""
    return told.amounts.cash_minor if told.amounts is not None else 0


def square(told: Verdict) -> bool:
    return told.bill is not None and told.bill.square


def expect(holds: bool, what: str, told: Verdict) -> None:
    """Raises StoryFailed with what was told instead."""
    if not holds:
        raise StoryFailed(f"expected that {what}; was told {told}")
