"""Arithmetic of a bill, over plain values: what it costs, who covers it, what is due back. Minor units throughout.

Wishes that follow each other (`replaces`, `retry_of`) are one *chain*: one service, which costs once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from exchange.states import OPEN, TransactionState


@dataclass(frozen=True, slots=True)
class BillLine:
    """A MOVES wish as its bill sees it. `own_minor`: the patient's share where settled; `paid_minor`: its cash."""

    id: UUID
    state: str
    total_minor: int
    own_minor: int = 0
    paid_minor: int = 0
    follows: UUID | None = None
    service_cancelled: bool = False

    @property
    def live(self) -> bool:
        return self.state == TransactionState.SUCCEEDED

    @property
    def open(self) -> bool:
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class BillTerms:
    """`own_minor` is the part of the price that no payer bears; `net_minor` the cash that was told and not given back.

    `assumed_minor` is the own share of live settlements that no told cash covers: the till took it with the verdict.
    """

    price_minor: int = 0
    shares_minor: int = 0
    live_own_minor: int = 0
    net_minor: int = 0
    refunded_minor: int = 0
    resting: bool = True

    @property
    def own_minor(self) -> int:
        return self.price_minor - self.shares_minor

    @property
    def refund_due_minor(self) -> int:
        return max(0, self.net_minor - self.own_minor)

    @property
    def assumed_minor(self) -> int:
        return min(self.live_own_minor, max(0, self.own_minor - self.net_minor))

    @property
    def cash_short_minor(self) -> int:
        """A refund was paid that has become too much."""
        return max(0, self.own_minor - self.net_minor - self.assumed_minor) if self.refunded_minor else 0

    @property
    def square(self) -> bool:
        return self.shares_minor + self.net_minor + self.assumed_minor == self.price_minor

    @property
    def outside(self) -> bool:
        """Nothing is live, in doubt or paid in cash: the bill is no business of ours."""
        return not self.price_minor and not self.net_minor

    @property
    def recognised_minor(self) -> tuple[int, int]:
        """Of the told cash at rest: what is the hospital's as fees, and what covers own shares of live settlements."""
        kept = self.net_minor - self.refund_due_minor
        own = self.live_own_minor - self.assumed_minor
        return kept - own, own


def bill_terms(lines: Iterable[BillLine], *, refunded_minor: int = 0) -> BillTerms:
    """The terms of a bill from its MOVES wishes in the order of their arrival."""
    lines = list(lines)
    live = [line for line in lines if line.live]
    price = sum(_price_of(chain) for chain in chains_of(lines))
    return BillTerms(
        price_minor=price,
        shares_minor=sum(line.total_minor - line.own_minor for line in live),
        live_own_minor=sum(line.own_minor for line in live),
        net_minor=sum(line.paid_minor for line in lines) - refunded_minor,
        refunded_minor=refunded_minor,
        resting=not any(line.open for line in lines),
    )


def _price_of(chain: Sequence[BillLine]) -> int:
    live = [line.total_minor for line in chain if line.live]
    if live:
        return sum(live)
    under_way = [line.total_minor for line in chain if line.open]
    if under_way:
        return under_way[-1]
    paid = sum(line.paid_minor for line in chain)
    if not paid or any(line.service_cancelled for line in chain):
        return 0
    # A tombstone may not know its total: then it cost what was paid.
    return chain[-1].total_minor or paid


def chains_of(lines: Sequence[BillLine]) -> list[list[BillLine]]:
    """The wishes grouped by what follows what, each chain in order of arrival."""
    root: dict[UUID, UUID] = {line.id: line.id for line in lines}

    def top(one: UUID) -> UUID:
        while root[one] != one:
            one = root[one]
        return one

    for line in lines:
        if line.follows in root:
            root[top(line.id)] = top(line.follows)
    chains: dict[UUID, list[BillLine]] = defaultdict(list)
    for line in lines:
        chains[top(line.id)].append(line)
    return list(chains.values())


@dataclass(frozen=True, slots=True)
class CashView:
    """What one transaction is told of its cash and of its bill."""

    state: str = "NONE"
    amount_minor: int = 0
    refund_due_minor: int = 0
    square: bool = True
    outside: bool = False

    def as_members(self) -> dict[str, dict[str, Any]]:
        return {
            "self_payment": {
                "state": self.state,
                "amount_minor": self.amount_minor,
                "refund_due_minor": self.refund_due_minor,
            },
            "bill": {"square": self.square, "outside": self.outside},
        }


def cash_view(line: BillLine, lines: Sequence[BillLine], terms: BillTerms, *, unclaimed: bool = False) -> CashView:
    """`line`'s own cash and what it took over from the wishes it follows. `unclaimed`: due for longer than is good."""
    by_id = {one.id: one for one in lines}
    amount, follows = line.paid_minor, line.follows
    while follows is not None and follows in by_id:
        amount, follows = amount + by_id[follows].paid_minor, by_id[follows].follows
    due = terms.refund_due_minor if amount else 0
    if not amount:
        state = "NONE"
    elif due:
        state = "UNCLAIMED" if unclaimed else "REFUND_DUE"
    elif terms.refunded_minor:
        state = "REFUNDED"
    else:
        state = "STANDS" if terms.resting else "PAID"
    return CashView(state, amount, due, terms.square, terms.outside)
