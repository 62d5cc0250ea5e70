"""What happens at a till between a patient's coming and going: one visit, played as `plan.Visit` says.

It believes verdicts and nothing else. Money that changes hands is in the notebook before the platform is told.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from chaos.door import Answer, Door
from chaos.plan import REGION, SCHEMES, Visit

FINAL = ("succeeded", "rejected", "not_sent", "reversed", "cancelled", "stands")
# Longer than a doubt takes with quiet time, ladder and a blow in between; then the back office looks later.
PATIENCE_SECONDS = 75.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.4, 3.0
MOST_TRIES = 3


class Unexpected(Exception):
    """An answer that the contract does not foresee here. It ends the visit and is a finding."""


class Till:
    """One visit in the making. `count` is called for every wish that is made."""

    def __init__(self, visit: Visit, door: Door, count: Callable[[], None], tally: Counter[str]) -> None:
        self.visit, self.door, self.count, self.tally = visit, door, count, tally
        self.wishes = 0
        self.receipts = 0

    async def play(self) -> None:
        """From the first question to the last refund. Raises NoAnswer, Unexpected."""
        habits = self.visit.habits
        extra: dict[str, Any] = {}
        if habits["before"] == "presettle" and (asked := await self.presettle()):
            extra = {"presettle_of": asked}
        his_no = self.new_his_no()
        if habits["before"] == "cash_first":
            await self.cash_first(his_no, extra)
            return
        await self.settle(his_no, extra)

    # Wishes -------------------------------------------------------------------------------------------------------

    def new_his_no(self) -> str:
        self.wishes += 1
        self.count()
        return f"C-{self.visit.number:06d}-{self.wishes}"

    def wish(self, his_no: str, operation: str = "settle", **extra: Any) -> dict[str, Any]:
        visit = self.visit
        total_minor = int(extra.pop("total_minor", visit.total_minor))
        item = {"line_no": 1, "code": "XM0001", "name": "检查费", "quantity": "1", "amount_minor": total_minor}
        return {
            "his_no": his_no,
            "operation": operation,
            "operator": {"no": f"C{visit.number % 40:02d}", "terminal_no": f"W{visit.number % 9}", "shift_no": "S-1"},
            "person": {"id_type": "01", "id_no": visit.id_no, "name": "张三"},
            "visit": {"visit_no": visit.visit_no, "kind": "outpatient"},
            "bill": {"bill_no": visit.bill_no},
            "insurance": {"scheme": SCHEMES[visit.insurer], "region": REGION},
            "items": [item],
            "total_minor": total_minor,
            "currency": "CNY",
            "wait_seconds": visit.wait_seconds,
            **extra,
        }

    async def post(self, wish: Mapping[str, Any]) -> Answer:
        """POST a wish; its promise to exist is in the notebook from the first answer on."""
        await self.keep(
            "wished",
            his_no=wish["his_no"],
            operation=wish["operation"],
            insurer=self.visit.insurer,
            total_minor=wish["total_minor"],
            **{name: wish[name] for name in ("replaces", "retry_of", "of") if wish.get(name)},
        )
        hospital, number = self.visit.hospital, self.visit.number
        sendings = [self.door.post(hospital, wish, visit=number)]
        if self.visit.habits["before"] == "click_twice":
            sendings.append(self.door.post(hospital, wish, visit=number, again=True))
        answer, *_ = await asyncio.gather(*sendings)
        if answer.status not in (200, 202, 409):
            raise Unexpected(f"POST {wish['operation']} {wish['his_no']}: {answer.status} {answer.code}")
        return answer

    async def presettle(self) -> str:
        """Ask what it would cost; returns the his_no that answered, or nothing."""
        his_no = self.new_his_no()
        answer = await self.post(self.wish(his_no, "presettle"))
        answer = await self.until_final(his_no, answer)
        return his_no if answer.verdict == "succeeded" else ""

    async def settle(self, his_no: str, extra: Mapping[str, Any], *, paid_minor: int = 0) -> None:
        """Settle and go on as the verdict says. `paid_minor` is cash the patient has already left here."""
        answer = await self.post(self.wish(his_no, **extra))
        if answer.status == 409:
            # A wish of this bill that we gave up on is still open or has turned out live: it stays with the office.
            self.tally[f"settle refused: {answer.code}"] += 1
            return
        if answer.verdict == "pending":
            answer = await self.on_pending(his_no, answer, paid_minor=paid_minor)
        await self.on_verdict(his_no, answer, paid_minor=paid_minor)

    async def on_verdict(self, his_no: str, answer: Answer, *, paid_minor: int) -> None:
        match answer.verdict:
            case "succeeded":
                await self.on_success(his_no, answer, paid_minor=paid_minor)
            case "rejected" | "not_sent":
                await self.on_refusal(his_no, answer, paid_minor=paid_minor)
            case "reversed":
                await self.on_own_cash(his_no, answer)
            case _:
                # Pending or abandoned beyond patience, or with a person: the office looks at it at the end.
                self.tally[f"left as {answer.verdict}"] += 1

    # Doubt --------------------------------------------------------------------------------------------------------

    async def on_pending(self, his_no: str, answer: Answer, *, paid_minor: int) -> Answer:
        habit = self.visit.habits["on_pending"]
        if habit == "wait" or paid_minor:
            return await self.until_final(his_no, answer)
        if habit == "abandon_late":
            await asyncio.sleep(self.visit.pause_seconds)
        answer = await self.abandon(his_no, twice=habit == "abandon_twice")
        return await self.until_final(his_no, answer)

    async def abandon(self, his_no: str, *, twice: bool = False, **tombstone: Any) -> Answer:
        """Take the whole fee in cash and say so; twice: the till repeats itself, with the same receipt."""
        receipt_no = self.new_receipt()
        minor = self.visit.total_minor
        await self.keep("cash_in", his_no=his_no, minor=minor, receipt_no=receipt_no)
        content = {"self_paid_minor": minor, "tender": "cash", "receipt_no": receipt_no, **tombstone}
        answer = Answer(0, {})
        for time_no in (1, 2) if twice else (1,):
            answer = await self.act("abandon", his_no, content, key=f"k-abandon-{his_no}-{receipt_no}-{time_no}")
            if answer.status not in (200, 409):
                raise Unexpected(f"abandon {his_no}: {answer.status} {answer.code}")
        return answer

    async def cash_first(self, his_no: str, extra: Mapping[str, Any]) -> None:
        """Cash is taken and told before the wish itself comes: the wish must not be worked any more."""
        bill: dict[str, Any] = {
            "visit_no": self.visit.visit_no,
            "bill_no": self.visit.bill_no,
            "total_minor": self.visit.total_minor,
        }
        await self.keep(
            "wished", his_no=his_no, operation="settle", insurer=self.visit.insurer, total_minor=self.visit.total_minor
        )
        first = await self.abandon(his_no, **bill)
        answer = await self.post(self.wish(his_no, **extra))
        if first.status != 200 or answer.status != 409 or answer.verdict != "not_sent":
            raise Unexpected(f"tombstone {his_no}: {first.status}, then {answer.status} {answer.verdict}")
        await self.on_own_cash(his_no, answer)

    async def until_final(self, his_no: str, answer: Answer) -> Answer:
        """Ask until the verdict is final or patience is used up."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        pause_seconds = FIRST_LOOK_SECONDS
        while answer.verdict not in FINAL and not _with_a_person(answer) and time.monotonic() < give_up_at:
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(LONGEST_LOOK_SECONDS, pause_seconds * 1.5)
            answer = await self.get(his_no)
        return answer

    # Endings ------------------------------------------------------------------------------------------------------

    async def on_success(self, his_no: str, answer: Answer, *, paid_minor: int) -> None:
        if paid_minor or answer.told.get("self_payment", {}).get("amount_minor"):
            await self.acknowledge(his_no)
            await self.refund(his_no)
            return
        habit = self.visit.habits["on_success"]
        match habit:
            case "acknowledge" | "acknowledge_twice":
                for _ in range(2 if habit == "acknowledge_twice" else 1):
                    await self.acknowledge(his_no)
            case "cash_late":
                await asyncio.sleep(self.visit.pause_seconds)
                late = await self.abandon(his_no)
                if late.status != 409 or late.verdict != "succeeded":
                    raise Unexpected(f"cash after success {his_no}: {late.status} {late.verdict}")
                await self.refund(his_no)
            case "disown":
                await self.disown(his_no)
            case "cancel" | "cancel_and_settle":
                await self.cancel(his_no, settle_again=habit == "cancel_and_settle")
            case "resettle":
                await self.resettle(his_no)

    async def acknowledge(self, his_no: str) -> None:
        answer = await self.act("acknowledge", his_no, {"verdict": "succeeded"})
        if answer.status != 200:
            raise Unexpected(f"acknowledge {his_no}: {answer.status} {answer.code}")

    async def on_refusal(self, his_no: str, answer: Answer, *, paid_minor: int) -> None:
        """Nothing is held at the insurer. Cash that was told stands."""
        told = answer.told.get("self_payment", {})
        if paid_minor or told.get("amount_minor"):
            await self.on_own_cash(his_no, answer)
            return
        habit = self.visit.habits["on_refusal" if answer.verdict == "rejected" else "on_unsent"]
        if habit == "retry" and self.wishes < MOST_TRIES:
            await asyncio.sleep(self.visit.pause_seconds)
            await self.settle(self.new_his_no(), {"retry_of": his_no})
        elif habit == "cash":
            after = await self.abandon(his_no)
            if after.status != 409 or after.verdict != answer.verdict:
                raise Unexpected(f"cash after {answer.verdict} {his_no}: {after.status} {after.verdict}")
            await self.on_own_cash(his_no, after)

    async def on_own_cash(self, his_no: str, answer: Answer) -> None:
        """The patient's cash stands, or nothing was paid and the settlement is gone."""
        habit = self.visit.habits["on_own_cash"]
        paid_minor = int(answer.told.get("self_payment", {}).get("amount_minor") or 0)
        if habit == "replace" and self.wishes < MOST_TRIES:
            await asyncio.sleep(self.visit.pause_seconds)
            await self.settle(self.new_his_no(), {"replaces": his_no}, paid_minor=paid_minor)
        elif habit == "service_cancelled" and paid_minor:
            answer = await self.act("service-cancelled", his_no, {"reason": "not given"})
            if answer.status != 200:
                raise Unexpected(f"service-cancelled {his_no}: {answer.status} {answer.code}")
            await self.refund(his_no)

    async def refund(self, his_no: str) -> None:
        """Give back what is due now, and say so."""
        habit = self.visit.habits["on_refund_due"]
        due_minor = int((await self.get(his_no)).told["self_payment"]["refund_due_minor"])
        if habit == "forget" or not due_minor:
            return
        refund_no = f"R-{his_no}"
        await self.keep("cash_out", his_no=his_no, minor=due_minor, refund_no=refund_no)
        content = {"amount_minor": due_minor, "refund_no": refund_no, "tender": "cash", "red_receipt_no": refund_no}
        for time_no in (1, 2) if habit == "report_twice" else (1,):
            answer = await self.act("refunded", his_no, content, key=f"k-refunded-{his_no}-{time_no}")
            if answer.status != 200:
                raise Unexpected(f"refunded {his_no} {due_minor}: {answer.status} {answer.code}")

    # Undoing ------------------------------------------------------------------------------------------------------

    async def disown(self, his_no: str) -> None:
        """The success never reached the hospital's own books: it is to be reversed."""
        answer = await self.act("disown", his_no, {"reason": "not booked"})
        if answer.status != 200:
            raise Unexpected(f"disown {his_no}: {answer.status} {answer.code}")
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while answer.verdict == "succeeded" and not _with_a_person(answer) and time.monotonic() < give_up_at:
            await asyncio.sleep(FIRST_LOOK_SECONDS * 2)
            answer = await self.get(his_no)
        if answer.verdict == "reversed":
            await self.on_own_cash(his_no, answer)
        else:
            self.tally[f"disowned and {answer.verdict}"] += 1

    async def cancel(self, his_no: str, *, settle_again: bool) -> None:
        """Both sides know the deal and undo it by a negative settlement."""
        cancel_no = self.new_his_no()
        answer = await self.post(self.wish(cancel_no, "cancel", of=his_no))
        if answer.status == 409:
            raise Unexpected(f"cancel of {his_no}: 409 {answer.code}")
        answer = await self.until_final(cancel_no, answer)
        self.tally[f"cancel {answer.verdict}"] += 1
        if settle_again and answer.verdict == "succeeded" and self.wishes < MOST_TRIES:
            await self.settle(self.new_his_no(), {"replaces": his_no}, paid_minor=0)

    async def resettle(self, his_no: str) -> None:
        """A part of the service was not given: the whole is cancelled and the rest settled, by the platform."""
        resettle_no = self.new_his_no()
        answer = await self.post(self.wish(resettle_no, "resettle", of=his_no, total_minor=self.visit.rest_minor))
        if answer.status == 409:
            raise Unexpected(f"resettle of {his_no}: 409 {answer.code}")
        # The request names the cancel; its second half, which settles the rest, has the verdict.
        answer = await self.until_final(f"{resettle_no}~2", answer)
        self.tally[f"resettle {answer.verdict}"] += 1

    # Small things -------------------------------------------------------------------------------------------------

    def new_receipt(self) -> str:
        self.receipts += 1
        return f"Q-{self.visit.number:06d}-{self.receipts}"

    async def get(self, his_no: str) -> Answer:
        answer = await self.door.get(self.visit.hospital, his_no, visit=self.visit.number)
        if answer.status != 200:
            raise Unexpected(f"GET {his_no}: {answer.status} {answer.code}")
        return answer

    async def act(self, name: str, his_no: str, content: Mapping[str, Any], *, key: str = "") -> Answer:
        return await self.door.act(
            self.visit.hospital, his_no, f"/{his_no}/{name}", content, visit=self.visit.number, name=name, key=key
        )

    async def keep(self, what: str, **entry: Any) -> None:
        visit = self.visit
        bill: dict[str, Any] = {"visit_no": visit.visit_no, "bill_no": visit.bill_no}
        await self.door.notebook.keep(
            what=what, visit=visit.number, hospital=visit.hospital, **bill, **entry, at=time.time()
        )


def _with_a_person(answer: Answer) -> bool:
    """Nobody waits at a till for two people to rule."""
    return answer.told.get("state") == "NEEDS_HUMAN"
