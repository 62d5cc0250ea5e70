"""People of two hospitals at their portals, every request as role app."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from tests.roles import as_role
from tests.world import PASSWORD, settled_world

__all__ = ["settled_world"]
SignIn = Callable[[str], Client]


@pytest.fixture
def signed_in(settled_world: object) -> Iterator[SignIn]:
    """`signed_in("chen")` is a client of that person; until the test ends the connection is role app's."""

    def sign_in(username: str) -> Client:
        client = Client()
        answer = client.post("/hospital/login/?next=/hospital/", {"username": username, "password": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()
        return client

    with as_role("app"):
        yield sign_in
