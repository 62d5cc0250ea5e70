"""The story that `make demo ARGS=--story` plays: hospitals settle over HTTP, and all books are held together.

It acts as a hospital's program would, with the client that hospitals are given: it knows demo.json and nothing else.
Only the comparison at the end looks into our database.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from accounts.selectors import organisation_by_code
from core.money import Money
from exchange.selectors.books import books_compare
from ledger.selectors import trial_balance
from ledger.services import prove
from medisettle_client import Client, MediSettleError, Problem, Verdict
from ops.doubts import PRICE_MINOR, Doubts, StoryFailed, own

SECONDS = 40.0
WAIT_SECONDS = 15
TILL_ACCOUNTS = ("counter_cash", "patient_deposits")
Say = Callable[[str], None]
# Last four digits of invented id numbers: what the sandbox insurer does with each is in insurers/sandbox/README.md.
PEOPLE = {
    "1237": "80 % fund",
    "9003": "all cash",
    "9004": "three payers",
    "9005": "hospital bears 5 %",
    "9008": "all fund",
}


@dataclass(frozen=True, slots=True)
class Hospital:
    """A hospital's program: what it is called, and its way to the platform."""

    code: str
    client_key: str
    client: Client


def wish_of(
    his_no: str, *, ending: str, insurer: Mapping[str, Any], total_minor: int, operation: str = "settle"
) -> dict[str, Any]:
    """An invented patient's fee of one line."""
    return {
        "his_no": his_no,
        "operation": operation,
        "operator": {"no": "C12", "name": "演示", "terminal_no": "W03", "shift_no": "S-1"},
        "person": {"id_type": "01", "id_no": f"11010119900101{ending}", "name": "张三(演示)"},
        "visit": {"visit_no": f"V-{his_no}", "kind": "outpatient", "department": "肿瘤科"},
        "bill": {"bill_no": "B-1"},
        "insurance": {"scheme": insurer["scheme"], "region": insurer["region"]},
        "items": [
            {"line_no": 1, "code": "XM0001", "name": "检查费", "quantity": "1",
             "unit_price": f"{total_minor / 100:.2f}", "amount_minor": total_minor}
        ],
        "total_minor": total_minor,
        "currency": "CNY",
        "wait_seconds": WAIT_SECONDS,
    }  # fmt: skip


class Story:
    def __init__(self, demo: Mapping[str, Any], say: Say) -> None:
        self.demo, self.say = demo, say
        self.run = uuid4().hex[:8]
        # What the plain settlements of the first hospital brought to its till.
        self.settled_own_minor = 0
        self.hospitals: list[Hospital] = []
        self.numbers = 0
        self.folder = Path()

    def play(self) -> None:
        """Play all chapters. Raises StoryFailed at the first thing that is not as told."""
        with ExitStack() as stack:
            # What a till keeps until it is answered; the people in it are invented.
            self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="medisettle-story-")))
            for entry in self.demo["hospitals"]:
                client = stack.enter_context(self._till(entry["client_key"], self.demo["base_urls"]))
                self.hospitals.append(Hospital(entry["code"], entry["client_key"], client))
            try:
                self.counter = Doubts(self.hospitals[0].client, self.say, self._fee, self._break_next, _book)
                for chapter in (self.settle, self.refuse, self.repeat, self.doubt, self.compare_books):
                    chapter()
            except MediSettleError as error:
                raise StoryFailed(str(error)) from error
        self.say("All books agree; nothing is in doubt.")

    def settle(self) -> None:
        self.say("1. Both hospitals settle with every insurer")
        for hospital in self.hospitals:
            for insurer in self.demo["insurers"]:
                for ending, meaning in PEOPLE.items():
                    told = hospital.client.settle(self._wish(hospital, insurer, ending))
                    amounts = told.amounts
                    if not told.succeeded or amounts is None:
                        raise StoryFailed(f"expected that a fee settles; was told {told}")
                    parts = amounts.fund_minor + amounts.account_minor + amounts.hospital_minor + amounts.cash_minor
                    self._expect(parts == amounts.total_minor, "the parts make the total", told)
                    paid = Money(amounts.cash_minor, amounts.currency)
                    self.settled_own_minor += amounts.cash_minor if hospital is self.hospitals[0] else 0
                    self.say(f"   {told.his_no} {insurer['code']}: {meaning:<18} patient pays {paid!s:>12}")

    def refuse(self) -> None:
        self.say("2. The insurer refuses a person it does not know: nothing is held, and the cashier is told why")
        told = self.hospitals[0].client.settle(self._wish(self.hospitals[0], self.demo["insurers"][0], "9001"))
        if told.verdict != "rejected" or told.reason is None:
            raise StoryFailed(f"expected that a refusal is final; was told {told}")
        self.say(f"   {told.reason.insurer_code}: {told.reason.insurer_text}")

    def repeat(self) -> None:
        self.say("3. A request is repeated at each listener, as programs do: it acts once")
        hospital, stranger, insurer = *self.hospitals, self.demo["insurers"][0]
        wish = self._wish(hospital, insurer, "1237")
        first = hospital.client.settle(wish)
        self.settled_own_minor += own(first)
        for base_url in self.demo["base_urls"]:
            with self._till(hospital.client_key, [base_url]) as till:
                again = till.settle(wish)
            self._expect(again == replace(first, replayed=True), "the same answer comes again", again)
        other = {**wish, "total_minor": 1, "items": [{**wish["items"][0], "unit_price": "0.01", "amount_minor": 1}]}
        self._expect_refusal(409, "another wish under the same his_no", lambda: hospital.client.settle(other))
        self._expect_refusal(404, "a look by the other hospital", lambda: stranger.client.get(first.his_no))

    def doubt(self) -> None:
        for number, (title, chapter) in enumerate(DOUBTS, 4):
            self.say(f"{number}. {title}")
            for insurer in self.demo["insurers"]:
                chapter(self.counter, insurer)
        kept = [kept.his_no for kept in self.hospitals[0].client.kept()]
        if kept:
            raise StoryFailed(f"the till still waits for {kept}")

    def compare_books(self) -> None:
        self.say("8. The insurers' books against ours, ours against the ledger, and the till against both")
        for insurer in self.demo["insurers"]:
            code = insurer["code"]
            comparison = books_compare(interface_code=code, settlements=_control(insurer, "book")["settlements"])
            for difference in comparison.differences:
                raise StoryFailed(f"{code}: {difference}")
            if comparison.in_doubt:
                raise StoryFailed(f"{code}: still in doubt: {', '.join(comparison.in_doubt)}")
            owed = Money(comparison.receivable_minor)
            self.say(f"   {code}: {comparison.settled:>3} settlements equal, {owed!s:>14} receivable, none in doubt")
        self._compare_till()
        proof = prove()
        if not proof.holds:
            raise StoryFailed("the ledger does not prove")
        self.say("   The ledger proves: every posting balanced, trial balance zero")

    def _compare_till(self) -> None:
        """The hospital counted for itself what went over its counter."""
        organisation = organisation_by_code(code=self.hospitals[0].code)
        rows = trial_balance(organisations=[organisation.pk] if organisation else [])
        sums = {name: sum(row.balance_minor for row in rows if row.account == name) for name in TILL_ACCOUNTS}
        if sums != {"counter_cash": self.counter.till_minor + self.settled_own_minor, "patient_deposits": 0}:
            raise StoryFailed(f"the till holds {self.counter.till_minor + self.settled_own_minor}, the ledger {sums}")
        self.say(f"   The till of {self.hospitals[0].code} holds {Money(sums['counter_cash'])}, and so does the ledger")

    def _till(self, client_key: str, base_urls: Sequence[str]) -> Client:
        """A program with a store of its own."""
        return Client(base_urls, client_key, store=self.folder / uuid4().hex)

    def _wish(self, hospital: Hospital, insurer: Mapping[str, Any], ending: str) -> dict[str, Any]:
        self.numbers += 1
        his_no = f"{hospital.code}-{self.run}-{self.numbers:03d}"
        return wish_of(his_no, ending=ending, insurer=insurer, total_minor=10000 + 37 * self.numbers)

    def _fee(self, insurer: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        """A fee of the doubts' price at the first hospital; a changed total changes its one line too."""
        self.numbers += 1
        his_no = f"{self.hospitals[0].code}-{self.run}-{self.numbers:03d}"
        total_minor = changes.get("total_minor") or PRICE_MINOR
        wish = wish_of(his_no, ending="1237", insurer=insurer, total_minor=total_minor) | changes
        return {name: value for name, value in wish.items() if value not in (None, [])}

    def _break_next(self, insurer: Mapping[str, Any], fault: str) -> None:
        _control(insurer, "faults", {"next": [fault]})

    def _expect(self, holds: bool, what: str, told: Verdict) -> None:
        if not holds:
            raise StoryFailed(f"expected that {what}; was told {told}")

    def _expect_refusal(self, status: int, what: str, ask: Callable[[], Verdict]) -> None:
        try:
            told = ask()
        except Problem as refused:
            if refused.status != status:
                raise StoryFailed(f"expected {status} for {what}; was told {refused}") from refused
        else:
            raise StoryFailed(f"expected that {what} is refused; was told {told}")


DOUBTS: tuple[tuple[str, Callable[[Doubts, Mapping[str, Any]], None]], ...] = (
    ("An answer is lost, cash is taken: reversed once, settled anew, the surplus goes back", Doubts.lost_answer),
    ("Success is proven before the cash is told: insurance stands", Doubts.insurance_stands),
    ("The service is not given after all", Doubts.service_given_up),
    ("A settled fee is cancelled; another is settled anew for its rest", Doubts.cancelled),
)


def _book(insurer: Mapping[str, Any]) -> list[dict[str, Any]]:
    settlements: list[dict[str, Any]] = _control(insurer, "book")["settlements"]
    return settlements


def _control(insurer: Mapping[str, Any], what: str, body: Mapping[str, Any] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the demo's own sandbox
        f"{insurer['control_url']}/{what}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return json.load(answer)
