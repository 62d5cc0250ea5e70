"""The outage list, the connection page and the back office's settings, with everything a stranger may try."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import AuditEntry, ClientKey
from accounts.services import client_key_check, client_key_create
from accounts.states import Scope
from core.clock import database_now
from exchange.models import BackOffice, Transaction
from exchange.selectors.desk import on_call_of
from tests.exchange.conftest import house
from tests.exchange.house import House, draft, fresh, received
from tests.exchange.staff import say
from tests.hospitals.portal.test_acts import ask, people, words
from tests.hospitals.portal.test_chinese import Words

__all__ = ["house", "people"]


def paid_in_cash(house: House, his_no: str) -> Transaction:
    """Never sent, as the cashier took cash first."""
    (row,) = received(draft(house, his_no))
    say(row, "abandon", self_paid_minor=10000, receipt_no=f"R-{his_no}", tender="cash")
    assert fresh(row).state == "NOT_SENT"
    return fresh(row)


def test_one_or_many_are_settled_anew_from_the_outage_list(house: House, people: dict[str, Client]) -> None:
    rows = [paid_in_cash(house, f"O-{number}") for number in range(3)]
    shown = words(ask(people["chen"], "/hospital/outage/"))
    for row in rows:
        assert f"R-{row.his_no}" in shown
    assert "Cash that stands 300.00 CNY" in shown
    assert "Bills to settle anew" in words(ask(people["chen"], "/hospital/"))
    wanted = {"his_no": ["O-0", "O-1", "O-1", "O-NEVER"], "shift_no": "S-7"}
    answer = words(ask(people["chen"], "/hospital/outage/", wanted))
    assert "2 of 3 are on their way to the insurer." in answer
    assert "Your hospital has nothing of this number." in answer
    anew = Transaction.objects.get(his_no="O-0~2")
    assert (anew.replaces_id, anew.state, anew.shift_no, anew.operator_no) == (rows[0].pk, "RECEIVED", "S-7", "chen")
    shown = words(ask(people["chen"], "/hospital/outage/"))
    assert "O-2" in shown
    assert "O-0" not in shown
    assert 'value="S-7"' in ask(people["chen"], "/hospital/outage/").content.decode()
    again = words(ask(people["bai"], "/hospital/outage/", {"his_no": ["O-0"]}))
    assert "A colleague or the HIS has settled it anew already." in again
    kept = AuditEntry.objects.filter(action="desk.resettled").order_by("id").values_list("actor", "subject")
    assert list(kept) == [("chen", "O-0"), ("chen", "O-1")]


def test_nothing_ticked_is_said(house: House, people: dict[str, Client]) -> None:
    answer = ask(people["chen"], "/hospital/outage/", {})
    assert (answer.status_code, "Nothing was ticked." in words(answer)) == (422, True)
    many = ask(people["chen"], "/hospital/outage/", {"his_no": [f"O-{number}" for number in range(101)]})
    assert (many.status_code, "too many at once" in words(many)) == (422, True)


def test_a_stranger_settles_nothing_anew_and_sees_no_row(house: House, people: dict[str, Client]) -> None:
    row = paid_in_cash(house, "O-0")
    assert row.his_no not in ask(people["zhou"], "/hospital/outage/").content.decode()
    answer = words(ask(people["zhou"], "/hospital/outage/", {"his_no": ["O-0"]}))
    assert "0 of 1 are on their way" in answer
    assert Transaction.objects.count() == 1


@pytest.fixture
def key(house: House) -> str:
    return client_key_create(
        organisation_id=house.hospital.pk,
        name="till 1",
        scopes=[Scope.TRANSACTIONS_WRITE],
        actor="platform",
        now=database_now(),
    )


def test_a_key_is_rotated_by_the_back_office_and_shown_once(house: House, people: dict[str, Client], key: str) -> None:
    old = ClientKey.objects.get()
    assert f"ms_{old.prefix}_" in ask(people["chen"], "/hospital/connection/").content.decode()
    assert key not in ask(people["bai"], "/hospital/connection/").content.decode()
    answer = ask(people["bai"], "/hospital/connection/", {"what": "rotate", "key": old.pk})
    (plain,) = set(re.findall(r"ms_\w{12}_[\w-]{30,}", answer.content.decode()))
    for one in (plain, key):
        assert client_key_check(one, database_now()).organisation_id == house.hospital.pk
    assert plain not in ask(people["bai"], "/hospital/connection/").content.decode()
    assert "Ends" in words(ask(people["bai"], "/hospital/connection/"))
    ask(people["bai"], "/hospital/connection/", {"what": "revoke", "key": old.pk})
    old.refresh_from_db()
    assert old.revoked_at is not None
    gone = ask(people["bai"], "/hospital/connection/", {"what": "rotate", "key": old.pk})
    assert (gone.status_code, "was revoked or has expired" in words(gone)) == (409, True)


@pytest.mark.parametrize("who", ["chen", "zhou"])
def test_nobody_else_touches_a_key(house: House, people: dict[str, Client], key: str, who: str) -> None:
    old = ClientKey.objects.get()
    for what in ("rotate", "revoke", "delete", ""):
        for number in (old.pk, "x", "", "9" * 30, "٣"):
            answer = ask(people[who], "/hospital/connection/", {"what": what, "key": number})
            assert answer.status_code == 404
    old.refresh_from_db()
    assert (old.revoked_at, old.expires_at, ClientKey.objects.count()) == (None, None, 1)


def test_the_back_office_names_who_is_on_call(house: House, people: dict[str, Client]) -> None:
    assert ask(people["bai"], "/hospital/connection/", {"what": "on_call", "username": "chen"}).status_code == 302
    assert on_call_of(house.hospital.pk) == "chen"
    assert ask(people["chen"], "/hospital/connection/", {"what": "on_call", "username": ""}).status_code == 403
    assert ask(people["bai"], "/hospital/connection/", {"what": "on_call", "username": "zhou"}).status_code == 404
    assert (on_call_of(house.hospital.pk), BackOffice.objects.count()) == ("chen", 1)


def test_the_self_test_names_what_is_amiss_and_who_mends_it(house: House, people: dict[str, Client], key: str) -> None:
    shown = words(ask(people["chen"], "/hospital/connection/?test=1"))
    assert "Bad The HIS reaches us No key was ever used." in shown
    client_key_check(key, database_now())
    received(draft(house, "O-1"))
    shown = words(ask(people["chen"], "/hospital/connection/?test=1"))
    for found in ("A key was used within the last day.", "No fee waits for a worker.", "opens with its key", "INS-A"):
        assert found in shown


def test_these_pages_are_chinese_too(house: House, people: dict[str, Client], key: str) -> None:
    paid_in_cash(house, "O-0")
    client = people["bai"]
    client.post("/i18n/setlang/", {"language": "zh-hans"})
    pages = [ask(client, f"/hospital/{one}") for one in ("outage/", "connection/?test=1", "")]
    pages += [ask(client, "/hospital/outage/", {}), ask(client, "/hospital/outage/", {"his_no": ["O-0", "NO"]})]
    pages += [ask(client, "/hospital/connection/", {"what": "rotate", "key": ClientKey.objects.get().pk})]
    for page in pages:
        read = Words()
        read.feed(page.content.decode())
        assert read.found <= {"Bai", "HOSP", "INS"}, (page.status_code, read.found)
