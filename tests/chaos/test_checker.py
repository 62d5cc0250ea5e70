"""The judge finds nothing on a good day, and each harm by its name: a checker that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.accounts import accounts_of
from chaos.checker import check, promises
from chaos.facts import Cash, Facts, Posted
from tests.chaos.day import bill, good_day, held, told, with_held, with_row


def told_cash(*, refund_due_minor: int) -> dict[str, Any]:
    """What GET says of a success over cash, with its bill called square."""
    cash = {"state": "REFUNDED", "amount_minor": 10000, "refund_due_minor": refund_due_minor}
    return {"verdict": "succeeded", "self_payment": cash, "bill": {"square": True}}


def listed(kind: str, his_no: str) -> dict[str, Any]:
    """An entry of the abnormal list."""
    return {"kind": kind, "his_no": his_no, "bill_no": "B-1", "amount_minor": 10000}


HARM: dict[str, tuple[str, Callable[[Facts], Facts]]] = {
    "a wish was answered and is gone": (
        "nothing is lost",
        lambda day: replace(day, final={**day.final, "4": None}),
    ),
    "a till met what the contract does not foresee": (
        "answers as the contract says",
        lambda day: replace(day, surprises=["visit 7: Unexpected: GET 7: 500 internal"]),
    ),
    "an answer was HTTP 500": (
        "answers as the contract says",
        lambda day: replace(day, told=[*day.told, *told("1", "", status=500)]),
    ),
    "a success is told as pending again": (
        "no verdict is broken",
        lambda day: replace(day, told=[*day.told, *told("1", "pending")]),
    ),
    "a success is reversed that nobody disowned": (
        "no verdict is broken",
        lambda day: with_row(day, "1", verdicts=("succeeded", "reversed")),
    ),
    "what GET says now breaks what was told": (
        "no verdict is broken",
        lambda day: replace(day, final={**day.final, "2": {"verdict": "succeeded"}}),
    ),
    "a verdict given up for cash becomes a success": (
        "no verdict is broken",
        lambda day: with_row(day, "2", verdicts=("pending", "abandoned", "succeeded")),
    ),
    "an acknowledgement is forgotten": (
        "what was said is kept",
        lambda day: replace(day, final={**day.final, "1": {"verdict": "succeeded", "acknowledged": False}}),
    ),
    "a disowned success stands": (
        "what was said is kept",
        lambda day: replace(day, told=[*day.told, *told("1", "succeeded", act="disown")]),
    ),
    "a doubt never ends": ("everything ends", lambda day: with_row(day, "4", state="IN_DOUBT")),
    "a settle is sent twice": ("a settle is sent once", lambda day: with_row(day, "1", settle_msgids=["M-1", "M-1x"])),
    "the insurer holds what was never sent": (
        "a settle is sent once",
        lambda day: replace(day, held=[*day.held, held("4", "settled", msgid="M-X")]),
    ),
    "one wish is settled twice": (
        "books agree",
        lambda day: replace(day, held=[*day.held, held("1", "settled")]),
    ),
    "a success is not in the insurer's book": (
        "books agree",
        lambda day: replace(day, held=[one for one in day.held if one.his_no != "1"]),
    ),
    "a refusal is settled there": ("books agree", lambda day: replace(day, held=[*day.held, held("4", "settled")])),
    "what we call reversed stands there": (
        "books agree",
        lambda day: with_held(day, "2", state="settled", accepted_reversals=0),
    ),
    "what we call settled was reversed there": (
        "books agree",
        lambda day: with_held(day, "1", state="reversed", accepted_reversals=1),
    ),
    "a cancelled one stands there": ("books agree", lambda day: with_held(day, "3", state="settled")),
    "the fund's share differs by one": ("books agree", lambda day: with_row(day, "1", fund_minor=7999)),
    "another total than wished is kept": ("books agree", lambda day: with_row(day, "4", total_minor=1)),
    "it went to another insurer": ("books agree", lambda day: with_row(day, "1", insurer="SANDBOX-B")),
    "the insurer holds a fee we do not know": (
        "books agree",
        lambda day: replace(day, ours={his_no: row for his_no, row in day.ours.items() if his_no != "1"}),
    ),
    "one settlement was reversed twice": (
        "one reversal per settlement",
        lambda day: with_held(day, "2", accepted_reversals=2),
    ),
    "two settlements are live on a bill": (
        "bills are right",
        lambda day: with_held(day, "2", state="settled", accepted_reversals=0),
    ),
    "too much was given back": (
        "bills are right",
        lambda day: replace(day, cash=[*day.cash, Cash(his_no="2b", bill=bill(2), minor=-1, number="R-3")]),
    ),
    "a refund is due and the bill hides it": (
        "bills are right",
        lambda day: replace(day, cash=day.cash[:1]),
    ),
    "cash that was told is not shown": (
        "bills are right",
        lambda day: replace(day, bills={bill(2): {**day.bills[bill(2)], "self_paid_minor": 0}}),
    ),
    "a bill calls itself square and is not": (
        "bills are right",
        lambda day: replace(day, bills={bill(4): {**day.bills[bill(4)], "square": False}}),
    ),
    "a transaction tells another refund than is due": (
        "bills are right",
        lambda day: replace(day, final={**day.final, "2b": told_cash(refund_due_minor=1)}),
    ),
    "a transaction hides that its bill is not square": (
        "bills are right",
        lambda day: replace(day, final={**day.final, "2b": told_cash(refund_due_minor=8000)}, cash=day.cash[:1]),
    ),
    "what nobody booked is not on the list": ("the list shows it", lambda day: replace(day, abnormal={"HOSP-A": []})),
    "what was booked is on the list": (
        "the list shows it",
        lambda day: replace(day, abnormal={"HOSP-A": [*day.abnormal["HOSP-A"], listed("unacknowledged", "1")]}),
    ),
    "a refund that is due is on nobody's list": (
        "the list shows it",
        lambda day: replace(day, cash=day.cash[:1]),
    ),
    "a person is needed and nobody is told": (
        "the list shows it",
        lambda day: with_row(day, "4", state="NEEDS_HUMAN"),
    ),
    "the ledger does not prove": ("the ledger proves", lambda day: replace(day, ledger=["a posting is unbalanced"])),
    "a settled fee was never posted": (
        "the ledger proves",
        lambda day: replace(day, posted={**day.posted, bill(1): Posted()}),
    ),
    "a cancelled fee is still posted": (
        "the ledger proves",
        lambda day: replace(day, posted={**day.posted, bill(3): day.posted[bill(1)]}),
    ),
    "a refund is missing from the ledger": (
        "the ledger proves",
        lambda day: replace(
            day, posted={**day.posted, bill(2): replace(day.posted[bill(2)], counter_cash_minor=10000)}
        ),
    ),
}


def test_nothing_is_wrong_on_a_good_day() -> None:
    assert check(good_day()) == []


@pytest.mark.parametrize("harm", HARM)
def test_each_harm_is_found(harm: str) -> None:
    promise, done = HARM[harm]
    assert promise in {difference.promise for difference in check(done(good_day()))}


def test_every_promise_has_a_harm_that_breaks_it() -> None:
    assert {promise for promise, _ in HARM.values()} == set(promises())


def test_what_a_person_has_to_rule_on_is_counted_and_not_judged() -> None:
    day = with_row(with_held(good_day(), "1", state="reversed", accepted_reversals=1), "1", state="NEEDS_HUMAN")
    assert check(replace(day, posted={}, abnormal={})) == []


def test_a_fee_whose_cancel_waits_for_a_person_is_not_judged() -> None:
    day = with_row(with_held(good_day(), "3", state="settled"), "3c", state="NEEDS_HUMAN")
    assert check(replace(day, abnormal={})) == []


def test_a_refund_that_is_not_yet_paid_is_due_to_the_cent() -> None:
    day = replace(good_day(), cash=good_day().cash[:1])
    (account,) = (account for account in accounts_of(day) if account.bill == bill(2))
    assert (account.taken_minor, account.own_share_minor, account.refund_due_minor) == (10000, 2000, 8000)
    assert account.net_cash_minor == 10000


def test_cash_of_a_service_that_is_not_given_is_all_due_back() -> None:
    day = good_day()
    day = replace(
        day,
        held=[one for one in day.held if one.his_no != "2b"],
        told=[*day.told, *told("2", "reversed", act="service-cancelled")],
        cash=day.cash[:1],
    )
    (account,) = (account for account in accounts_of(day) if account.bill == bill(2))
    assert (account.price_minor, account.refund_due_minor) == (0, 10000)


def test_a_fee_that_was_disowned_may_go_from_success_to_reversed() -> None:
    day = with_held(good_day(), "1", state="reversed", accepted_reversals=1)
    day = with_row(day, "1", state="REVERSED", verdicts=("succeeded", "reversed"))
    day = replace(
        day,
        told=[one for one in day.told if one.act != "acknowledge"] + told("1", "succeeded", act="disown"),
        final={**day.final, "1": {"verdict": "reversed", "acknowledged": False}},
        posted={**day.posted, bill(1): Posted()},
    )
    assert check(day) == []
