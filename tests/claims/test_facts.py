"""What turns out at the counter: basic insurance pays another share than was said, and goods that have left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.models import Claim
from claims.payable import AmountsContradict
from claims.services.desk import ClaimStateRefuses
from claims.services.ends import GoodsHandedOver
from claims.services.facts import claim_basic_fact, claim_came_back, claim_handed_over, shares_of
from claims.states import ClaimState
from tests.claims.house import (
    BASIC,
    IN,
    OTHER,
    PAYABLE,
    PRICE,
    TRACE,
    approving,
    decided,
    filed,
    fresh,
    held_and_used,
    in_confirmation,
    reopened,
    withdrawn,
)
from tests.registry.house import NOW, Shelf

pytestmark = pytest.mark.django_db
S = ClaimState
# Of the price 10,000.00 others pay 1,000.00; the rest but basic insurance's share is paid to 80 %.
LESS, MORE = 500_000, 300_000
PAYABLE_LESS = (PRICE - OTHER - LESS) * 8 // 10


def fact(claim: Claim, basic_minor: int) -> Claim:
    return claim_basic_fact(claim_id=claim.pk, basic_minor=basic_minor, by="counter", now=NOW, trace_id=TRACE)


def test_a_higher_share_of_basic_insurance_lowers_payable_and_what_is_held(shelf: Shelf) -> None:
    claim = fact(in_confirmation(shelf), LESS)
    assert (claim.payable_minor, claim.recommended_minor) == (PAYABLE_LESS, PAYABLE_LESS)
    assert held_and_used(shelf.policy, shelf.person)["ANNUAL_CAP"] == (PAYABLE_LESS, 0)
    assert list(claim.lines.values_list("basic_minor", "payable_minor")) == [(LESS, PAYABLE_LESS)]


def test_a_confirmed_claim_is_paid_less_and_gives_the_rest_of_the_benefit_back(shelf: Shelf) -> None:
    claim = fact(decided(in_confirmation(shelf), approving()), LESS)
    assert (claim.payable_minor, claim.confirmed_minor) == (PAYABLE_LESS, PAYABLE_LESS)
    assert held_and_used(shelf.policy, shelf.person)["ANNUAL_CAP"] == (0, PAYABLE_LESS)


def test_a_lower_share_binds_nobody_to_more_than_he_said(shelf: Shelf) -> None:
    claim = fact(decided(in_confirmation(shelf), approving()), MORE)
    assert claim.payable_minor == (PRICE - OTHER - MORE) * 8 // 10
    assert (claim.recommended_minor, claim.confirmed_minor) == (PAYABLE, PAYABLE)
    assert held_and_used(shelf.policy, shelf.person)["ANNUAL_CAP"] == (0, PAYABLE)


def test_the_same_fact_again_changes_nothing(shelf: Shelf) -> None:
    claim = fact(in_confirmation(shelf), LESS)
    assert fact(claim, LESS).version == claim.version
    assert fact(claim, BASIC).payable_minor == PAYABLE


def test_a_claim_with_a_fact_can_still_be_reopened(shelf: Shelf) -> None:
    again = reopened(fact(decided(in_confirmation(shelf), approving()), LESS))
    assert held_and_used(shelf.policy, shelf.person)["ANNUAL_CAP"] == (again.payable_minor, 0)


@pytest.mark.parametrize("basic_minor", [-1, PRICE - OTHER + 1])
def test_no_share_is_above_the_price(shelf: Shelf, basic_minor: int) -> None:
    claim = in_confirmation(shelf)
    with pytest.raises(AmountsContradict):
        fact(claim, basic_minor)
    assert fresh(claim).basic_minor == BASIC


@pytest.mark.parametrize("state", [S.DRAFT, S.SUBMITTED, S.DECLINED, S.CLOSED, S.APPEALED])
def test_nothing_is_at_the_counter_before_a_recommendation_or_after_a_refusal(shelf: Shelf, state: ClaimState) -> None:
    claim = IN[state](shelf)
    with pytest.raises(ClaimStateRefuses):
        fact(claim, LESS)
    with pytest.raises(ClaimStateRefuses):
        claim_handed_over(claim_id=claim.pk, by="counter", now=NOW, trace_id=TRACE)


def test_what_was_handed_over_cannot_be_withdrawn_until_it_comes_back(shelf: Shelf) -> None:
    claim = claim_handed_over(claim_id=in_confirmation(shelf).pk, by="counter", now=NOW, trace_id=TRACE)
    assert claim_handed_over(claim_id=claim.pk, by="counter", now=NOW, trace_id=TRACE).version == claim.version
    with pytest.raises(GoodsHandedOver):
        withdrawn(claim)
    claim_came_back(claim_id=claim.pk, by="counter", now=NOW, trace_id=TRACE)
    assert withdrawn(claim).state == S.WITHDRAWN


def test_a_claim_that_was_only_filed_is_withdrawn_as_ever(shelf: Shelf) -> None:
    assert withdrawn(filed(shelf)).state == S.WITHDRAWN


@given(weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=8), part=st.integers(0, 10**4))
def test_parts_sum_to_the_whole_and_stay_within_their_lines(weights: list[int], part: int) -> None:
    whole = sum(weights) * part // 10**4
    parts = shares_of(whole, weights)
    assert sum(parts) == whole
    assert all(0 <= mine <= weight for mine, weight in zip(parts, weights, strict=True))
