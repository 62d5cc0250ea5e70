"""A signed-in person's request sees his organisations and no others, however the answer is made."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from accounts.services import organisation_suspend, user_deactivate, user_password_set
from accounts.states import Role
from tests.accounts.conftest import NOW, PASSWORD, Cast, person
from tests.roles import as_role, rows


@pytest.fixture(autouse=True)
def pages(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.accounts.pages"


def signed_in(username: str) -> Client:
    """A browser that went through the sign-in page, as role app from the first byte."""
    client = Client(raise_request_exception=False)
    with as_role("app"):
        response = client.post("/sign-in", {"username": username, "password": PASSWORD})
    assert response.status_code == 302, response.status_code
    return client


def get(client: Client, path: str) -> Any:
    with as_role("app"):
        return client.get(path)


@pytest.mark.parametrize(
    ("username", "seen"), [("chen", ["chen"]), ("zhou", ["zhou"]), ("ou", ["chen", "ou", "pan", "zhou"])]
)
def test_each_sees_his_own_people_and_the_platform_sees_all(cast: Cast, username: str, seen: list[str]) -> None:
    assert get(signed_in(username), "/people").json() == {"user": username, "people": seen}


def test_a_chain_sees_the_people_of_its_shops_and_a_shop_not_those_of_its_chain(cast: Cast) -> None:
    person("shi", cast.shop, Role.PHARMACIST)
    assert get(signed_in("pan"), "/people").json()["people"] == ["pan", "shi"]
    assert get(signed_in("shi"), "/people").json()["people"] == ["shi"]


def test_nobody_signed_in_sees_nobody_and_reads_nothing_here(cast: Cast) -> None:
    client = Client()
    assert get(client, "/people").json() == {"user": None, "people": []}
    client.cookies["sessionid"] = "forged"
    assert get(client, "/people").json() == {"user": None, "people": []}


def test_what_one_request_saw_does_not_stay_for_the_next(cast: Cast) -> None:
    get(signed_in("ou"), "/people")
    assert get(Client(), "/people").json()["people"] == []


def test_a_streamed_answer_is_read_with_the_same_fence(cast: Cast) -> None:
    response = get(signed_in("chen"), "/people.txt")
    with as_role("app"):
        assert response.getvalue() == b"chen\n"


def test_a_stream_that_is_never_read_leaves_no_transaction_open(committed_cast: Cast) -> None:
    get(signed_in("chen"), "/people.txt").close()
    assert not connection.in_atomic_block


@pytest.mark.parametrize(("path", "status"), [("/raise", 500), ("/fail", 503)])
def test_nothing_stays_of_a_request_that_failed(cast: Cast, path: str, status: int) -> None:
    assert get(signed_in("chen"), path).status_code == status
    assert rows("SELECT count(*) FROM accounts_user WHERE display_name = 'half written'") == [(0,)]


def test_a_request_writes_only_to_its_own_people(cast: Cast) -> None:
    get(signed_in("chen"), "/write")
    assert rows("SELECT username FROM accounts_user WHERE display_name = 'written'") == [("chen",)]


def test_a_new_password_ends_the_session(cast: Cast) -> None:
    client = signed_in("chen")
    user_password_set(user_id=cast.cashier.pk, password=PASSWORD + "!", actor="user:ou", now=NOW)
    assert get(client, "/people").json()["user"] is None


def test_a_deactivated_persons_session_ends(cast: Cast) -> None:
    client = signed_in("chen")
    user_deactivate(user_id=cast.cashier.pk, actor="user:ou", now=NOW)
    assert get(client, "/people").json() == {"user": None, "people": []}


def test_the_sessions_of_a_suspended_organisation_end(cast: Cast) -> None:
    client = signed_in("chen")
    organisation_suspend(organisation_id=cast.hospital.pk, reason="unpaid", actor="user:ou", now=NOW)
    assert get(client, "/people").json()["user"] is None


def test_the_user_is_read_once_per_request(cast: Cast) -> None:
    client = signed_in("chen")
    with CaptureQueriesContext(connection) as queries:
        get(client, "/people")
    assert sum("accounts_user_for_session" in query["sql"] for query in queries) == 1


def test_the_same_holds_under_the_asynchronous_server(committed_cast: Cast) -> None:
    cookie = signed_in("chen").cookies["sessionid"].value
    client = AsyncClient()
    client.cookies["sessionid"] = cookie
    assert async_to_sync(client.get)("/people").json()["user"] == "chen"
    with as_role("app"):
        assert async_to_sync(client.get)("/people").json()["people"] == ["chen"]
        streamed = async_to_sync(client.get)("/people.txt")
        assert async_to_sync(_whole)(streamed) == b"chen\n"
    assert not connection.in_atomic_block


async def _whole(response: Any) -> bytes:
    return b"".join([part async for part in response])


def test_a_user_loaded_elsewhere_sees_nothing_by_itself() -> None:
    assert User().organisations_seen == ()
