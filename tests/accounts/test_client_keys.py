"""Client keys: made once in the open, checked on every request."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, ClientKey
from accounts.services import (
    ClientKeyExpired,
    ClientKeyMissing,
    ClientKeyRevoked,
    ClientKeyUnknown,
    KeyHolder,
    OrganisationSuspended,
    client_key_check,
    client_key_create,
    client_key_revoke,
    client_key_rotate,
    client_keys_forget,
    organisation_resume,
    organisation_suspend,
)
from accounts.services import client_keys as room
from accounts.states import Scope
from core.errors import Forbidden, NotFound
from core.row_security import seen_by
from tests.accounts.conftest import NOW, Cast
from tests.roles import as_role, rows

SCOPES = [Scope.TRANSACTIONS_WRITE, Scope.TRANSACTIONS_READ]


@pytest.fixture
def key(cast: Cast) -> str:
    return client_key_create(
        organisation_id=cast.hospital.pk, name="till 3", scopes=SCOPES, terminal_no="W03", actor="user:chen", now=NOW
    )


def check_as_app(key: str, *, seconds: float = 0) -> KeyHolder:
    with as_role("app"):
        return client_key_check(key, NOW + timedelta(seconds=seconds))


def test_it_tells_who_holds_the_key_before_any_organisation_is_known(cast: Cast, key: str) -> None:
    holder = check_as_app(key)
    assert (holder.organisation_id, holder.organisation_code) == (cast.hospital.pk, "HOSP-A")
    assert holder.scopes == {"transactions:write", "transactions:read"}
    assert (holder.terminal_no, holder.actor) == ("W03", f"client_key:{holder.key_id}")


def test_the_database_holds_no_key(key: str) -> None:
    stored = str(rows("SELECT * FROM accounts_clientkey")) + str(rows("SELECT * FROM accounts_auditentry"))
    assert key.split("_", 2)[2] not in stored


def test_it_refuses_a_missing_key() -> None:
    with pytest.raises(ClientKeyMissing) as problem:
        client_key_check("", NOW)
    assert (problem.value.status, problem.value.code) == (401, "key_missing")


@pytest.mark.parametrize(
    "presented", ["x", "Bearer", "ms_short_key", "密钥", "ms_" + "a" * 12 + "_" + "b" * 43, "a" * 9999]
)
def test_it_refuses_what_is_no_key(cast: Cast, presented: str) -> None:
    with pytest.raises(ClientKeyUnknown):
        check_as_app(presented)


def test_a_wrong_secret_looks_like_an_unknown_key(key: str) -> None:
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    unknown = "ms_" + "z" * 12 + key[15:]
    bodies = []
    for presented in (wrong, unknown):
        with pytest.raises(ClientKeyUnknown) as problem:
            check_as_app(presented)
        bodies.append(problem.value.body(trace_id="t"))
    assert bodies[0] == bodies[1]


def test_it_refuses_a_wrong_secret_while_the_right_one_is_remembered(key: str) -> None:
    check_as_app(key)
    with pytest.raises(ClientKeyUnknown):
        check_as_app(key[:-1] + ("A" if key[-1] != "A" else "B"))


@pytest.mark.django_db(transaction=True)
def test_it_refuses_a_revoked_key_at_once_in_this_process(committed_cast: Cast) -> None:
    key = client_key_create(organisation_id=committed_cast.hospital.pk, name="k", scopes=SCOPES, actor="a", now=NOW)
    holder = client_key_check(key, NOW)
    client_key_revoke(key_id=holder.key_id, actor="user:chen", now=NOW)
    with pytest.raises(ClientKeyRevoked):
        client_key_check(key, NOW)


def test_a_second_revocation_changes_nothing(key: str) -> None:
    holder = check_as_app(key)
    client_key_revoke(key_id=holder.key_id, actor="user:chen", now=NOW)
    client_key_revoke(key_id=holder.key_id, actor="user:chen", now=NOW + timedelta(hours=1))
    assert ClientKey.objects.get().revoked_at == NOW
    assert AuditEntry.objects.filter(action="client_key.revoked").count() == 1


def test_it_refuses_an_expired_key_even_when_it_is_remembered(cast: Cast) -> None:
    key = client_key_create(
        organisation_id=cast.hospital.pk,
        name="k",
        scopes=SCOPES,
        actor="a",
        now=NOW,
        expires_at=NOW + timedelta(seconds=1),
    )
    check_as_app(key)
    with pytest.raises(ClientKeyExpired):
        check_as_app(key, seconds=1)


def test_it_refuses_the_key_of_a_suspended_organisation_until_it_resumes(cast: Cast, key: str) -> None:
    organisation_suspend(organisation_id=cast.hospital.pk, reason="unpaid", actor="user:ou", now=NOW)
    with pytest.raises(OrganisationSuspended) as problem:
        check_as_app(key)
    assert problem.value.status == 403
    organisation_resume(organisation_id=cast.hospital.pk, reason="paid", actor="user:ou", now=NOW)
    assert check_as_app(key).organisation_code == "HOSP-A"


def test_rotation_lets_both_keys_live_until_the_given_time(key: str) -> None:
    key_id = check_as_app(key).key_id
    fresh = client_key_rotate(key_id=key_id, old_expires_at=NOW + timedelta(days=1), actor="user:chen", now=NOW)
    client_keys_forget()
    assert check_as_app(key).key_id == key_id
    assert check_as_app(fresh).terminal_no == "W03"
    with pytest.raises(ClientKeyExpired):
        check_as_app(key, seconds=86400)
    assert check_as_app(fresh, seconds=86400).scopes == {"transactions:write", "transactions:read"}


def test_rotation_does_not_lengthen_a_life(cast: Cast) -> None:
    end = NOW + timedelta(hours=1)
    key = client_key_create(
        organisation_id=cast.hospital.pk, name="k", scopes=SCOPES, actor="a", now=NOW, expires_at=end
    )
    key_id = check_as_app(key).key_id
    client_key_rotate(key_id=key_id, old_expires_at=NOW + timedelta(days=9), actor="a", now=NOW)
    assert ClientKey.objects.get(pk=key_id).expires_at == end


def test_it_does_not_rotate_a_key_that_has_ended(key: str) -> None:
    key_id = check_as_app(key).key_id
    client_key_revoke(key_id=key_id, actor="a", now=NOW)
    with pytest.raises(room.ClientKeyEnded):
        client_key_rotate(key_id=key_id, old_expires_at=NOW, actor="a", now=NOW)


def test_a_stranger_can_neither_revoke_nor_rotate(cast: Cast, key: str) -> None:
    key_id = check_as_app(key).key_id
    with as_role("app"), seen_by([cast.stranger.pk]):
        with pytest.raises(NotFound):
            client_key_revoke(key_id=key_id, actor="user:zhou", now=NOW)
        with pytest.raises(NotFound):
            client_key_rotate(key_id=key_id, old_expires_at=NOW, actor="user:zhou", now=NOW)


def test_a_scope_is_demanded_by_name() -> None:
    holder = KeyHolder(1, 1, "HOSP-A", frozenset({"transactions:read"}), "")
    holder.require(Scope.TRANSACTIONS_READ)
    with pytest.raises(Forbidden, match="transactions:write"):
        holder.require(Scope.TRANSACTIONS_WRITE)


def test_a_busy_till_reads_the_database_once(key: str) -> None:
    check_as_app(key)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(50):
            client_key_check(key, NOW)
    assert len(queries) == 0


def test_the_last_use_is_written_once_a_minute(key: str) -> None:
    for seconds, expected in ((0, 0), (30, 0), (61, 61)):
        client_keys_forget()
        check_as_app(key, seconds=seconds)
        assert ClientKey.objects.get().last_used_at == NOW + timedelta(seconds=expected)


def test_the_memory_of_keys_is_bounded(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CACHE_ENTRIES", 2)
    keys = [
        client_key_create(organisation_id=cast.hospital.pk, name=str(number), scopes=[], actor="a", now=NOW)
        for number in range(3)
    ]
    for key in keys:
        check_as_app(key)
    with CaptureQueriesContext(connection) as queries:
        client_key_check(keys[2], NOW)
        assert len(queries) == 0
        client_key_check(keys[0], NOW)
    assert len(queries) == 1


def test_a_till_does_not_wait_for_another_that_writes_the_last_use(committed_cast: Cast) -> None:
    key = client_key_create(organisation_id=committed_cast.hospital.pk, name="k", scopes=SCOPES, actor="a", now=NOW)
    other = connection.copy()
    with transaction.atomic():
        rows("SELECT id FROM accounts_clientkey FOR UPDATE")
        try:
            with other.cursor() as cursor:
                cursor.execute("SET statement_timeout = '2s'")
                cursor.execute("SELECT accounts_client_key_used(id, now()) FROM accounts_clientkey")
        finally:
            other.close()
    assert client_key_check(key, NOW).organisation_code == "HOSP-A"
