"""An insurer that says of each kind of message what the test wants, a clock that moves on, and the hospital's acts."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from django.conf import settings

from core.clock import database_now
from core.ids import new_trace_id
from core.row_security import EVERYTHING, seen_by
from exchange.models import Bill, CapabilityGrant, Evidence, Refund, Reversal, SelfPayment, Transaction
from exchange.selectors.bills import bills_read
from exchange.selectors.interfaces import interfaces_forget
from exchange.selectors.transactions import answers_of
from exchange.services.acts import ActDraft, Acted, act_apply
from exchange.services.interfaces import capabilities_grant
from exchange.services.verdicts import answers_give
from exchange.services.wishes import Received
from exchange.states import OPEN, GrantSource
from journal.models import Job
from ledger.models import Posting
from ledger.selectors import trial_balance
from ledger.services import prove
from tests.exchange.house import House, conclude, draft, fresh, move_insurer, perform, received, take
from tests.exchange.peer import answer_to, peer, signed
from tests.roles import as_role

Said = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]] | None
# Longer than any deadline, shorter than the quiet time of the tests' insurer; and longer than that too.
PAST_DEADLINE, PAST_QUIET = 70.0, 200.0
SPLIT = {
    "total_minor": 10000,
    "fund_minor": 8000,
    "account_minor": 0,
    "hospital_minor": 0,
    "cash_minor": 2000,
    "shares": [{"payer": "basic_fund", "amount_minor": 8000}],
}
STANDS = {"state": "STANDS", "amount_minor": 10000, "refund_due_minor": 0}
NOT_FOUND = {"code": "not_found"}
RUNNING = {"code": "running"}
SILENCE = None
REFUSAL = {"code": "refused", "reason": {"code": "not_insured", "text": "未参保"}}
UNKNOWN_ORIGINAL = {"code": "refused", "reason": {"code": "unknown_original", "text": ""}}
ALREADY_REVERSED = {"code": "refused", "reason": {"code": "already_reversed", "text": ""}}


def found(state: str = "settled", **changes: Any) -> Said:
    """A query's answer: the message that was asked about is held in this state."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        number = request.get("settlement_no") or f"S-{request['of_msgid']}"
        held = {
            "msgid": request["of_msgid"],
            "settlement_no": number,
            "state": state,
            "person": {"id_no": request["person"]["id_no"]},
            **SPLIT,
        }
        return {"code": "done", "found": held | changes}

    return answer


def reversed_(**changes: Any) -> Said:
    """A reversal's answer that names what it undid."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        undone = {"msgid": request["of_msgid"], "settlement_no": f"S-{request['of_msgid']}"}
        who = {"person": {"id_no": request["person"]["id_no"]}, "total_minor": 10000}
        return {"code": "done", "reversed": undone} | who | changes

    return answer


def nothing_held() -> Said:
    """A reversal of a message never seen, answered as accepted."""
    return {"code": "done", "reversed": None}


def cancelled(**changes: Any) -> Said:
    """A cancel's answer: the negative settlement is booked."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        who = {"person": {"id_no": request["person"]["id_no"]}, "total_minor": -10000}
        number = f"C-{request['msgid']}"
        return {"code": "done", "cancelled": request["settlement_no"], "settlement_no": number} | who | changes

    return answer


class Insurer:
    """What it says to each kind of message; a list is said one after the other, its last for ever. None: not a word."""

    def __init__(self, **says: Said | list[Said]) -> None:
        self.says: dict[str, Any] = {"settle": {}, "query": NOT_FOUND, "reverse": reversed_(), "cancel": cancelled()}
        self.says |= says
        self.heard: list[str] = []
        self.requests: list[dict[str, Any]] = []

    def __call__(self, connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        kind = headers[":path"].rsplit("/", 1)[1]
        self.heard.append(kind)
        self.requests.append(request)
        said = self.says[kind]
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        if said is SILENCE:
            return False
        said = said(request) if callable(said) else said
        if kind == "settle":
            answer = answer_to(request, **said)
        else:
            answer = {"msgid": request["msgid"], "his_no": request["his_no"], "reason": None, **said}
        # The tests' clock may be ahead of ours: the answer is as fresh as the question.
        fresh_as = {"Timestamp": headers["x-ms-timestamp"]}
        connection.sendall(signed(headers, json.dumps(answer).encode(), **fresh_as))
        return True


@contextmanager
def insurer(house: House, **says: Said | list[Said]) -> Iterator[Insurer]:
    """The house's insurer, saying this."""
    script = Insurer(**says)
    with peer(script) as served:
        move_insurer(house, served.base_url)
        yield script


def can(house: House, **values: Any) -> None:
    """What the house's insurer is certified for, and no more: capabilities that are not named are taken away."""
    CapabilityGrant.objects.filter(interface=house.interface).delete()
    now = database_now()
    granted = {"accept_window_seconds": 2, "max_processing_seconds": 60} | values
    capabilities_grant(interface=house.interface, values=granted, source=GrantSource.DEMO, by="platform", now=now)
    interfaces_forget()


def clock_on(seconds: float) -> None:
    """The database's clock, as the platform reads it, moves on. `settings` puts it back after the test."""
    settings.CLOCK_OFFSET_SECONDS += seconds


def turn(house: House) -> int:
    """One turn of a worker: whatever is due is armed, sent and concluded; returns how many calls were sent."""
    works = take(house).works
    conclude(perform(works))
    return len(works)


def turns(house: House, *, seconds: float = 30.0, at_most: int = 60) -> None:
    """Turn after turn, the clock moving on, until nothing is left to do."""
    for _ in range(at_most):
        turn(house)
        if not Job.objects.filter(parked_at__isnull=True).exclude(kind="exchange.watch").exists():
            return
        clock_on(seconds)
    raise AssertionError(f"still at work: {list(Job.objects.values_list('kind', 'run_at'))}")


def in_doubt(house: House, his_no: str = "", **changes: Any) -> Transaction:
    """A wish that was sent and got no answer, its deadline passed."""
    (row,) = received(draft(house, his_no, **changes))
    with insurer(house, settle=SILENCE):
        turn(house)
    row = fresh(row)
    assert row.state == "IN_DOUBT"
    clock_on(PAST_DEADLINE)
    return row


def settled(house: House, his_no: str = "", **changes: Any) -> Transaction:
    """A wish that the insurer settled: 80 of 100 are the fund's."""
    (row,) = received(draft(house, his_no, **changes))
    with insurer(house):
        turn(house)
    row = fresh(row)
    assert row.state == "SUCCEEDED"
    return row


def armed(house: House, his_no: str = "", **changes: Any) -> tuple[Transaction, list[Any]]:
    """A wish that is on its way, and the work that would send it."""
    (row,) = received(draft(house, his_no, **changes))
    works = take(house).works
    assert [work.payload.transaction_id for work in works] == [row.pk]
    return fresh(row), works


def act(house: House, his_no: str, name: str, *, key: str = "", hospital: Any = None, **values: Any) -> Acted:
    """What the hospital says of a wish, as the listener hands it on: as role app, seeing its own rows only."""
    organisation_id = (hospital or house.hospital).pk
    body = f"{name}/{his_no}/{json.dumps(values, sort_keys=True, default=str)}"
    one = ActDraft(
        organisation_id=organisation_id,
        by="key:till",
        idempotency_key=key or body,
        digest=hashlib.sha256(body.encode()).digest(),
        act=name,
        his_no=his_no,
        values=values,
        trace_id=new_trace_id(),
    )
    with as_role("app"), seen_by({organisation_id}):
        return act_apply(draft=one, now=database_now())


def abandon(house: House, his_no: str, minor: int = 10000, receipt_no: str = "R-1", **values: Any) -> Acted:
    return act(house, his_no, "abandon", self_paid_minor=minor, receipt_no=receipt_no, **values)


def refund(house: House, his_no: str, minor: int, refund_no: str = "F-1", **values: Any) -> Acted:
    return act(house, his_no, "refunded", amount_minor=minor, refund_no=refund_no, **values)


def told(house: House, his_no: str) -> dict[str, Any]:
    """What GET says."""
    with as_role("app"), seen_by({house.hospital.pk}):
        (answer,) = answers_give(organisation_id=house.hospital.pk, his_nos=[his_no], now=database_now())
    assert isinstance(answer, dict)
    return answer


def code_of(acted: Acted | Received) -> str:
    """The refusal's code, empty where the act was taken."""
    return acted.problem.code if acted.problem is not None else ""


def latest(row: Transaction) -> dict[str, Any]:
    return answers_of([row.pk])[row.pk]


def accounts(house: House) -> dict[str, int]:
    """The balance of every account of the hospital's memo books, on its normal side, over all insurers."""
    sums: dict[str, int] = {}
    for line in trial_balance(organisations=EVERYTHING):
        assert line.organisation_id == house.hospital.pk
        sums[line.account] = sums.get(line.account, 0) + line.balance_minor
    return {name: minor for name, minor in sums.items() if minor}


def reversals(row: Transaction) -> list[tuple[int, str, str]]:
    """(episode, cause, end) of each, oldest first."""
    rows = Reversal.objects.filter(transaction=row).order_by("opened_at")
    return [(one.episode, one.cause, one.end) for one in rows]


def jobs(row: Transaction) -> list[str]:
    """The kinds of what is still to be done for it, without the looks after what has ended."""
    kinds = Job.objects.filter(subject_id=row.pk, parked_at__isnull=True).exclude(kind="exchange.watch")
    return sorted(kinds.values_list("kind", flat=True))


def said_of(row: Transaction) -> list[tuple[str, str]]:
    return list(Evidence.objects.filter(transaction=row).order_by("at", "id").values_list("kind", "says"))


def cash_of(house: House) -> tuple[int, int]:
    """Cash that was told to come in, and to go out."""
    came = sum(SelfPayment.objects.values_list("amount_minor", flat=True))
    return came, sum(Refund.objects.values_list("amount_minor", flat=True))


def books_hold(house: House) -> None:
    """The ledger is proven; each bill at rest has its refund due in deposits and its cash in the till.

    Cash that went with a verdict is assumed as each bill says.
    """
    with as_role("worker"):
        proof = prove()
    assert proof.holds, [check for check in proof.checks if not check.holds]
    if Transaction.objects.filter(state__in=OPEN).exclude(bill=None).exists():
        return
    read = bills_read(Bill.objects.values_list("pk", flat=True))
    terms = {bill_id: read.terms(bill_id) for bill_id in read.bills}
    for bill_id, bill in read.bills.items():
        assert bill.refund_due_minor == terms[bill_id].refund_due_minor, bill
        assert bill.cash_short_minor == terms[bill_id].cash_short_minor, bill
    sums = accounts(house)
    assert sums.get("patient_deposits", 0) == sum(one.refund_due_minor for one in terms.values())
    assert sums.get("counter_cash", 0) == sum(one.net_minor + one.assumed_minor for one in terms.values())
    live = Transaction.objects.filter(operation_class="MOVES", state="SUCCEEDED")
    owed = sum((row.fund_minor or 0) + (row.account_minor or 0) for row in live)
    assert sum(minor for name, minor in sums.items() if name.startswith("receivable:")) == owed


# What may follow each verdict that was told.
FOLLOWS: dict[str, set[str]] = {
    "pending": {"succeeded", "rejected", "not_sent", "abandoned", "reversed", "cancelled", "stands"},
    "abandoned": {"reversed", "stands", "rejected", "not_sent"},
    "succeeded": {"cancelled", "reversed", "stands"},
    "stands": {"cancelled", "reversed"},
    "rejected": {"stands"},
    "not_sent": {"stands"},
    "reversed": {"stands"},
    "cancelled": set(),
}


def sound(house: House) -> None:
    """What must hold of every transaction at every moment, and of the books and bills."""
    posted = settled_now()
    for row in Transaction.objects.prefetch_related("verdicts", "reversals"):
        undoing = [one for one in row.reversals.all() if one.closed_at is None]
        assert len(undoing) == (row.state == "REVERSING"), f"{row} is {row.state} with {undoing}"
        accepted = [one.episode for one in row.reversals.all() if one.end == "ACCEPTED"]
        assert len(accepted) == len(set(accepted)), f"{row} was reversed twice for one settlement"
        if row.state in ("SENDING", "IN_DOUBT", "REVERSING"):
            assert Job.objects.filter(subject_id=row.pk).exists(), f"nobody looks after {row}, which is {row.state}"
        assert (row.owner != "") == (row.state == "NEEDS_HUMAN"), row
        words = [one.verdict for one in sorted(row.verdicts.all(), key=lambda one: (one.version, one.at))]
        for word, after in pairwise(words):
            assert word == after or after in FOLLOWS[word], f"{row} was told {words}"
        if row.told:
            assert words[-1] == row.told, f"{row}: {words}, not {row.told}"
        stands = row.state == "SUCCEEDED" and row.operation_class == "MOVES"
        # While it is being disowned its posting stands; it is mirrored when that has ended.
        if row.state not in ("REVERSING", "NEEDS_HUMAN"):
            assert (row.pk in posted) is stands, f"{row} is {row.state}, and its posting says otherwise"
    books_hold(house)


def settled_now() -> dict[Any, int]:
    """The fees whose memo posting stands: posted and not mirrored, how often each."""
    standing: dict[Any, int] = {}
    undone = set(Posting.objects.exclude(reverses=None).values_list("reverses_id", flat=True))
    for posting in Posting.objects.filter(kind="settled", reverses=None):
        if posting.pk not in undone:
            standing[posting.cause_id] = standing.get(posting.cause_id, 0) + 1
    assert set(standing.values()) <= {1}, "a fee is posted once"
    return standing
