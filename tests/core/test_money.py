"""Money: whole minor units, one currency, one place that rounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import LARGEST_MINOR, CurrencyMismatch, Money, rounded, total

minors = st.integers(-LARGEST_MINOR, LARGEST_MINOR)


@pytest.mark.parametrize("minor", [1.0, "1", Decimal(1), None, True])
def test_it_counts_in_integers_only(minor: Any) -> None:
    with pytest.raises(TypeError):
        Money(minor)


def test_it_knows_its_currencies() -> None:
    with pytest.raises(ValueError, match="XXX"):
        Money(1, "XXX")


def test_two_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch) as problem:
        Money(1) + Money(1, "USD")
    assert (problem.value.status, problem.value.code) == (422, "currency_mismatch")
    with pytest.raises(CurrencyMismatch):
        _ = Money(1) < Money(1, "USD")
    with pytest.raises(CurrencyMismatch):
        total([Money(1, "USD")])


def test_equal_numbers_of_two_currencies_are_not_equal() -> None:
    assert Money(1) != Money(1, "USD")


@given(minors, minors)
def test_adding_and_taking_away_are_inverse(left: int, right: int) -> None:
    assert Money(left) + Money(right) - Money(right) == Money(left)
    assert Money(left) - Money(right) == -(Money(right) - Money(left))


@given(st.lists(minors))
def test_a_total_is_the_sum_in_whatever_order(values: list[int]) -> None:
    amounts = [Money(value) for value in values]
    assert total(amounts) == total(reversed(amounts)) == Money(sum(values))


@pytest.mark.parametrize(
    ("value", "half_up", "floor"),
    [("0.005", 1, 0), ("-0.005", -1, -1), ("1.004999", 100, 100), ("2.675", 268, 267), ("-1.001", -100, -101)],
)
def test_rounding_is_named_at_the_call(value: str, half_up: int, floor: int) -> None:
    assert rounded(Decimal(value), currency="CNY", rounding="half_up") == Money(half_up)
    assert rounded(Decimal(value), currency="CNY", rounding="floor") == Money(floor)


def test_a_currency_without_minor_units_is_rounded_to_whole_ones() -> None:
    assert rounded(Decimal("99.5"), currency="JPY", rounding="half_up") == Money(100, "JPY")


def test_it_is_written_in_major_units() -> None:
    assert str(Money(1234567)) == "12,345.67 CNY"
    assert str(Money(1000, "JPY")) == "1,000 JPY"
    assert str(Money(-5)) == "-0.05 CNY"
