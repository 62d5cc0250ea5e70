"""The judge: a pure function over the facts of a run. What it returns is wrong; nothing returned is the proof.

It knows the promises of the contract and does sums of its own: no rule of the platform is asked what is right.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.accounts import WITH_A_PERSON, Account, accounts_of, undecided, wish_of
from chaos.facts import Facts, Held, Ours, Posted

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


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that is wrong: the promise that is broken, whose it is, and a sentence."""

    promise: str
    subject: str
    says: str


def check(facts: Facts) -> list[Difference]:
    """Everything that is wrong, in order; an empty list when every promise was kept."""
    return sorted({difference for one in CHECKS for difference in one(facts)})


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
        # Two answers to one request that is sent twice at once may cross on their way.
        if told.verdict and told.status in ANSWERED and told.act != "post again":
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
    unclear = undecided(facts)
    for row in facts.ours.values():
        theirs = held.pop(row.his_no, [])
        if row.operation_class != "MOVES" or row.his_no in unclear:
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
        for wish in account.wishes:
            yield from _told_of_cash(account, wish.his_no, facts.final.get(wish.his_no) or {})


def _told_of_cash(account: Account, his_no: str, final: Mapping[str, Any]) -> Iterator[Difference]:
    """What GET says of a transaction's cash and of its bill against our own sums."""
    cash, square = final.get("self_payment") or {}, (final.get("bill") or {}).get("square")
    due_minor = account.refund_due_minor
    if cash.get("amount_minor") and cash["refund_due_minor"] != due_minor:
        says = f"refund due should be {due_minor} and is told as {cash['refund_due_minor']}"
        yield Difference("bills are right", his_no, says)
    if square is not None and square != (due_minor == 0):
        yield Difference("bills are right", his_no, f"square is told as {square}, {due_minor} are due back")


def _shown(account: Account, shown: Mapping[str, Any], name: str) -> Iterator[Difference]:
    """What GET says of the bill against our own sums."""
    expected = {
        "square": account.refund_due_minor == 0,
        "price_minor": account.price_minor,
        "payers_minor": sum(one.total_minor - one.cash_minor for one in account.live),
        "self_paid_minor": account.taken_minor,
        "refunded_minor": account.given_minor,
        "net_cash_minor": account.net_cash_minor,
        "refund_due_minor": account.refund_due_minor,
        "cash_short_minor": 0,
    }
    for member, value in expected.items():
        if shown.get(member) != value:
            yield Difference("bills are right", name, f"{member} should be {value} and is told as {shown.get(member)}")


def abnormal_list_right(facts: Facts) -> Iterator[Difference]:
    """At rest each hospital's list holds what waits for somebody, and nothing else."""
    booked = {told.asked for told in facts.told if told.act == "acknowledge" and told.status == 200}
    for hospital, entries in facts.abnormal.items():
        expected: set[tuple[str, str]] = set()
        for row in facts.ours.values():
            wish = wish_of(facts, row.his_no)
            if wish is None or wish.hospital != hospital:
                continue
            if row.state == WITH_A_PERSON:
                expected.add(("needs_person", row.his_no))
            elif row.state == "SUCCEEDED" and row.operation_class == "MOVES" and row.his_no not in booked:
                expected.add(("unacknowledged", row.his_no))
        accounts = [account for account in accounts_of(facts) if account.bill[0] == hospital]
        expected |= {
            ("refund_due", f"{account.bill[2]}: {account.refund_due_minor}")
            for account in accounts
            if account.refund_due_minor and not account.with_a_person
        }
        unclear = {account.bill[2] for account in accounts if account.with_a_person}
        shown = {_listed(entry) for entry in entries if not _of_an_unclear_bill(entry, unclear)}
        for kind, name in expected - shown:
            yield Difference("the list shows it", name, f"{hospital} does not see {kind}")
        for kind, name in shown - expected:
            yield Difference("the list shows it", name, f"{hospital} is told of {kind}")


BILL_KINDS = ("refund_due", "cash_short", "not_square")


def _listed(entry: Mapping[str, Any]) -> tuple[str, str]:
    kind = entry["kind"]
    return (kind, f"{entry['bill_no']}: {entry['amount_minor']}") if kind in BILL_KINDS else (kind, entry["his_no"])


def _of_an_unclear_bill(entry: Mapping[str, Any], unclear: set[str]) -> bool:
    return entry["kind"] in BILL_KINDS and entry["bill_no"] in unclear


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
    abnormal_list_right,
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
        "the list shows it",
        "the ledger proves",
    ]


def with_a_person(facts: Facts) -> Counter[str]:
    """How many transactions wait for a person, by reason."""
    return Counter(row.reason_code.partition(":")[0] for row in facts.ours.values() if row.state == WITH_A_PERSON)
