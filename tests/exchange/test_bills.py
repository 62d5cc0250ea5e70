"""The arithmetic of a bill: examples of the four endings, and what must hold of any bill whatever happened to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.bills import BillLine, BillTerms, CashView, bill_terms, cash_view, chains_of
from exchange.states import OPEN

OPEN_STATES = [str(state) for state in OPEN]
ENDED_STATES = ["REVERSED", "REJECTED", "NOT_SENT", "CANCELLED"]


def line(number: int = 1, state: str = "SUCCEEDED", **values: Any) -> BillLine:
    follows = values.pop("follows", None)
    values = {"total_minor": 10000, "own_minor": 2000 if state == "SUCCEEDED" else 0} | values
    return BillLine(UUID(int=number), state, follows=UUID(int=follows) if follows else None, **values)


def view(lines: list[BillLine], number: int = -1, *, refunded: int = 0, unclaimed: bool = False) -> CashView:
    return cash_view(lines[number], lines, bill_terms(lines, refunded_minor=refunded), unclaimed=unclaimed)


# The four endings ---------------------------------------------------------------------------------------


def test_while_in_doubt_the_cash_is_there_and_nothing_is_due() -> None:
    lines = [line(state="IN_DOUBT", paid_minor=10000)]
    assert view(lines) == CashView("PAID", 10000, 0, square=True, outside=False)


def test_cash_stands() -> None:
    for state in ("REVERSED", "REJECTED", "NOT_SENT"):
        assert view([line(state=state, paid_minor=10000)]) == CashView("STANDS", 10000, 0, square=True, outside=False)


def test_insurance_stands() -> None:
    lines = [line(paid_minor=10000)]
    assert view(lines) == CashView("REFUND_DUE", 10000, 8000, square=False, outside=False)
    assert view(lines, refunded=3000) == CashView("REFUND_DUE", 10000, 5000, square=False, outside=False)
    assert view(lines, refunded=8000) == CashView("REFUNDED", 10000, 0, square=True, outside=False)
    assert view(lines, unclaimed=True).state == "UNCLAIMED"


def test_settled_anew() -> None:
    lines = [line(1, "REVERSED", paid_minor=10000), line(2, "SENDING", follows=1)]
    assert view(lines) == view(lines, 0) == CashView("PAID", 10000, 0, square=True, outside=False)
    lines[1] = line(2, follows=1)
    assert view(lines) == view(lines, 0) == CashView("REFUND_DUE", 10000, 8000, square=False, outside=False)
    assert view(lines, refunded=8000) == CashView("REFUNDED", 10000, 0, square=True, outside=False)


def test_service_cancelled() -> None:
    lines = [line(state="IN_DOUBT", paid_minor=10000, service_cancelled=True)]
    assert view(lines).refund_due_minor == 0, "it may be settled still"
    lines = [line(state="REVERSED", paid_minor=10000, service_cancelled=True)]
    assert view(lines) == CashView("REFUND_DUE", 10000, 10000, square=False, outside=False)
    assert view(lines, refunded=10000) == CashView("REFUNDED", 10000, 0, square=True, outside=True)


# Details -------------------------------------------------------------------------------------------------


def test_a_settled_fee_without_told_cash_is_square_by_what_the_till_took_with_the_verdict() -> None:
    terms = bill_terms([line()])
    assert (terms.price_minor, terms.shares_minor, terms.own_minor, terms.assumed_minor) == (10000, 8000, 2000, 2000)
    assert terms.square
    assert view([line()]) == CashView("NONE", 0, 0, square=True, outside=False)


@pytest.mark.parametrize("state", ENDED_STATES)
def test_what_ended_without_cash_is_no_business_of_ours(state: str) -> None:
    assert view([line(state=state)]) == CashView("NONE", 0, 0, square=True, outside=True)


@pytest.mark.parametrize("state", OPEN_STATES)
def test_an_open_wish_without_cash_is_not_square_yet(state: str) -> None:
    assert view([line(state=state)]) == CashView("NONE", 0, 0, square=False, outside=False)


def test_less_cash_than_the_price_is_not_square_and_more_is_due_back() -> None:
    assert view([line(state="REVERSED", paid_minor=9999)]) == CashView("STANDS", 9999, 0, square=False, outside=False)
    more = view([line(state="REVERSED", paid_minor=10001)])
    assert (more.state, more.refund_due_minor, more.square) == ("REFUND_DUE", 1, False)


def test_a_tombstone_that_does_not_know_its_total_cost_what_was_paid() -> None:
    lines = [line(state="NOT_SENT", total_minor=0, paid_minor=7000)]
    assert view(lines) == CashView("STANDS", 7000, 0, square=True, outside=False)


def test_a_refund_that_became_too_much_is_short() -> None:
    lines = [line(1, "REVERSED", paid_minor=10000), line(2, "CANCELLED", follows=1)]
    terms = bill_terms(lines, refunded_minor=8000)
    assert (terms.refund_due_minor, terms.cash_short_minor, terms.square) == (0, 8000, False)
    # With the fee live again, nothing is short.
    assert bill_terms([lines[0], line(2, follows=1)], refunded_minor=8000).cash_short_minor == 0


def test_between_the_halves_of_a_resettle_the_old_settlement_is_the_price() -> None:
    lines = [line(1), line(2, "RECEIVED", follows=1, total_minor=6000)]
    assert bill_terms(lines).price_minor == 10000
    lines[0] = line(1, "CANCELLED")
    assert bill_terms(lines).price_minor == 6000


def test_a_settlement_that_surfaces_while_its_successor_is_live_is_not_priced_twice() -> None:
    lines = [line(1, "REVERSING", paid_minor=10000), line(2, follows=1)]
    terms = bill_terms(lines, refunded_minor=8000)
    assert (terms.price_minor, terms.square, terms.resting) == (10000, True, False)


def test_cash_for_one_part_and_the_share_of_another_are_kept_apart() -> None:
    terms = bill_terms([line(1), line(2, "NOT_SENT", total_minor=5000, paid_minor=5000)])
    assert (terms.assumed_minor, terms.recognised_minor, terms.square) == (2000, (5000, 0), True)


def test_wishes_that_follow_each_other_are_one_chain_also_through_one_that_is_elsewhere() -> None:
    lines = [line(1), line(2), line(3, follows=1), line(4, follows=3), line(5, follows=99)]
    ids = [[one.id.int for one in chain] for chain in chains_of(lines)]
    assert sorted(ids) == [[1, 3, 4], [2], [5]]


# Of any bill ---------------------------------------------------------------------------------------------

# A busy machine is no fault of the rule.
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
amounts = st.integers(0, 10**9)


@st.composite
def bills(draw: st.DrawFn) -> list[BillLine]:
    """Some chains, in each at most one settled or open wish at its end; one that is being reversed may be anywhere."""
    lines: list[BillLine] = []
    for _ in range(draw(st.integers(1, 4))):
        follows: int | None = None
        length = draw(st.integers(1, 4))
        for place in range(length):
            last = place == length - 1
            states = [*ENDED_STATES, "REVERSING", *(["SUCCEEDED", *OPEN_STATES] if last else [])]
            total = draw(st.integers(1, 10**9))
            state = draw(st.sampled_from(states))
            lines.append(
                line(
                    len(lines) + 1,
                    state,
                    total_minor=draw(st.sampled_from([total, 0])) if state == "NOT_SENT" else total,
                    own_minor=draw(st.integers(0, total)) if state in ("SUCCEEDED", "CANCELLED", "REVERSED") else 0,
                    paid_minor=draw(st.sampled_from([0, total]) | amounts),
                    follows=follows,
                    service_cancelled=draw(st.integers(0, 9)) == 0 and state != "SUCCEEDED",
                )
            )
            follows = len(lines)
    return lines


@st.composite
def bills_and_refunds(draw: st.DrawFn) -> tuple[list[BillLine], int]:
    lines = draw(bills())
    return lines, draw(st.sampled_from([0]) | st.integers(0, sum(one.paid_minor for one in lines)))


def restated(lines: list[BillLine], refunded: int) -> dict[str, int]:
    """The sentences of transactions.md in another order, from what everybody bears."""
    price = 0
    for chain in chains_of(lines):
        live = [one for one in chain if one.state == "SUCCEEDED"]
        doubts = [one for one in chain if one.state in OPEN_STATES]
        paid = sum(one.paid_minor for one in chain)
        given_up = any(one.service_cancelled for one in chain)
        if live:
            price += live[0].total_minor
        elif doubts:
            price += doubts[-1].total_minor
        elif paid and not given_up:
            price += chain[-1].total_minor or paid
    live_lines = [one for one in lines if one.state == "SUCCEEDED"]
    payers = sum(one.total_minor - one.own_minor for one in live_lines)
    return {"price": price, "payers": payers, "till": sum(one.paid_minor for one in lines) - refunded}


@BUSY
@given(bills_and_refunds())
def test_the_terms_are_what_the_design_says(bill: tuple[list[BillLine], int]) -> None:
    lines, refunded = bill
    terms, says = bill_terms(lines, refunded_minor=refunded), restated(lines, refunded)
    own = says["price"] - says["payers"]
    assert terms.price_minor == says["price"]
    assert terms.own_minor == own >= 0
    assert terms.refund_due_minor == max(0, says["till"] - own)
    uncovered = max(0, own - says["till"])
    collected = min(uncovered, sum(one.own_minor for one in lines if one.state == "SUCCEEDED"))
    assert terms.square == (says["payers"] + says["till"] + collected == says["price"])
    assert terms.outside == (says["price"] == says["till"] == 0)


@BUSY
@given(bills_and_refunds())
def test_money_is_conserved(bill: tuple[list[BillLine], int]) -> None:
    lines, refunded = bill
    terms = bill_terms(lines, refunded_minor=refunded)
    fees, own = terms.recognised_minor
    assert min(fees, own, terms.assumed_minor, terms.refund_due_minor, terms.cash_short_minor) >= 0
    assert terms.refund_due_minor <= terms.net_minor, "nobody gets back what he did not bring"
    # Each coin of the told cash is a fee, covers an own share, or is due back.
    assert fees + own + terms.refund_due_minor == terms.net_minor
    # Each own share of a live settlement is covered once: by told cash, or by what the till took with the verdict.
    assert own + terms.assumed_minor == terms.live_own_minor
    if terms.square:
        live = sum(one.total_minor for one in lines if one.live)
        assert live + fees == terms.price_minor, "the fees of a square bill are its price"
        assert terms.refund_due_minor == terms.cash_short_minor == 0


@BUSY
@given(bills_and_refunds())
def test_paying_back_what_is_due_makes_a_bill_square(bill: tuple[list[BillLine], int]) -> None:
    lines, refunded = bill
    due = bill_terms(lines, refunded_minor=refunded).refund_due_minor
    after = bill_terms(lines, refunded_minor=refunded + due)
    assert after.refund_due_minor == 0
    if due:
        assert after.square


@BUSY
@given(bills_and_refunds())
def test_every_wish_of_a_bill_is_told_the_same_of_it(bill: tuple[list[BillLine], int]) -> None:
    lines, refunded = bill
    terms = bill_terms(lines, refunded_minor=refunded)
    views = [cash_view(one, lines, terms) for one in lines]
    assert {(one.square, one.outside) for one in views} == {(terms.square, terms.outside)}
    for one, told in zip(lines, views, strict=True):
        assert (told.state == "NONE") == (told.amount_minor == 0)
        assert told.amount_minor >= one.paid_minor
        assert told.refund_due_minor == (terms.refund_due_minor if told.amount_minor else 0)
        assert (told.state in ("REFUND_DUE", "UNCLAIMED")) == (told.refund_due_minor > 0)
    ends = {one.id for one in lines} - {one.follows for one in lines}
    assert sum(told.amount_minor for one, told in zip(lines, views, strict=True) if one.id in ends) == sum(
        one.paid_minor for one in lines
    ), "the last of each chain holds all its cash"


@BUSY
@given(bills(), st.randoms(use_true_random=False))
def test_the_order_of_chains_does_not_matter(lines: list[BillLine], random: Any) -> None:
    groups = chains_of(lines)
    random.shuffle(groups)
    shuffled = [one for group in groups for one in group]
    assert bill_terms(shuffled) == bill_terms(lines)


@BUSY
@given(bills())
def test_an_end_without_cash_changes_nothing_of_its_neighbours(lines: list[BillLine]) -> None:
    more = [*lines, replace(line(len(lines) + 1, "REJECTED"), paid_minor=0)]
    assert bill_terms(more) == bill_terms(lines)
    assert bill_terms([]) == BillTerms()
