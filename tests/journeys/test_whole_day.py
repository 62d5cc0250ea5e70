"""A whole day at the hospital's desk, in a real browser against the whole platform, in both languages.

Settle, doubt, cash, reversal, settled anew from the outage list, a refund that two people report, a success that was
never booked, and the shift's close: the till agrees to the cent, and the insurer holds what we say it holds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.journeys.conftest import Watch, picture
from tests.live import LiveStack, live, live_template, until

__all__ = ["live", "live_template"]
pytestmark = pytest.mark.xdist_group("test_whole_day")
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
SECONDS, PATIENT_MS = 60.0, 20_000
TOTAL_MINOR, CASH, REFUND = 200_000, "2000.00", "1,600.00"
WORDS = {
    "en-US": {
        "saved": "Saved.",
        "entered": "counts once a colleague has confirmed it",
        "confirmed": "Confirmed: it counts from now on.",
        "square": "Square",
        "closed": "Closed without a difference.",
        "till": "The till should hold",
        "quiet": "Nothing is unknown.",
    },
    "zh-CN": {
        "saved": "已保存。",
        "entered": "须由同事确认后生效",
        "confirmed": "已确认，即时生效。",
        "square": "已平账",
        "closed": "已结班，无差额。",
        "till": "应有金额",
        "quiet": "没有存疑交易。",
    },
}
_numbers = itertools.count(1)


@dataclass
class Desk:
    """One person's screen."""

    page: Page
    url: str
    watch: Watch

    def go(self, address: str) -> None:
        self.page.goto(f"{self.url}/hospital/{address}")

    def act(self, link: str, **values: str) -> None:
        """Open the dialog of a button, fill it in and send it."""
        self.page.locator(link).first.click()
        dialog = self.page.locator("dialog.ms-dialog")
        expect(dialog).to_be_visible()
        for name, value in values.items():
            dialog.locator(f"[name={name}]").fill(value)
        dialog.locator("button.ms-primary").click()
        expect(dialog).to_have_count(0)

    def said(self, words: str) -> None:
        expect(self.page.locator("body")).to_contain_text(words)


@pytest.fixture(params=["en-US", "zh-CN"])
def locale(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desks(live: LiveStack, browser: Browser, locale: str) -> Iterator[dict[str, Desk]]:
    """The cashier and the back office of HOSP-A, signed in."""
    logins = json.loads((live.folder / "demo.json").read_text())["logins"]
    passwords = {one["username"]: one["password"] for one in logins}
    url, opened = live.base_urls[0], {}
    for name, username in (("cashier", "cashier-a"), ("office", "office-a")):
        page = browser.new_context(locale=locale, viewport=DESKTOP).new_page()
        page.set_default_timeout(PATIENT_MS)
        opened[name] = Desk(page, url, Watch(page, url))
        opened[name].go("")
        page.fill("[name=username]", username)
        page.fill("[name=password]", passwords[username])
        page.click("[type=submit]")
        page.wait_for_url(f"{url}/hospital/")
    expect.set_options(timeout=PATIENT_MS)
    yield opened
    for desk in opened.values():
        assert (desk.watch.complaints, desk.watch.foreign) == ([], [])
        desk.page.context.close()


def held(live: LiveStack, his_no: str) -> list[dict[str, Any]]:
    """What the insurer's own book says of it."""
    return [row for row in live.book("SANDBOX-A") if row["his_no"] == his_no]


def key_of(live: LiveStack, his_no: str) -> str:
    return str(live.rows("SELECT id FROM exchange_transaction WHERE his_no = %s", [his_no])[0][0])


@dataclass
class Day:
    """The script of one day, with one number before all its fees."""

    live: LiveStack
    cashier: Desk
    office: Desk
    locale: str
    name: str

    @property
    def words(self) -> dict[str, str]:
        return WORDS[self.locale]

    @property
    def shift(self) -> str:
        return f"S-{self.name}"

    def wish(self, name: str, **more: Any) -> dict[str, Any]:
        operator = {"no": "C12", "terminal_no": "W03", "shift_no": self.shift}
        return self.live.wish(f"{self.name}-{name}", operator=operator, **more)

    def picture(self, desk: Desk, name: str) -> None:
        picture(desk.page, f"day-{name}-{self.locale}")


def settled(day: Day) -> str:
    """The HIS sends, the insurer answers, the desk sees the whole way."""
    wish = day.wish("PLAIN")
    assert day.live.post(wish).verdict == "succeeded"
    day.cashier.go(f"transactions/{key_of(day.live, wish['his_no'])}/")
    expect(day.cashier.page.locator(".ms-path li")).to_have_count(5)
    return str(wish["his_no"])


def doubted_and_paid_in_cash(day: Day) -> str:
    """The insurer has settled, its answer is lost, then it says nothing at all; the patient cannot wait."""
    day.live.faults("SANDBOX-A", "commit_then_silence")
    wish = day.wish("LOST", total_minor=TOTAL_MINOR, wait_seconds=0)
    his_no = str(wish["his_no"])
    assert day.live.post(wish).verdict == "pending"
    until(lambda: held(day.live, his_no), seconds=SECONDS, what="the insurer's commit")
    day.live.pause("sandbox-a")
    try:
        day.live.wait_for(his_no, "IN_DOUBT", seconds=SECONDS)
        day.cashier.go("queue/")
        case = f".ms-case:has-text('{his_no}')"
        expect(day.cashier.page.locator(case)).to_be_visible()
        day.picture(day.cashier, "queue")
        told = {"self_paid_minor": CASH, "receipt_no": f"R-{day.name}", "shift_no": day.shift}
        day.cashier.act(f"{case} a[href*='/abandon/']", **told)
        day.cashier.said(day.words["saved"])
    finally:
        day.live.resume("sandbox-a")
    return his_no


def reversed_once(day: Day, his_no: str) -> None:
    day.live.wait_for(his_no, "REVERSED", seconds=SECONDS)
    (book,) = held(day.live, his_no)
    assert (book["state"], book["accepted_reversals"]) == ("reversed", 1)
    day.cashier.go("queue/")
    day.cashier.said(day.words["quiet"])


def settled_anew(day: Day, his_no: str) -> str:
    day.cashier.go("outage/")
    day.picture(day.cashier, "outage")
    day.cashier.page.fill("[name=shift_no]", day.shift)
    day.cashier.page.locator(f"tr:has-text('{his_no}') button[data-only]").click()
    anew = f"{his_no}~2"
    expect(day.cashier.page.locator("tbody")).to_contain_text(anew)
    day.live.wait_for(anew, "SUCCEEDED", seconds=SECONDS)
    return anew


def refunded_by_two(day: Day, his_no: str) -> None:
    """It is above the limit: one enters it, another confirms it."""
    row = f"tr:has-text('{his_no}')"
    day.cashier.go("refunds/")
    expect(day.cashier.page.locator(row)).to_contain_text(REFUND)
    told = {"refund_no": f"F-{day.name}", "shift_no": day.shift, "red_receipt_no": "X-1"}
    day.cashier.act(f"{row} a[data-dialog]", **told)
    day.cashier.said(day.words["entered"])
    day.office.go("")
    day.picture(day.office, "home")
    day.office.go("queue/")
    day.office.act("#waiting a[data-dialog]")
    day.office.said(day.words["confirmed"])
    day.office.go(f"transactions/{key_of(day.live, his_no)}/")
    expect(day.office.page.locator("#bill")).to_contain_text(day.words["square"])
    day.picture(day.office, "transaction")
    assert day.live.get(his_no).body["self_payment"]["state"] == "REFUNDED"


def disowned(day: Day) -> str:
    """A success that the HIS never booked is reversed by the word of the desk."""
    wish = day.wish("GHOST")
    assert day.live.post(wish).verdict == "succeeded"
    day.office.go(f"transactions/{key_of(day.live, wish['his_no'])}/")
    day.office.act("a[href*='/disown/']", reason="HIS")
    day.live.wait_for(wish["his_no"], "REVERSED", seconds=SECONDS)
    return str(wish["his_no"])


def shift_closed(day: Day) -> None:
    """Own shares of 20 and 400 yuan: the till agrees to the cent."""
    day.cashier.go(f"shifts/?shift={day.shift}")
    day.cashier.said(day.words["till"])
    expect(day.cashier.page.locator("tr.ms-sum").first).to_contain_text("420.00")
    day.cashier.page.fill("#shift_cash", "420.00")
    day.cashier.page.locator("form.ms-form button.ms-primary").click()
    day.cashier.said(day.words["closed"])
    day.picture(day.cashier, "shift")


def test_a_whole_day_is_worked_at_the_desk(live: LiveStack, desks: dict[str, Desk], locale: str) -> None:
    day = Day(live, desks["cashier"], desks["office"], locale, f"D{next(_numbers)}")
    plain = settled(day)
    lost = doubted_and_paid_in_cash(day)
    reversed_once(day, lost)
    anew = settled_anew(day, lost)
    refunded_by_two(day, anew)
    ghost = disowned(day)
    shift_closed(day)
    states = {row["his_no"]: row["state"] for row in live.book("SANDBOX-A") if row["his_no"].startswith(day.name)}
    assert states == {plain: "settled", lost: "reversed", anew: "settled", ghost: "reversed"}
