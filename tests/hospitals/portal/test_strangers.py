"""Two hospitals, every address: nothing of the one is shown to the other, by either fence alone or by both."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern

from core.row_security import EVERYTHING
from hospitals.portal import site
from tests.hospitals.portal.conftest import SignIn
from tests.world import PASSWORD, World

OURS, THEIRS = "A-SETTLED", "B-SETTLED"


@pytest.fixture(params=["both fences", "the selectors alone", "row-level security alone"])
def fences(request: pytest.FixtureRequest, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "row-level security alone":
        monkeypatch.setattr("portal.selectors.organisations_seen_by", lambda *, user: EVERYTHING)
    if request.param == "the selectors alone":
        with connection.cursor() as cursor:
            # The tables' owner passes row-level security by.
            cursor.execute("RESET ROLE")
    return str(request.param)


def addresses(world: World) -> list[str]:
    """Every address of the site, with every way of naming the other hospital's rows in it."""
    key = world.transactions[THEIRS]
    told = world.answer(THEIRS)
    trace_id, msgid = told["trace_id"], told["insurer"]["msgid"]
    terms = [
        THEIRS,
        trace_id,
        msgid,
        told["insurer"]["settlement_no"],
        str(key),
        "B-0005",
        "V-0005",
        "%",
        "' OR 1=1 --",
    ]
    return [
        "/hospital/",
        f"/hospital/transactions/{key}/",
        f"/hospital/transactions/{uuid4()}/",
        "/hospital/transactions/",
        "/hospital/transactions/?state=SUCCEEDED&operation=settle",
        "/hospital/transactions/?organisation=2&organisation_id=2&pk__in=1",
        f"/hospital/transactions/?before=2999-01-01T00:00:00%2B00:00|{key}",
        "/hospital/messages/",
        *(f"/hospital/transactions/?q={term}" for term in terms),
        *(f"/hospital/search/?s={term}" for term in terms),
        *(
            f"/hospital/messages/?{name}={term}"
            for name in ("msgid", "his_no", "trace_id", "insurer")
            for term in terms
        ),
    ]


def test_a_stranger_is_shown_nothing_at_any_address(settled_world: World, signed_in: SignIn, fences: str) -> None:
    world = settled_world
    client = signed_in("chen")
    secrets = [
        f'href="/hospital/transactions/{world.transactions[THEIRS]}/"',
        world.answer(THEIRS)["insurer"]["settlement_no"] + "<",
        "Hillside Hospital",
        "山麓医院",
    ]
    ours = 0
    for address in addresses(world):
        shown = client.get(address).content.decode()
        ours += OURS in shown
        for secret in secrets:
            assert secret not in shown, (fences, address, secret)
    assert ours >= 3, "the test must have seen the hospital's own rows"


def test_the_stranger_sees_its_own(settled_world: World, signed_in: SignIn, fences: str) -> None:
    client = signed_in("zhou")
    shown = client.get("/hospital/transactions/").content.decode()
    assert THEIRS in shown
    assert OURS not in shown
    own = client.get(f"/hospital/transactions/{settled_world.transactions[THEIRS]}/")
    assert own.status_code == 200
    assert client.get(f"/hospital/transactions/{settled_world.transactions[OURS]}/").status_code == 404


def test_without_both_fences_the_stranger_would_be_seen(
    settled_world: World, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the tests above would notice."""
    client = signed_in("chen")
    monkeypatch.setattr("portal.selectors.organisations_seen_by", lambda *, user: EVERYTHING)
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    assert THEIRS in client.get("/hospital/transactions/").content.decode()


def test_a_crafted_key_is_answered_like_one_that_does_not_exist(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("chen")
    theirs = client.get(f"/hospital/transactions/{settled_world.transactions[THEIRS]}/")
    unknown = client.get(f"/hospital/transactions/{uuid4()}/")
    assert theirs.status_code == unknown.status_code == 404
    assert client.get("/hospital/transactions/1%20OR%201=1/").status_code == 404


def test_no_page_takes_anything_but_reading(settled_world: World, signed_in: SignIn) -> None:
    client = signed_in("bai")
    for address in (
        "",
        "queue/",
        "refunds/",
        "transactions/",
        "messages/",
        f"transactions/{settled_world.transactions[OURS]}/",
    ):
        for method in ("post", "put", "patch", "delete"):
            send: Callable[..., HttpResponse] = getattr(client, method)
            assert send(f"/hospital/{address}", {"state": "SUCCEEDED"}).status_code == 405


def test_the_site_has_these_addresses_and_no_admin_forms() -> None:
    names = {pattern.name for pattern in site.get_urls() if isinstance(pattern, URLPattern)}
    reading = {"index", "queue", "refunds", "transactions", "transaction", "messages"}
    assert names == {
        "login",
        "logout",
        "search",
        "act",
        "waiting",
        "outage",
        "connection",
        "shifts",
        "days",
        *reading,
        None,
    }
    assert site._registry == {}


def test_nobody_enters_without_signing_in(settled_world: World) -> None:
    for address in addresses(settled_world):
        answer = Client().get(address)
        assert (answer.status_code, "/hospital/login/" in answer.headers["Location"]) == (302, True), address


def test_an_insurers_clerk_is_told_that_this_portal_is_not_his(settled_world: World) -> None:
    client = Client()
    client.post("/hospital/login/", {"username": "ji", "password": PASSWORD})
    assert client.get("/hospital/transactions/").status_code == 302
    shown = client.get("/hospital/login/").content.decode()
    assert "has no work in this portal" in shown
    assert OURS not in shown
