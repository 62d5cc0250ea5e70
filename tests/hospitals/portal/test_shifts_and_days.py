"""The shift's report and close, and the day's reconciliation with its signature."""

from __future__ import annotations

from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import AuditEntry
from core.clock import database_now
from core.row_security import seen_by
from exchange.models import DayList, ShiftClose
from exchange.services.days import DayDraft, day_list_put
from tests.exchange.conftest import house
from tests.exchange.house import House, fresh
from tests.exchange.staff import say, settled
from tests.hospitals.portal.test_acts import ask, people, words
from tests.hospitals.portal.test_chinese import Words
from tests.roles import as_role

__all__ = ["house", "people"]


def close(client: Client, shift_no: str, **totals: str) -> Any:
    return ask(client, "/hospital/shifts/", {"shift_no": shift_no, "token": uuid4(), **totals})


def listed(house: House, *his_nos: str) -> None:
    """The HIS sends its list of today, not signed."""
    today = database_now().astimezone(ZoneInfo(house.hospital.time_zone)).date()
    draft = DayDraft(
        organisation_id=house.hospital.pk,
        by="key:till",
        business_date=today,
        digest=repr(his_nos).encode(),
        rows=[{"his_no": one, "total_minor": 10000} for one in his_nos],
    )
    with as_role("app"), seen_by([house.hospital.pk]):
        day_list_put(draft=draft, now=database_now())


def test_a_shift_is_reported_closed_once_and_printed(house: House, people: dict[str, Client]) -> None:
    row = settled(house, shift_no="S-1")
    say(row, "abandon", self_paid_minor=10000, receipt_no="R-1", tender="cash", shift_no="S-1")
    say(fresh(row), "refunded", amount_minor=8000, refund_no="F-1", tender="cash", shift_no="S-1")
    shown = words(ask(people["chen"], "/hospital/shifts/?shift=S-1"))
    for found in ("Settled 1 100.00 CNY", "The till should hold 20.00 CNY", "Close the shift"):
        assert found in shown
    wrong = close(people["chen"], "S-1", cash="twenty")
    assert (wrong.status_code, "Enter an amount such as 80.00." in words(wrong)) == (422, True)
    assert close(people["chen"], "S-1", cash="19.00").status_code == 302
    shown = words(ask(people["chen"], "/hospital/shifts/?shift=S-1"))
    assert "Closed with a difference: -1.00 CNY" in shown
    assert "Shift report" in shown
    again = close(people["bai"], "S-1", cash="20.00")
    assert (again.status_code, "closed before with other totals" in words(again)) == (409, True)
    assert close(people["bai"], "S-1", cash="19.00").status_code == 302
    assert ShiftClose.objects.get().by == "chen"
    assert AuditEntry.objects.filter(action="shift.closed").count() == 1


def test_a_strangers_shift_of_the_same_number_is_his_own(house: House, people: dict[str, Client]) -> None:
    settled(house, shift_no="S-1")
    close(people["chen"], "S-1", cash="20.00")
    shown = words(ask(people["zhou"], "/hospital/shifts/?shift=S-1"))
    assert "Nothing is known of this shift." in shown
    assert "Closed shifts" not in shown


def test_the_back_office_signs_the_day_and_what_it_lacks_is_reversed(house: House, people: dict[str, Client]) -> None:
    kept, lacking = settled(house), settled(house)
    say(kept, "acknowledge")
    assert "has sent no list of this day yet" in words(ask(people["bai"], "/hospital/days/"))
    listed(house, kept.his_no)
    shown = words(ask(people["bai"], "/hospital/days/"))
    for found in ("The day does not agree yet.", "Settled here, missing on the list", lacking.his_no):
        assert found in shown
    version = DayList.objects.get().version
    assert ask(people["chen"], "/hospital/days/", {"version": version}).status_code == 403
    stale = ask(people["bai"], "/hospital/days/", {"version": version + 1})
    assert (stale.status_code, "sent another list while you looked" in words(stale)) == (409, True)
    assert fresh(lacking).state == "SUCCEEDED"
    assert ask(people["bai"], "/hospital/days/", {"version": version}).status_code == 302
    assert (fresh(lacking).state, fresh(kept).state) == ("REVERSING", "SUCCEEDED")
    assert "signed by bai" in words(ask(people["bai"], "/hospital/days/"))
    assert AuditEntry.objects.filter(action="day.signed", actor="bai").count() == 1
    assert lacking.his_no not in ask(people["zhou"], "/hospital/days/").content.decode()


@pytest.mark.parametrize("asked", ["nonsense", "9999-12-31", "0001-01-01", "2026-02-30", ""])
def test_a_day_that_is_none_is_today(house: House, people: dict[str, Client], asked: str) -> None:
    today = database_now().astimezone(ZoneInfo(house.hospital.time_zone)).date().isoformat()
    assert f"Day reconciliation {today}" in words(ask(people["chen"], f"/hospital/days/?day={asked}"))


def test_these_pages_are_chinese_too(house: House, people: dict[str, Client]) -> None:
    client = people["bai"]
    client.post("/i18n/setlang/", {"language": "zh-hans"})
    row = settled(house, shift_no="S-1")
    say(row, "abandon", self_paid_minor=10000, receipt_no="R-1", tender="cash", shift_no="S-1")
    listed(house, "NEVER")
    pages = [ask(client, f"/hospital/{one}") for one in ("shifts/", "shifts/?shift=S-1", "shifts/?shift=N", "days/")]
    pages += [close(client, "S-1", cash="x"), close(client, "S-1", cash="1")]
    pages += [ask(client, "/hospital/shifts/?shift=S-1"), close(client, "S-1", cash="2")]
    pages += [ask(client, "/hospital/days/", {"version": "9"}), ask(client, "/hospital/days/?day=2026-01-01")]
    for page in pages:
        read = Words()
        read.feed(page.content.decode())
        assert read.found <= {"Bai", "HOSP", "INS", "NEVER"}, (page.status_code, read.found)
