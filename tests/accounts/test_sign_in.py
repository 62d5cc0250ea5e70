"""Signing in: right, wrong, too often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.core.exceptions import PermissionDenied
from django.db import connection, connections
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts import backends
from accounts.backends import LOCKED_UNTIL, StaffBackend
from accounts.models import AuditEntry, User
from accounts.services import organisation_suspend, user_deactivate
from accounts.states import Role
from tests.accounts.conftest import NOW, PASSWORD, Cast
from tests.roles import as_role, rows


def try_to(username: str, password: str, address: str = "10.0.0.1") -> User | None:
    request = RequestFactory().post("/", REMOTE_ADDR=address)
    with as_role("app"):
        return StaffBackend().authenticate(request, username=username, password=password)


def test_the_right_password_signs_in_and_is_remembered_in_the_trail(cast: Cast) -> None:
    user = try_to("chen", PASSWORD)
    assert user is not None
    assert (user.username, user.organisations_seen) == ("chen", [cast.hospital.pk])
    entry = AuditEntry.objects.get(action="user.signed_in")
    assert (entry.organisation_id, entry.actor, entry.details) == (
        cast.hospital.pk,
        "user:chen",
        {"address": "10.0.0.1"},
    )


def test_a_wrong_password_is_remembered_for_the_users_organisation(cast: Cast) -> None:
    assert try_to("chen", "wrong") is None
    entry = AuditEntry.objects.get(action="user.sign_in_failed")
    assert (entry.organisation_id, entry.subject) == (cast.hospital.pk, "chen")


def test_an_unknown_name_is_never_written_down(cast: Cast) -> None:
    assert try_to("my-secret-password", "x") is None
    entry = AuditEntry.objects.get(action="user.sign_in_failed")
    assert (entry.organisation_id, entry.subject, entry.actor) == (0, "", "nobody")
    assert "my-secret" not in str(rows("SELECT * FROM accounts_signintries"))


def test_an_unknown_name_costs_the_hashing_of_a_password(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counted(password: str) -> str:
        hashed.append(password)
        return make_password(password)

    monkeypatch.setattr("accounts.backends.make_password", counted)
    try_to("nobody-here", "guess")
    assert hashed == ["guess"]


@pytest.mark.parametrize("password", ["", "x" * 100_000, "\0"])
def test_strange_passwords_are_just_wrong(cast: Cast, password: str) -> None:
    assert try_to("chen", password) is None


def test_who_was_deactivated_or_suspended_is_refused_like_a_wrong_password(cast: Cast) -> None:
    user_deactivate(user_id=cast.cashier.pk, actor="user:ou", now=NOW)
    organisation_suspend(organisation_id=cast.stranger.pk, reason="unpaid", actor="user:ou", now=NOW)
    assert try_to("chen", PASSWORD) is None
    assert try_to("zhou", PASSWORD) is None


def lock_out(username: str, address: str = "10.0.0.1") -> None:
    for _ in range(backends.MOST_TRIES["pair"]):
        assert try_to(username, "wrong", address) is None


def test_after_too_many_tries_even_the_right_password_waits(cast: Cast) -> None:
    lock_out("chen")
    with pytest.raises(PermissionDenied):
        try_to("chen", PASSWORD)
    with pytest.raises(PermissionDenied):
        try_to("chen", PASSWORD)
    assert AuditEntry.objects.filter(action="user.sign_in_locked").count() == 1


def test_a_lock_holds_neither_another_address_nor_another_name(cast: Cast) -> None:
    lock_out("chen")
    assert try_to("chen", PASSWORD, "10.0.0.2") is not None
    assert try_to("zhou", PASSWORD) is not None


def test_a_name_tried_from_everywhere_is_locked_everywhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backends.MOST_TRIES, "name", 3)
    for number in range(3):
        assert try_to("chen", "wrong", f"10.0.1.{number}") is None
    with pytest.raises(PermissionDenied):
        try_to("chen", PASSWORD, "10.0.1.99")


def test_an_address_that_tries_many_names_is_locked(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backends.MOST_TRIES, "address", 3)
    for number in range(3):
        assert try_to(f"guess-{number}", "wrong") is None
    with pytest.raises(PermissionDenied):
        try_to("chen", PASSWORD)


def test_the_lock_ends_with_its_window(cast: Cast, settings: Settings) -> None:
    lock_out("chen")
    settings.CLOCK_OFFSET_SECONDS = backends.WINDOW_SECONDS + 1
    assert try_to("chen", PASSWORD) is not None


def test_a_lock_is_not_lengthened_by_trying_on(cast: Cast, settings: Settings) -> None:
    lock_out("chen")
    before = rows("SELECT max(window_ends_at) FROM accounts_signintries")
    settings.CLOCK_OFFSET_SECONDS = 60
    with pytest.raises(PermissionDenied):
        try_to("chen", "wrong")
    assert rows("SELECT max(window_ends_at) FROM accounts_signintries") == before


def test_sign_ins_that_succeed_use_up_no_tries(cast: Cast) -> None:
    for _ in range(backends.MOST_TRIES["pair"] * 2):
        assert try_to("chen", PASSWORD) is not None


def test_old_tries_are_cleared_away(cast: Cast, settings: Settings) -> None:
    for number in range(5):
        try_to(f"guess-{number}", "wrong", f"10.0.3.{number}")
    settings.CLOCK_OFFSET_SECONDS = backends.WINDOW_SECONDS + 1
    try_to("chen", PASSWORD)
    try_to("chen", PASSWORD)
    assert rows("SELECT count(*) FROM accounts_signintries") == [(3,)]


def test_many_guesses_at_once_do_not_slip_past_the_limit(committed_cast: Cast) -> None:
    def guess(number: int) -> bool:
        request = RequestFactory().post("/", REMOTE_ADDR="10.0.0.9")
        try:
            StaffBackend().authenticate(request, username="chen", password=f"guess {number}")
        except PermissionDenied:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        looked_at = sum(pool.map(guess, range(24)))
    assert looked_at == backends.MOST_TRIES["pair"]


def test_django_itself_refuses_a_locked_sign_in(cast: Cast) -> None:
    lock_out("chen")
    request = RequestFactory().post("/", REMOTE_ADDR="10.0.0.1")
    with as_role("app"):
        assert authenticate(request, username="chen", password=PASSWORD) is None
    assert getattr(request, LOCKED_UNTIL) > NOW - timedelta(days=1)


def test_the_page_says_that_signing_in_is_locked_and_until_when(cast: Cast, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.accounts.pages"
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": "{{ form.errors }}"})]
            },
        }
    ]
    client = Client(REMOTE_ADDR="10.0.0.1")
    lock_out("chen")
    with as_role("app"):
        page = client.post("/sign-in", {"username": "chen", "password": PASSWORD}).content.decode()
    assert "Signing in is locked until" in page
    assert connection.in_atomic_block


def test_a_signed_in_user_has_whole_roles_and_not_parts_of_words(cast: Cast) -> None:
    with as_role("app"):
        user = StaffBackend().get_user(cast.cashier.pk)
    assert user is not None
    assert user.roles == ["hospital_cashier"]
    assert user.has_role(Role.HOSPITAL_CASHIER)
    assert not user.has_role(Role.HOSPITAL_BACK_OFFICE)
