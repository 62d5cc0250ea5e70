"""The arithmetic of a claim as tables. Minor units; ratios in basis points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.payable import AmountsContradict, Line, Payable, payable, shares


@dataclass(frozen=True)
class Rules:
    deductible_offsets: tuple[str, ...] = ()
    deductible_order: str = "as_listed"


NO_CAP = 10**12
LISTED, DEAREST = Rules(), Rules(deductible_order="dearest_first")


def paid(*lines: Line, deductible: int = 0, cap: int = NO_CAP, ratio: int = 10_000, **changes: Any) -> Payable:
    rules = changes.pop("rules", LISTED)
    return payable(
        lines=lines,
        deductible_left_minor=deductible,
        cap_left_minor=cap,
        ratio_basis_points=ratio,
        terms=rules,
        **changes,
    )


def test_it_pays_the_example_of_the_design() -> None:
    result = paid(Line(1, 1_000_000, basic_minor=400_000, other_minor=100_000), ratio=8_000)
    assert (result.payable_minor, result.patient_minor) == (400_000, 100_000)


@pytest.mark.parametrize(
    ("amount", "basic", "deductible", "ratio", "payable_minor"),
    [
        pytest.param(10_000, 0, 0, 10_000, 10_000, id="everything"),
        pytest.param(10_000, 0, 0, 0, 0, id="a ratio of nothing"),
        pytest.param(10_000, 10_000, 0, 8_000, 0, id="basic insurance has paid it all"),
        pytest.param(10_000, 4_000, 6_000, 8_000, 0, id="the deductible eats all of it"),
        pytest.param(10_000, 4_000, 6_001, 8_000, 0, id="and would eat more"),
        pytest.param(10_000, 4_000, 5_999, 10_000, 1, id="one fen is left"),
        pytest.param(1, 0, 0, 5_000, 1, id="half a fen is rounded up"),
        pytest.param(1, 0, 0, 4_999, 0, id="less than half is not"),
        pytest.param(3, 0, 0, 8_333, 2, id="2.4999 is 2"),
    ],
)
def test_one_line(amount: int, basic: int, deductible: int, ratio: int, payable_minor: int) -> None:
    result = paid(Line(1, amount, basic_minor=basic), deductible=deductible, ratio=ratio)
    assert result.payable_minor == payable_minor
    assert result.patient_minor == amount - basic - payable_minor


@pytest.mark.parametrize(
    ("rules", "eaten"),
    [
        pytest.param(LISTED, {1: 300, 2: 200, 3: 0}, id="as listed: by line number"),
        pytest.param(DEAREST, {1: 0, 2: 500, 3: 0}, id="dearest first"),
    ],
)
def test_the_deductible_is_eaten_in_the_products_order(rules: Rules, eaten: dict[int, int]) -> None:
    result = paid(Line(1, 300), Line(2, 900), Line(3, 900), deductible=500, rules=rules)
    assert {line.line_no: line.deductible_minor for line in result.lines} == eaten
    assert result.deductible_minor == 500


def test_lines_come_back_in_the_order_given_whatever_eats_first() -> None:
    result = paid(Line(2, 100), Line(1, 900), deductible=1_000, rules=DEAREST)
    assert [line.line_no for line in result.lines] == [2, 1]


@pytest.mark.parametrize(
    ("offsets", "offset", "eaten", "payable_minor"),
    [
        pytest.param((), 0, 2_000, 3_000, id="nothing counts toward it: the patient bears it all"),
        pytest.param(("other",), 1_000, 1_000, 4_000, id="other compensation counts"),
        pytest.param(("basic",), 2_000, 0, 5_000, id="basic insurance has met it whole"),
        pytest.param(("charity", "other"), 1_500, 500, 4_500, id="two sources add up"),
    ],
)
def test_what_others_paid_may_count_toward_the_deductible(
    offsets: tuple[str, ...], offset: int, eaten: int, payable_minor: int
) -> None:
    line = Line(1, 10_500, basic_minor=4_000, other_minor=1_000, charity_minor=500)
    result = paid(line, deductible=2_000, rules=Rules(deductible_offsets=offsets))
    (only,) = result.lines
    assert (only.offset_minor, only.deductible_minor, result.payable_minor) == (offset, eaten, payable_minor)
    assert result.deductible_minor == 2_000


@pytest.mark.parametrize(
    ("cap", "parts", "capped"),
    [
        pytest.param(NO_CAP, [600, 400], False, id="no cap is near"),
        pytest.param(1_000, [600, 400], False, id="just enough is left"),
        pytest.param(999, [600, 399], True, id="one fen too little"),
        pytest.param(500, [500, 0], True, id="the first line takes the rest"),
        pytest.param(0, [0, 0], True, id="nothing is left"),
        pytest.param(-5, [0, 0], True, id="less than nothing is nothing"),
    ],
)
def test_the_least_of_the_caps_limits_the_whole(cap: int, parts: list[int], capped: bool) -> None:
    result = paid(Line(1, 600), Line(2, 400), cap=cap)
    assert [line.paid_minor for line in result.lines] == parts
    assert (result.payable_minor, result.patient_minor, result.capped) == (sum(parts), 1_000 - sum(parts), capped)


def test_a_discount_never_makes_the_patient_earn() -> None:
    result = paid(Line(1, 1_000), discount_minor=300)
    assert (result.payable_minor, result.patient_minor) == (700, 0)


@pytest.mark.parametrize(
    ("lines", "discount", "place"),
    [
        pytest.param([], 0, "lines", id="no line"),
        pytest.param([Line(1, 5), Line(1, 6)], 0, "lines", id="a number twice"),
        pytest.param([Line(1, 100, basic_minor=60, other_minor=41)], 0, "line 1", id="others pay more than its price"),
        pytest.param([Line(1, -1)], 0, "line 1", id="a negative price"),
        pytest.param([Line(1, 100, charity_minor=-1)], 0, "line 1", id="a negative part"),
        pytest.param([Line(1, 1.5)], 0, "line 1", id="half a fen"),  # type: ignore[arg-type]
        pytest.param([Line(1, 100, basic_minor=50)], 51, "discount", id="a discount on what others pay"),
    ],
)
def test_amounts_that_contradict_each_other_are_refused(lines: list[Line], discount: int, place: str) -> None:
    with pytest.raises(AmountsContradict, match=place):
        paid(*lines, discount_minor=discount)


@pytest.mark.parametrize(
    ("amount", "points", "parts"),
    [
        pytest.param(100, [10_000], [100], id="one insurer"),
        pytest.param(100, [6_000, 4_000], [60, 40], id="even parts"),
        pytest.param(101, [5_000, 5_000], [51, 50], id="the lead has the odd fen"),
        pytest.param(100, [3_334, 3_333, 3_333], [34, 33, 33], id="thirds"),
        pytest.param(10, [3_333, 3_333, 3_334], [3, 3, 4], id="the largest fraction has it, wherever it stands"),
        pytest.param(1, [2_000, 8_000], [0, 1], id="one fen goes to the larger"),
        pytest.param(0, [7_000, 3_000], [0, 0], id="nothing"),
    ],
)
def test_co_insurers_share_to_the_last_fen(amount: int, points: list[int], parts: list[int]) -> None:
    assert shares(amount_minor=amount, basis_points=points) == parts


@pytest.mark.parametrize("points", [[], [9_999], [10_001], [11_000, -1_000]])
def test_shares_that_are_not_the_whole_are_refused(points: list[int]) -> None:
    with pytest.raises(ValueError, match="basis points"):
        shares(amount_minor=100, basis_points=points)


@st.composite
def line(draw: st.DrawFn) -> Line:
    amount = draw(st.integers(0, 10**9))
    basic = draw(st.integers(0, amount))
    other = draw(st.integers(0, amount - basic))
    return Line(0, amount, basic, other, draw(st.integers(0, amount - basic - other)))


@given(
    st.lists(line(), min_size=1, max_size=6),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10_000),
    st.sampled_from(["as_listed", "dearest_first"]),
    st.sets(st.sampled_from(["basic", "other", "charity"])),
)
def test_all_parts_always_sum_to_the_price(
    lines: list[Line], deductible: int, cap: int, ratio: int, order: str, offsets: set[str]
) -> None:
    numbered = [replace(one, line_no=number) for number, one in enumerate(lines)]
    rules = Rules(tuple(sorted(offsets)), order)
    result = paid(*numbered, deductible=deductible, cap=cap, ratio=ratio, rules=rules)
    others = sum(one.basic_minor + one.other_minor + one.charity_minor for one in numbered)
    assert others + result.payable_minor + result.patient_minor == sum(one.amount_minor for one in numbered)
    assert result.patient_minor >= 0
    assert 0 <= result.payable_minor <= cap
    assert result.deductible_minor <= deductible
    assert sum(one.paid_minor for one in result.lines) == result.payable_minor


@given(st.integers(0, 10**12), st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_shares_always_sum_to_the_whole(amount: int, weights: list[int]) -> None:
    points = [10_000 * weight // sum(weights) for weight in weights]
    points[0] += 10_000 - sum(points)
    assert sum(shares(amount_minor=amount, basis_points=points)) == amount
