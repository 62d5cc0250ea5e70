"""A desk with reviewers, and their requests as role app."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from claims.models import Claim
from tests.prereview.house import PASSWORD, Desk, make_desk
from tests.registry.house import make_shelf
from tests.roles import as_role


@pytest.fixture
def desk(db: None) -> Desk:
    return make_desk(make_shelf(materials=[]))


@dataclass
class Bench:
    """One reviewer's browser."""

    client: Client

    def get(self, address: str) -> Any:
        with as_role("app"):
            return self.client.get(f"/review/{address}")

    def post(self, address: str, **values: Any) -> Any:
        with as_role("app"):
            return self.client.post(f"/review/{address}", values)

    def take(self, claim: Claim) -> None:
        assert self.post(f"claims/{claim.pk}/hold/", hold="take").status_code == 302


def bench_of(user: User, language: str = "en") -> Bench:
    client = Client()
    answer = client.post("/review/login/?next=/review/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    client.post("/i18n/setlang/", {"language": language})
    return Bench(client)


def words(answer: Any) -> str:
    text = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", text))
