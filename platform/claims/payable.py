"""What a claim is paid by its terms, line by line. Pure; whole minor units in and out.

Per line: eligible = amount - basic - other - charity. The deductible is eaten over the lines in the product's order,
first by what the terms let count toward it, then by what is eligible. Payable = half-up((eligible - eaten) x ratio),
then the least of what the caps have left. What is left of the price is the patient's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from core.errors import Problem

WHOLE = 10_000


class AmountsContradict(Problem):
    code = "amounts_contradict"
    status = 422
    title = "The amounts contradict each other"
    detail = "{place}: {fault}"
    detail_zh = "金额相互矛盾。{place}：{fault_zh}"
    fix = "Compare with the invoice and the slip of basic insurance, correct and send again."
    fix_zh = "请核对发票及医保结算单，更正后重新提交。"


class DeductibleRules(Protocol):
    """What of registry.terms.TermsOfProduct the arithmetic goes by."""

    @property
    def deductible_offsets(self) -> tuple[str, ...]: ...

    @property
    def deductible_order(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line as claimed; minor units."""

    line_no: int
    amount_minor: int
    basic_minor: int = 0
    other_minor: int = 0
    charity_minor: int = 0

    @property
    def eligible_minor(self) -> int:
        return max(0, self.amount_minor - self.basic_minor - self.other_minor - self.charity_minor)


@dataclass(frozen=True, slots=True)
class PaidLine:
    """One line with its arithmetic. `offset_minor`: of the deductible, met by other payers' money.

    `deductible_minor`: eaten from what was eligible. `payable_minor` is before the claim's caps, `paid_minor` after.
    """

    line_no: int
    amount_minor: int
    eligible_minor: int
    offset_minor: int
    deductible_minor: int
    ratio_basis_points: int
    payable_minor: int
    paid_minor: int


@dataclass(frozen=True, slots=True)
class Payable:
    """`deductible_minor`: what the deductible's count goes up by, offsets included."""

    lines: tuple[PaidLine, ...]
    deductible_minor: int
    payable_minor: int
    patient_minor: int
    capped: bool


def payable(
    *,
    lines: Sequence[Line],
    deductible_left_minor: int,
    cap_left_minor: int,
    ratio_basis_points: int,
    terms: DeductibleRules,
    discount_minor: int = 0,
) -> Payable:
    """The arithmetic of claims.md. `cap_left_minor`: the least of drug, category and annual cap and sum insured.

    The result's lines are in the order given. Raises AmountsContradict.
    """
    _check(lines, discount_minor)
    left = max(0, deductible_left_minor)
    paid: dict[int, PaidLine] = {}
    for line in _in_order(lines, terms.deductible_order):
        one = _line(line, left, ratio_basis_points, terms)
        left -= one.offset_minor + one.deductible_minor
        paid[line.line_no] = one
    before = sum(one.payable_minor for one in paid.values())
    total = sum(line.amount_minor for line in lines)
    others = sum(line.basic_minor + line.other_minor + line.charity_minor for line in lines) + discount_minor
    most = min(before, max(0, cap_left_minor), max(0, total - others))
    ordered = _spread([paid[line.line_no] for line in lines], most)
    return Payable(
        lines=tuple(ordered),
        deductible_minor=sum(one.offset_minor + one.deductible_minor for one in ordered),
        payable_minor=most,
        patient_minor=total - others - most,
        capped=most < before,
    )


def shares(*, amount_minor: int, basis_points: Sequence[int]) -> list[int]:
    """`amount_minor` in parts by basis points that sum to it: remainders go to the largest fractions, first come first.

    Raises ValueError when the basis points do not sum to 10,000.
    """
    if sum(basis_points) != WHOLE or min(basis_points, default=-1) < 0:
        raise ValueError(f"shares sum to {sum(basis_points)} basis points")
    parts = [amount_minor * points // WHOLE for points in basis_points]
    fractions = [amount_minor * points % WHOLE for points in basis_points]
    by_fraction = sorted(range(len(parts)), key=lambda at: (-fractions[at], at))
    for at in by_fraction[: amount_minor - sum(parts)]:
        parts[at] += 1
    return parts


def _in_order(lines: Sequence[Line], order: str) -> list[Line]:
    if order == "dearest_first":
        return sorted(lines, key=lambda line: (-line.amount_minor, line.line_no))
    return sorted(lines, key=lambda line: line.line_no)


def _line(line: Line, left: int, ratio: int, terms: DeductibleRules) -> PaidLine:
    counting = {"basic": line.basic_minor, "other": line.other_minor, "charity": line.charity_minor}
    offset = min(left, sum(counting[source] for source in terms.deductible_offsets))
    eaten = min(left - offset, line.eligible_minor)
    paid = _half_up((line.eligible_minor - eaten) * ratio)
    return PaidLine(
        line_no=line.line_no,
        amount_minor=line.amount_minor,
        eligible_minor=line.eligible_minor,
        offset_minor=offset,
        deductible_minor=eaten,
        ratio_basis_points=ratio,
        payable_minor=paid,
        paid_minor=paid,
    )


def _half_up(amount_by_basis_points: int) -> int:
    return (amount_by_basis_points + WHOLE // 2) // WHOLE


def _spread(lines: list[PaidLine], most: int) -> list[PaidLine]:
    """What the caps leave, over the lines from the first on."""
    spread = []
    for line in lines:
        part = min(line.payable_minor, most)
        most -= part
        spread.append(replace(line, paid_minor=part))
    return spread


def _check(lines: Sequence[Line], discount_minor: int) -> None:
    if not lines or len({line.line_no for line in lines}) != len(lines):
        raise AmountsContradict(place="lines", fault="none, or a number twice", fault_zh="没有明细行或行号重复")
    for line in lines:
        place = f"line {line.line_no}"
        values = (line.amount_minor, line.basic_minor, line.other_minor, line.charity_minor)
        if any(type(value) is not int or value < 0 for value in values):
            raise AmountsContradict(place=place, fault="not a whole number of at least 0", fault_zh="须为非负整数")
        if line.basic_minor + line.other_minor + line.charity_minor > line.amount_minor:
            raise AmountsContradict(place=place, fault="others pay more than its price", fault_zh="其他支付超过价格")
    others = sum(line.basic_minor + line.other_minor + line.charity_minor for line in lines)
    if type(discount_minor) is not int or not 0 <= discount_minor <= sum(line.amount_minor for line in lines) - others:
        raise AmountsContradict(place="discount", fault="outside of what is left to pay", fault_zh="超出剩余应付金额")
