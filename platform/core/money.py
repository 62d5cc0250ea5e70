"""Money: an integer count of minor units and a currency. Nothing in the house is counted in anything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Literal

from core.errors import Problem

# ISO 4217 minor-unit exponents of the currencies we settle in.
EXPONENTS = {"CNY": 2, "HKD": 2, "MOP": 2, "USD": 2, "EUR": 2, "JPY": 0}
LARGEST_MINOR = 2**53 - 1  # What a JSON number carries exactly in every client's language.
ROUNDINGS = {"half_up": ROUND_HALF_UP, "floor": ROUND_FLOOR}
Rounding = Literal["half_up", "floor"]


class CurrencyMismatch(Problem):
    code = "currency_mismatch"
    status = 422
    title = "Two currencies in one sum"
    detail = "{left} and {right} cannot be added or compared."
    detail_zh = "{left} 与 {right} 币种不同，不能相加或比较。"
    fix = "Send all amounts of one transaction in one currency."
    fix_zh = "同一交易的所有金额请使用同一币种。"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`minor` minor units (fen for CNY) of `currency` (ISO 4217)."""

    minor: int
    currency: str = "CNY"

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"Money counts whole minor units, not {self.minor!r}")
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other).minor

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other).minor

    def __str__(self) -> str:
        exponent = EXPONENTS[self.currency]
        return f"{Decimal(self.minor).scaleb(-exponent):,.{exponent}f} {self.currency}"

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise CurrencyMismatch(left=self.currency, right=other.currency)
        return other


def total(amounts: Iterable[Money], *, currency: str = "CNY") -> Money:
    """The sum of `amounts`, zero of `currency` when there are none."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


def rounded(value: Decimal, *, currency: str, rounding: Rounding) -> Money:
    """Major units `value` as Money: the one place that rounds; the caller names how."""
    scaled = value.scaleb(EXPONENTS[currency])
    return Money(int(scaled.quantize(Decimal(1), rounding=ROUNDINGS[rounding])), currency)
