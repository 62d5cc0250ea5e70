"""A bill as the insurers' books and the tills' notebook have it: sums of our own, of no rule of the platform."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.facts import Cash, Facts, Held, Wished

WITH_A_PERSON = "NEEDS_HUMAN"
Bill = tuple[str, str, str]


@dataclass(frozen=True)
class Account:
    """One bill as the hospital's notebook and the insurer's book have it; `with_a_person`: it cannot be judged yet."""

    bill: Bill
    wishes: Sequence[Wished]
    live: Sequence[Held]
    taken_minor: int
    given_minor: int
    with_a_person: bool
    service_cancelled: bool

    @property
    def price_minor(self) -> int:
        """What the patient and the payers owe together: what is live, else what cash was taken for."""
        if self.live:
            return sum(one.total_minor for one in self.live)
        if not self.taken_minor or self.service_cancelled:
            return 0
        return max(wish.total_minor for wish in self.wishes if wish.operation == "settle")

    @property
    def own_share_minor(self) -> int:
        return self.price_minor - sum(one.total_minor - one.cash_minor for one in self.live)

    @property
    def refund_due_minor(self) -> int:
        return max(0, self.taken_minor - self.given_minor - self.own_share_minor)

    @property
    def net_cash_minor(self) -> int:
        """Told cash less refunds; where a settlement is live, the own share that no told cash covers was collected."""
        collected_minor = max(0, self.own_share_minor - self.taken_minor) if self.live else 0
        return self.taken_minor - self.given_minor + collected_minor


def accounts_of(facts: Facts) -> list[Account]:
    """Every bill on which a fee was wished, with what insurers and tills know of it."""
    wishes: dict[Bill, list[Wished]] = defaultdict(list)
    for wish in facts.wished.values():
        if wish.operation in ("settle", "resettle"):
            wishes[wish.bill].append(wish)
    live: dict[Bill, list[Held]] = defaultdict(list)
    for held in facts.held:
        known = wish_of(facts, held.his_no)
        if known is not None and held.state == "settled":
            live[known.bill].append(held)
    cash: dict[Bill, list[Cash]] = defaultdict(list)
    for one in facts.cash:
        cash[one.bill].append(one)
    unclear = undecided(facts)
    said = (told for told in facts.told if told.act == "service-cancelled" and told.status == 200)
    given_up = {told.asked.partition("~")[0] for told in said}
    return [
        Account(
            bill=bill,
            wishes=some,
            live=live[bill],
            taken_minor=sum(one.minor for one in cash[bill] if one.minor > 0),
            given_minor=-sum(one.minor for one in cash[bill] if one.minor < 0),
            with_a_person=any(wish.his_no in unclear or f"{wish.his_no}~2" in unclear for wish in some),
            service_cancelled=any(wish.his_no in given_up for wish in some),
        )
        for bill, some in sorted(wishes.items())
    ]


def wish_of(facts: Facts, his_no: str) -> Wished | None:
    """The second half of a resettle is ours to name: it belongs to the wish before the `~`."""
    return facts.wished.get(his_no) or facts.wished.get(his_no.partition("~")[0])


def undecided(facts: Facts) -> set[str]:
    """Transactions that a person has to rule on, and those whose cancel a person has to rule on."""
    waiting = {row.his_no for row in facts.ours.values() if row.state == WITH_A_PERSON}
    return waiting | {row.of for row in facts.ours.values() if row.state == WITH_A_PERSON and row.of}
