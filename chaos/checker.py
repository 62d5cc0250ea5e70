"""The judge: a pure function over the facts of a run. What it returns is wrong; nothing returned is the proof.

It knows the promises of the contract and does sums of its own: no rule of the platform is asked what is right.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.facts import Cash, Facts, Held, Ours, Posted, Wished

WITH_A_PERSON = "NEEDS_HUMAN"
OPEN = ("RECEIVED", "SENDING", "IN_DOUBT", "REVERSING")
BOOKED = ("total_minor", "fund_minor", "account_minor", "hospital_minor", "cash_minor")
ANSWERED = (200, 202, 409)
# Verdict -> what may be told after it. `succeeded` may become `reversed` only when the hospital disowned it.
FOLLOWERS: dict[str, frozenset[str]] = {
    "pending": frozenset(
        {"pending", "succeeded", "rejected", "not_sent", "abandoned", "reversed", "cancelled", "stands"}
    ),
    "abandoned": frozenset({"abandoned", "reversed", "stands", "rejected", "not_sent"}),
    "succeeded": frozenset({"succeeded", "cancelled", "reversed"}),
    "rejected": frozenset({"rejected", "stands"}),
    "not_sent": frozenset({"not_sent", "stands"}),
    "reversed": frozenset({"reversed", "stands"}),
    "cancelled": frozenset({"cancelled"}),
    "stands": frozenset({"stands"}),
}
# State at the insurer -> in which states our transaction says the same.
SAME = {"settled": ("SUCCEEDED",), "reversed": ("REVERSED",), "cancelled": ("CANCELLED",)}
Bill = tuple[str, str, str]


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that is wrong: the promise that is broken, whose it is, and a sentence."""

    promise: str
    subject: str
    says: str


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


def check(facts: Facts) -> list[Difference]:
    """Everything that is wrong, in order; an empty list when every promise was kept."""
    return sorted({difference for one in CHECKS for difference in one(facts)})


def accounts_of(facts: Facts) -> list[Account]:
    """Every bill on which a fee was wished, with what insurers and tills know of it."""
    wishes: dict[Bill, list[Wished]] = defaultdict(list)
    for wish in facts.wished.values():
        if wish.operation in ("settle", "resettle"):
            wishes[wish.bill].append(wish)
    live: dict[Bill, list[Held]] = defaultdict(list)
    for held in facts.held:
        known = _wish_of(facts, held.his_no)
        if known is not None and held.state == "settled":
            live[known.bill].append(held)
    cash: dict[Bill, list[Cash]] = defaultdict(list)
    for one in facts.cash:
        cash[one.bill].append(one)
    undecided = _undecided(facts)
    given_up = {told.asked for told in facts.told if told.act == "service-cancelled" and told.status == 200}
    return [
        Account(
            bill=bill,
            wishes=some,
            live=live[bill],
            taken_minor=sum(one.minor for one in cash[bill] if one.minor > 0),
            given_minor=-sum(one.minor for one in cash[bill] if one.minor < 0),
            with_a_person=any(wish.his_no in undecided or f"{wish.his_no}~2" in undecided for wish in some),
            service_cancelled=any(wish.his_no in given_up for wish in some),
        )
        for bill, some in sorted(wishes.items())
    ]


def _wish_of(facts: Facts, his_no: str) -> Wished | None:
    """The second half of a resettle is ours to name: it belongs to the wish before the `~`."""
    return facts.wished.get(his_no) or facts.wished.get(his_no.partition("~")[0])


def _undecided(facts: Facts) -> set[str]:
    """Transactions that a person has to rule on, and those whose cancel a person has to rule on."""
    waiting = {row.his_no for row in facts.ours.values() if row.state == WITH_A_PERSON}
    return waiting | {row.of for row in facts.ours.values() if row.state == WITH_A_PERSON and row.of}


# The promises -----------------------------------------------------------------------------------------------------


def nothing_unforeseen(facts: Facts) -> Iterator[Difference]:
    for sentence in facts.surprises:
        yield Difference("answers as the contract says", sentence.partition(":")[0], sentence)
    for told in facts.told:
        if told.status >= 500:
            yield Difference("answers as the contract says", told.his_no, f"{told.act} was answered {told.status}")


def nothing_lost(facts: Facts) -> Iterator[Difference]:
    """Every wish that was ever answered 2xx is found again."""
    for his_no in sorted({told.his_no for told in facts.told if told.status in (200, 202)}):
        if facts.final.get(his_no) is None:
            yield Difference("nothing is lost", his_no, "it was answered and is not found any more")


def verdicts_in_order(facts: Facts) -> Iterator[Difference]:
    """What was told moves along the allowed order only: as the tills saw it, and as the platform stored it."""
    disowned = {told.asked for told in facts.told if told.act == "disown" and told.status == 200}
    seen: dict[str, list[str]] = defaultdict(list)
    for told in facts.told:
        if told.verdict and told.status in ANSWERED:
            seen[told.his_no].append(told.verdict)
    for his_no, final in facts.final.items():
        if final is not None:
            seen[his_no].append(str(final.get("verdict", "")))
    for where, words_of in (("told", seen), ("stored", {row.his_no: row.verdicts for row in facts.ours.values()})):
        for his_no, words in words_of.items():
            for before, after in itertools.pairwise(words):
                undone = before == "succeeded" and after == "reversed" and his_no not in disowned
                if after not in FOLLOWERS.get(before, frozenset()) or undone:
                    yield Difference("no verdict is broken", his_no, f"{where} {before}, then {after}")


def promises_of_acts_kept(facts: Facts) -> Iterator[Difference]:
    """What the hospital said and we took is not forgotten."""
    for told in facts.told:
        final, row = facts.final.get(told.asked) or {}, facts.ours.get(told.asked)
        if told.status != 200 or row is None or row.state == WITH_A_PERSON:
            continue
        if told.act == "acknowledge" and not final.get("acknowledged"):
            yield Difference("what was said is kept", told.asked, "it was acknowledged and does not say so")
        if told.act == "disown" and row.state != "REVERSED":
            yield Difference("what was said is kept", told.asked, f"it was disowned and is {row.state}")


def everything_ends(facts: Facts) -> Iterator[Difference]:
    for row in facts.ours.values():
        if row.state in OPEN:
            yield Difference("everything ends", row.his_no, f"it is still {row.state} ({row.reason_code})")


def sent_once(facts: Facts) -> Iterator[Difference]:
    """A settle is never sent a second time, and what insurers hold was sent by us."""
    known: dict[str, str] = {}
    for row in facts.ours.values():
        if len(row.settle_msgids) > 1:
            yield Difference("a settle is sent once", row.his_no, f"{len(row.settle_msgids)} settle messages")
        known |= dict.fromkeys(row.settle_msgids, row.his_no)
    for held in facts.held:
        if known.get(held.msgid) != held.his_no:
            yield Difference("a settle is sent once", held.his_no, f"{held.insurer} holds {held.msgid}, never sent")


def books_agree(facts: Facts) -> Iterator[Difference]:
    """Each settlement stands on both sides or on neither, with the same amounts."""
    held: dict[str, list[Held]] = defaultdict(list)
    for one in facts.held:
        held[one.his_no].append(one)
    undecided = _undecided(facts)
    for row in facts.ours.values():
        theirs = held.pop(row.his_no, [])
        if row.operation_class != "MOVES" or row.his_no in undecided:
            continue
        wish = facts.wished.get(row.his_no)
        if wish is not None and wish.total_minor != row.total_minor:
            yield Difference("books agree", row.his_no, f"{wish.total_minor} was wished, {row.total_minor} is kept")
        standing = [one for one in theirs if one.state == "settled"]
        if row.state == "SUCCEEDED" and len(standing) != 1:
            yield Difference("books agree", row.his_no, f"succeeded here, {len(standing)} settlements stand there")
        for one in theirs:
            yield from _agree(row, one)
    for his_no, rows in held.items():
        yield Difference("books agree", his_no, f"{rows[0].insurer} holds it and we do not know it")


def _agree(row: Ours, theirs: Held) -> Iterator[Difference]:
    if row.insurer != theirs.insurer:
        yield Difference("books agree", row.his_no, f"ours went to {row.insurer}, {theirs.insurer} holds it")
    if row.state not in SAME[theirs.state]:
        yield Difference("books agree", row.his_no, f"{theirs.msgid} is {theirs.state} there and {row.state} here")
    if row.state in ("SUCCEEDED", "CANCELLED"):
        for name in BOOKED:
            ours, other = getattr(row, name), getattr(theirs, name)
            if ours != other:
                yield Difference("books agree", row.his_no, f"{name} is {other} there and {ours} here")


def reversed_once(facts: Facts) -> Iterator[Difference]:
    for held in facts.held:
        if held.accepted_reversals > 1 or (held.state == "reversed") != (held.accepted_reversals == 1):
            yield Difference(
                "one reversal per settlement", held.his_no, f"{held.state}, {held.accepted_reversals} times reversed"
            )


def bills_right(facts: Facts) -> Iterator[Difference]:
    """Nobody pays twice or short: price = live settlements + net cash, but for a refund that is named."""
    for account in accounts_of(facts):
        if account.with_a_person:
            continue
        name = "/".join(account.bill)
        if len(account.live) > 1:
            yield Difference("bills are right", name, f"{len(account.live)} settlements are live at once")
        paid_minor = sum(one.total_minor - one.cash_minor for one in account.live) + account.net_cash_minor
        owed_minor = account.price_minor + account.refund_due_minor
        if paid_minor != owed_minor:
            yield Difference("bills are right", name, f"price and refund due are {owed_minor}, paid is {paid_minor}")
        shown = facts.bills.get(account.bill)
        if shown is not None:
            yield from _shown(account, shown, name)


def _shown(account: Account, shown: Mapping[str, Any], name: str) -> Iterator[Difference]:
    """What GET says of the bill against our own sums."""
    expected = {
        "refund_due_minor": account.refund_due_minor,
        "collected_minor": account.taken_minor,
        "refunded_minor": account.given_minor,
        "square": account.refund_due_minor == 0,
    }
    for member, value in expected.items():
        if member in shown and shown[member] != value:
            yield Difference("bills are right", name, f"{member} should be {value} and is told as {shown[member]}")


def ledger_right(facts: Facts) -> Iterator[Difference]:
    """The ledger of every bill against the insurer's book and the till."""
    for sentence in facts.ledger:
        yield Difference("the ledger proves", "", sentence)
    if not facts.posted:
        return
    for account in accounts_of(facts):
        if account.with_a_person:
            continue
        posted = facts.posted.get(account.bill, Posted())
        expected = {
            "receivable_minor": sum(one.fund_minor + one.account_minor for one in account.live),
            "hospital_borne_minor": sum(one.hospital_minor for one in account.live),
            "counter_cash_minor": account.net_cash_minor,
            "patient_deposits_minor": account.refund_due_minor,
            "fees_minor": account.price_minor,
        }
        for member, value in expected.items():
            if getattr(posted, member) != value:
                says = f"{member} should be {value} and is {getattr(posted, member)}"
                yield Difference("the ledger proves", "/".join(account.bill), says)


CHECKS: Sequence[Callable[[Facts], Iterator[Difference]]] = (
    nothing_unforeseen,
    nothing_lost,
    verdicts_in_order,
    promises_of_acts_kept,
    everything_ends,
    sent_once,
    books_agree,
    reversed_once,
    bills_right,
    ledger_right,
)


def promises() -> list[str]:
    """The names of what is checked, as differences carry them."""
    return [
        "answers as the contract says",
        "nothing is lost",
        "no verdict is broken",
        "what was said is kept",
        "everything ends",
        "a settle is sent once",
        "books agree",
        "one reversal per settlement",
        "bills are right",
        "the ledger proves",
    ]


def with_a_person(facts: Facts) -> Counter[str]:
    """How many transactions wait for a person, by reason."""
    return Counter(row.reason_code.partition(":")[0] for row in facts.ours.values() if row.state == WITH_A_PERSON)
