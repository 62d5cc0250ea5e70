"""Whoever works on the same bills at the same time: nobody waits in a circle."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from exchange.transport import Transport
from journal.handlers import Outcome
from journal.models import Job
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_QUIET,
    SILENCE,
    abandon,
    act,
    can,
    clock_on,
    code_of,
    found,
    in_doubt,
    insurer,
    reversed_,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, conclude, draft, fresh, perform, receive, take
from tests.exchange.meetings import BILL, CLAIM, at_once, faults, meet

pytestmark = pytest.mark.usefixtures("patient")


def test_an_abandon_never_waits_for_a_worker_that_waits_for_it(committed_house: House) -> None:
    """The worker has claimed the job and wants the bill; the abandon has the bill and wakes the job."""
    house = committed_house
    row = in_doubt(house, "W")
    with insurer(house, query=found()):
        taken, gave_up = meet(lambda: take(house), lambda: abandon(house, "W"), after=CLAIM)
        assert faults([taken, gave_up]) == []
        gave_up_first, taken_later = meet(lambda: abandon(house, "W", 500, "R-2"), lambda: take(house), after=BILL)
        assert faults([taken_later, gave_up_first]) == []
        conclude(perform(taken.works))
        turns(house)
    assert (fresh(row).state, Job.objects.exclude(kind="exchange.watch").count()) == ("REVERSED", 0)
    assert told(house, "W")["self_payment"]["amount_minor"] == 10500
    sound(house)


def test_everything_at_once_on_a_few_bills_finds_no_circle(
    committed_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house = committed_house
    can(house, can_query_by_msgid=True, reverse_unknown_ok=True, reverse_idempotent=True)
    chains = range(4)

    def hospital(number: int) -> list[str]:
        """Settle, pay in cash, settle anew, give back, disown, cancel: on and on, on bills that all share."""
        problems = []
        for step in range(6):
            place: dict[str, Any] = {"visit_no": f"V-{(number + step) % 2}", "bill_no": f"B-{step % 2}"}
            his_no, before = f"H-{number}-{step}", f"H-{number}-{step - 2}"
            wish = draft(house, his_no, **place, replaces=before if step > 1 else "")
            problems += [code_of(one) for one in receive(wish, draft(house, f"{his_no}-b", **place))]
            problems.append(code_of(abandon(house, his_no, receipt_no=f"R-{his_no}", **place)))
            for name, values in (("disown", {"reason": "x"}), ("service-cancelled", {}), ("acknowledge", {})):
                if (step + number) % 3 == 0:
                    problems.append(code_of(act(house, his_no, name, **values)))
        return problems

    def worker() -> int:
        works = 0
        for _ in range(12):
            taken = take(house).works
            works += len(taken)
            conclude(_performed(taken))
        return works

    with insurer(house, settle=[{}, SILENCE] * 60, query=[found(), NOT_FOUND, SILENCE] * 60, reverse=reversed_()):
        results = at_once(*(partial(hospital, number) for number in chains), worker, worker)
        assert faults(results) == []
        assert [record.getMessage() for record in caplog.records if record.name == "journal.drain"] == []
        clock_on(PAST_QUIET)
        turns(house, seconds=60)
        turn(house)
    assert sum(isinstance(one, list) for one in results) == len(chains)
    sound(house)


def _performed(works: Any) -> Any:
    """Sent on a loop of its own: the house's loop belongs to one thread."""

    async def all_of_them() -> list[Outcome]:
        transport = Transport()
        try:
            receipts = await asyncio.gather(*(transport.deliver(work.payload.delivery) for work in works))
        finally:
            await transport.close()
        return [Outcome(work, result=receipt) for work, receipt in zip(works, receipts, strict=True)]

    return asyncio.run(all_of_them())
