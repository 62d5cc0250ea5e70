"""A random walk through a day: what hospital, insurer, clock and death do next is drawn from `random`."""

from __future__ import annotations

from chaos.facts import Cash
from tests.simulation.day import TOTAL_MINOR, Day
from tests.simulation.truth import holds_at_every_step

ENDED = ("rejected", "not_sent", "reversed", "cancelled")


def a_fee(day: Day) -> None:
    day.wish()


def a_fee_again(day: Day) -> None:
    """The request of a known wish once more, as after a lost answer of ours."""
    if day.drafts:
        day.post(day.random.choice(list(day.drafts)))


def a_follower(day: Day) -> None:
    """Settle anew what has ended, or what only seems so."""
    his_no = _unrefunded_fee(day)
    if his_no:
        word = str(day.ask(his_no).get("verdict"))
        retry = word in ("rejected", "not_sent") and day.random.random() < 0.5
        link = {"retry_of": his_no} if retry else {"replaces": his_no}
        day.wish(bill=day.bill_of(his_no)[1].removeprefix("V-"), **link)


def cash_instead(day: Day) -> None:
    his_no = _some_fee(day)
    if his_no:
        bill = day.bill_of(his_no)
        # The first cash is the price; more may come by mistake, and is due back.
        paid = any(cash.bill == bill and cash.minor > 0 for cash in day.cash)
        day.abandon(his_no, 2000 if paid and day.random.random() < 0.5 else TOTAL_MINOR)


def cash_before_the_wish(day: Day) -> None:
    """A tombstone, which its late wish must not wake."""
    his_no = f"D{day.number}-{len(day.drafts):03d}"
    receipt, bill = f"R-{his_no}", (day.hospital_code, f"V-{his_no}", f"B-{his_no}")
    day.act("abandon", his_no, self_paid_minor=TOTAL_MINOR, receipt_no=receipt)
    day.cash.append(Cash(his_no=his_no, bill=bill, minor=TOTAL_MINOR, number=receipt))
    day.wish()


def never_booked(day: Day) -> None:
    his_no = _unrefunded_fee(day)
    if his_no:
        day.act("disown", his_no, reason="not booked")


def booked(day: Day) -> None:
    his_no = _some_fee(day)
    if his_no:
        day.act("acknowledge", his_no)


def not_given(day: Day) -> None:
    his_no = _some_fee(day)
    if his_no:
        day.act("service-cancelled", his_no)


def money_back(day: Day) -> None:
    his_no = _some_fee(day)
    if his_no:
        due_minor = int(day.ask(his_no)["self_payment"]["refund_due_minor"])
        if due_minor:
            day.refund(his_no, day.random.choice((due_minor, due_minor, max(1, due_minor // 2), due_minor + 1)))


def a_cancel(day: Day) -> None:
    his_no = _unrefunded_fee(day)
    if his_no:
        day.wish(operation="cancel", of=his_no, bill=day.bill_of(his_no)[1].removeprefix("V-"))


def a_resettle(day: Day) -> None:
    his_no = _unrefunded_fee(day)
    if his_no:
        bill = day.bill_of(his_no)[1].removeprefix("V-")
        day.wish(operation="resettle", of=his_no, bill=bill)


def asked(day: Day) -> None:
    if day.wished:
        day.ask(day.random.choice(list(day.wished)))


def work(day: Day) -> None:
    day.take()
    if day.random.random() < 0.8:
        day.send()


def slow_work(day: Day) -> None:
    day.take()
    day.send(at_most=1)


def hear(day: Day) -> None:
    day.conclude(twice=day.random.random() < 0.1, dying=day.random.random() < 0.05)


def a_moment(day: Day) -> None:
    day.time_passes(day.random.choice((0.1, 0.5, 1.0, 2.5, 4.0, 7.0)))


# Step -> how often, in proportion.
STEPS = {
    a_fee: 16,
    a_fee_again: 2,
    a_follower: 7,
    cash_instead: 9,
    cash_before_the_wish: 1,
    never_booked: 4,
    booked: 2,
    not_given: 2,
    money_back: 5,
    a_cancel: 4,
    a_resettle: 3,
    asked: 3,
    work: 26,
    slow_work: 6,
    hear: 26,
    a_moment: 26,
    Day.take_and_die: 1,
    Day.kill: 2,
}


# What a machine that likes short days shall do as often as all the rest together.
TROUBLE = (work, hear, a_moment, cash_instead, never_booked, Day.kill, Day.take_and_die)


def _unrefunded_fee(day: Day) -> str:
    """A fee on whose bill nothing was given back: to undo that one leaves the hospital short of cash."""
    his_no = _some_fee(day)
    refunded = {cash.bill for cash in day.cash if cash.minor < 0}
    return his_no if his_no and day.bill_of(his_no) not in refunded else ""


def _some_fee(day: Day) -> str:
    """A wish of the day that moves money, the second half of a resettle included; empty while there is none."""
    fees = [one.his_no for one in day.wished.values() if one.operation == "settle"]
    fees += [f"{one.his_no}~2" for one in day.wished.values() if one.operation == "resettle"]
    return day.random.choice(fees) if fees else ""


def walk(day: Day, *, transactions: int) -> None:
    """Steps until the hospital has wished so often, then until everybody has what is his."""
    steps, weights = list(STEPS), list(STEPS.values())
    while len(day.drafts) < transactions:
        (step,) = day.random.choices(steps, weights)
        step(day)
        holds_at_every_step(day)
    for _ in range(transactions):
        (step,) = day.random.choices((work, hear, a_moment, cash_instead, never_booked), (4, 4, 4, 1, 1))
        step(day)
        holds_at_every_step(day)
    day.comes_to_rest()
    _give_back(day)
    day.comes_to_rest()


def _give_back(day: Day) -> None:
    """Every second patient comes for what is due to him."""
    for his_no in day.wished:
        if day.wished[his_no].operation == "settle" and day.random.random() < 0.5:
            money_back_of(day, his_no)


def money_back_of(day: Day, his_no: str) -> None:
    due_minor = int(day.ask(his_no)["self_payment"]["refund_due_minor"])
    if due_minor:
        day.refund(his_no, due_minor)
