"""The story that `make demo ARGS=--story` plays: hospitals settle over HTTP, and all books are held together.

It acts as a hospital's program would: it knows demo.json and the hospital interface, nothing else. Only the comparison
at the end looks into our database.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from uuid import uuid4

from core.money import Money
from exchange.selectors.books import books_compare
from ledger.services import prove

SECONDS = 40.0
Say = Callable[[str], None]
# Last four digits of invented id numbers: what the sandbox insurer does with each is in insurers/sandbox/README.md.
PEOPLE = {
    "1237": "80 % fund",
    "9003": "all cash",
    "9004": "three payers",
    "9005": "hospital bears 5 %",
    "9008": "all fund",
}


class StoryFailed(Exception):
    """Something did not turn out as told."""


@dataclass(frozen=True, slots=True)
class Told:
    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class Hospital:
    """A hospital's program: a key, and the addresses of the listeners."""

    def __init__(self, *, code: str, client_key: str, base_urls: list[str]) -> None:
        self.code, self.client_key, self.base_urls = code, client_key, base_urls
        self.posts = 0

    def post(self, wish: Mapping[str, Any], *, key: str | None = None) -> Told:
        """Each post goes to the next listener."""
        self.posts += 1
        return self._ask("transactions", wish, {"Idempotency-Key": key or str(uuid4())}, listener=self.posts)

    def get(self, his_no: str) -> Told:
        return self._ask(f"transactions/{his_no}", None, {}, listener=1)

    def _ask(self, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str], *, listener: int) -> Told:
        request = urllib.request.Request(  # noqa: S310 - the demo's own addresses
            f"{self.base_urls[listener % len(self.base_urls)]}/api/his/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.client_key}", "Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return Told(answer.status, _lower(answer.headers), json.load(answer))
        except urllib.error.HTTPError as error:
            return Told(error.code, _lower(error.headers), json.load(error))


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
        "wait_seconds": 15,
    }  # fmt: skip


class Story:
    def __init__(self, demo: Mapping[str, Any], say: Say) -> None:
        self.demo, self.say = demo, say
        self.run = uuid4().hex[:8]
        self.in_doubt = 0
        self.hospitals = [
            Hospital(code=entry["code"], client_key=entry["client_key"], base_urls=list(demo["base_urls"]))
            for entry in demo["hospitals"]
        ]
        self.numbers = 0

    def play(self) -> None:
        """Play all chapters. Raises StoryFailed at the first thing that is not as told."""
        for chapter in (self.settle, self.refuse, self.repeat, self.fall_silent, self.compare_books):
            chapter()
        self.say(f"All books agree; {self.in_doubt} fee(s) in doubt, named above.")

    def settle(self) -> None:
        self.say("1. Both hospitals settle with every insurer")
        for hospital in self.hospitals:
            for insurer in self.demo["insurers"]:
                for ending, meaning in PEOPLE.items():
                    told = hospital.post(self._wish(hospital, insurer, ending))
                    self._expect(told.status == 200 and told.body["verdict"] == "succeeded", "a fee settles", told)
                    amounts = told.body["amounts"]
                    parts = sum(
                        amounts[name] for name in ("fund_minor", "account_minor", "hospital_minor", "cash_minor")
                    )
                    self._expect(parts == amounts["total_minor"], "the parts make the total", told)
                    paid = Money(amounts["cash_minor"], amounts["currency"])
                    self.say(f"   {told.body['his_no']} {insurer['code']}: {meaning:<18} patient pays {paid!s:>12}")

    def refuse(self) -> None:
        self.say("2. The insurer refuses a person it does not know: nothing is held, and the cashier is told why")
        told = self.hospitals[0].post(self._wish(self.hospitals[0], self.demo["insurers"][0], "9001"))
        self._expect(told.status == 200 and told.body["verdict"] == "rejected", "a refusal is final", told)
        self.say(f"   {told.body['reason']['insurer_code']}: {told.body['reason']['insurer_text']}")

    def repeat(self) -> None:
        self.say("3. A request is repeated, as programs do: it acts once")
        hospital, insurer = self.hospitals[0], self.demo["insurers"][0]
        wish, key = self._wish(hospital, insurer, "1237"), str(uuid4())
        first, second = hospital.post(wish, key=key), hospital.post(wish, key=key)
        same = first.body["id"] == second.body["id"] and second.headers.get("idempotent-replayed") == "true"
        self._expect(same, "the same answer comes again", second)
        other = hospital.post(
            {**wish, "total_minor": 1, "items": [{**wish["items"][0], "unit_price": "0.01", "amount_minor": 1}]}
        )
        self._expect(other.status == 409, "another wish under the same his_no is refused", other)
        stranger = self.hospitals[1].get(wish["his_no"])
        self._expect(stranger.status == 404, "the other hospital does not see it", stranger)

    def fall_silent(self) -> None:
        self.say("4. An insurer settles and its answer is lost: nobody claims to know")
        hospital, insurer = self.hospitals[0], self.demo["insurers"][0]
        _control(insurer, "faults", {"next": ["commit_then_silence"]})
        told = hospital.post(self._wish(hospital, insurer, "1237"))
        self._expect(told.status == 202 and told.body["verdict"] == "pending", "silence is told as pending", told)
        deadline = time.monotonic() + SECONDS
        while hospital.get(told.body["his_no"]).body["state"] != "IN_DOUBT":
            self._expect(time.monotonic() < deadline, "it is held in doubt, not failed", told)
            time.sleep(0.2)
        self.say(
            f"   {told.body['his_no']} is in doubt: not failed, not settled twice; "
            "finding out is the monitor's work (not built yet)"
        )

    def compare_books(self) -> None:
        self.say("5. The insurers' books against ours, and ours against the ledger")
        for insurer in self.demo["insurers"]:
            code = insurer["code"]
            comparison = books_compare(interface_code=code, settlements=_control(insurer, "book")["settlements"])
            for difference in comparison.differences:
                raise StoryFailed(f"{code}: {difference}")
            self.in_doubt += len(comparison.in_doubt)
            doubt = ", ".join(comparison.in_doubt) or "none"
            owed = Money(comparison.receivable_minor)
            self.say(
                f"   {code}: {comparison.settled:>3} settlements equal, {owed!s:>14} receivable, in doubt: {doubt}"
            )
        proof = prove()
        if not proof.holds:
            raise StoryFailed("the ledger does not prove")
        self.say("   The ledger proves: every posting balanced, trial balance zero")

    def _wish(self, hospital: Hospital, insurer: Mapping[str, Any], ending: str) -> dict[str, Any]:
        self.numbers += 1
        his_no = f"{hospital.code}-{self.run}-{self.numbers:03d}"
        return wish_of(his_no, ending=ending, insurer=insurer, total_minor=10000 + 37 * self.numbers)

    def _expect(self, holds: bool, what: str, told: Told) -> None:
        if not holds:
            raise StoryFailed(
                f"expected that {what}; was told {told.status} {json.dumps(told.body, ensure_ascii=False)}"
            )


def _control(insurer: Mapping[str, Any], what: str, body: Mapping[str, Any] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the demo's own sandbox
        f"{insurer['control_url']}/{what}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return json.load(answer)
