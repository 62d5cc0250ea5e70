"""Cash that is told at the same moment as something else: counted once, refunded once, on the right bill."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from exchange.models import Refund, SelfPayment, Transaction
from tests.exchange.doubting import (
    STANDS,
    abandon,
    act,
    cash_of,
    code_of,
    in_doubt,
    insurer,
    refund,
    settled,
    sound,
    told,
    turns,
)
from tests.exchange.house import House, draft, fresh, receive, received
from tests.exchange.meetings import BILL, WISH, faults, meet, meet_in

pytestmark = pytest.mark.usefixtures("patient")
PLACE: dict[str, Any] = {"visit_no": "V", "bill_no": "B"}
BOTH_WAYS = pytest.mark.parametrize("order", ["one first", "other first"])


@BOTH_WAYS
@pytest.mark.parametrize("place", [{}, PLACE])
@pytest.mark.parametrize("after", [BILL, WISH])
def test_a_tombstone_against_the_late_wish(
    committed_house: House, order: str, place: dict[str, Any], after: str
) -> None:
    house = committed_house
    wish = draft(house, "T", **PLACE)
    gave_up, answered = meet_in(order, lambda: abandon(house, "T", **place), lambda: receive(wish)[0], after=after)
    assert faults([gave_up, answered]) == []
    assert code_of(gave_up) == "", "whoever was first, nothing has been sent"
    row = Transaction.objects.get()
    with insurer(house) as they:
        turns(house)
    assert (fresh(row).state, they.heard) == ("NOT_SENT", [])
    assert row.bill is not None
    assert (row.bill.visit_no, len(bytes(row.body_digest))) == ("V", 32) or code_of(answered) == "abandoned_before"
    receive(wish)
    bill = Transaction.objects.get().bill
    assert bill is not None
    assert (bill.visit_no, bill.collected_minor) == ("V", 10000)
    assert told(house, "T")["self_payment"] == STANDS
    assert cash_of(house) == (10000, 0)
    sound(house)


@BOTH_WAYS
def test_a_tombstones_late_wish_against_the_wish_that_replaces_it(committed_house: House, order: str) -> None:
    house = committed_house
    abandon(house, "T")
    late, anew = draft(house, "T", **PLACE), draft(house, "Y", replaces="T", **PLACE)
    results = meet_in(order, lambda: receive(late)[0], lambda: receive(anew)[0])
    assert faults(results) == []
    assert [code_of(one) for one in results] == ["abandoned_before", ""]
    with insurer(house):
        turns(house)
    assert told(house, "Y")["self_payment"]["refund_due_minor"] == 8000
    receive(late)
    sound(house)


# Told twice at once -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "collected"),
    [(("R-1", 10000), ("R-1", 10000), 10000), (("R-1", 4000), ("R-2", 6000), 10000), (("", 500), ("", 500), 500)],
)
@pytest.mark.parametrize("start", ["in doubt", "never came"])
def test_two_abandons_at_once(
    committed_house: House, first: tuple[str, int], second: tuple[str, int], collected: int, start: str
) -> None:
    house = committed_house
    if start == "in doubt":
        in_doubt(house, "X")
    acts = [partial(abandon, house, "X", one[1], one[0], key=key) for key, one in (("1", first), ("2", second))]
    results = meet(*acts)
    assert faults(results) == []
    assert [code_of(one) for one in results] == ["", ""] or start == "never came"
    assert cash_of(house) == (collected, 0)
    assert SelfPayment.objects.count() == (2 if first != second else 1)
    sound(house)


def test_one_key_for_two_acts_at_once_is_one_act(committed_house: House) -> None:
    house = committed_house
    in_doubt(house, "X")
    in_doubt(house, "Y")
    for other in ("X", "Y"):
        results = meet(
            partial(abandon, house, "X", 4000, "R-1", key="K"),
            partial(abandon, house, other, 6000, "R-2", key="K"),
        )
        assert [type(one).__name__ for one in results] == ["Acted", "KeyReused"]
        assert cash_of(house) == (4000, 0)
    sound(house)


def test_a_refund_at_once_is_paid_once_and_never_more_than_is_due(committed_house: House) -> None:
    house = committed_house
    settled(house, "X")
    abandon(house, "X")
    acts = [partial(refund, house, "X", 3000, "F-1", key=key) for key in "12"]
    assert [code_of(one) for one in meet(*acts)] == ["", ""]
    assert cash_of(house) == (10000, 3000)
    acts = [partial(refund, house, "X", 5000, number) for number in ("F-2", "F-3")]
    assert [code_of(one) for one in meet(*acts)] == ["", "refund_exceeds_due"]
    assert (cash_of(house), Refund.objects.count()) == ((10000, 8000), 2)
    sound(house)


def test_a_refund_against_the_disown_of_what_makes_it_due(committed_house: House) -> None:
    house = committed_house
    for order, his_no in (("one first", "X"), ("other first", "Y")):
        settled(house, his_no)
        abandon(house, his_no)
        results = meet_in(
            order,
            partial(refund, house, his_no, 8000),
            partial(act, house, his_no, "disown", reason="x"),
        )
        codes = [code_of(one) for one in results]
        assert codes == (["", "nothing_to_disown"] if order == "one first" else ["refund_exceeds_due", ""])
    with insurer(house):
        turns(house)
    assert cash_of(house) == (20000, 8000)
    assert told(house, "Y")["self_payment"] == STANDS
    sound(house)


def test_two_successors_at_once_are_one(committed_house: House) -> None:
    house = committed_house
    received(draft(house, "X", **PLACE))
    abandon(house, "X")
    successors = [draft(house, his_no, replaces="X", **PLACE) for his_no in ("Y", "Z")]
    first, second = meet(lambda: receive(successors[0])[0], lambda: receive(successors[1])[0])
    assert (code_of(first), code_of(second)) == ("", "already_followed")
    with insurer(house) as they:
        turns(house)
    assert they.heard == ["settle"]
    sound(house)
