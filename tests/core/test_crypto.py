"""Encryption at rest: what opens, what must not, and what turning a master key changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from core.crypto import (
    SealBroken,
    blind_index,
    data_keys_rewrap,
    derived_key,
    organisation_month_scope,
    ring,
    seal,
    unseal,
)
from core.models import DataKey
from core.row_security import seen_by
from tests.roles import as_role, rows

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SCOPE = organisation_month_scope(organisation_id=3, now=NOW)
FIRST, SECOND = ("first", bytes(range(32))), ("second", bytes(range(32, 64)))

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_master_key(settings: Settings) -> None:
    settings.MASTER_KEYS = [FIRST]


def sealed(plain: bytes = "张三".encode(), context: str = "call:1") -> bytes:
    return seal(plain, scope=SCOPE, organisation_id=3, context=context, now=NOW)


def test_what_was_sealed_opens_in_its_place() -> None:
    assert unseal(sealed(), context="call:1") == "张三".encode()


def test_a_scope_is_an_organisations_month() -> None:
    assert SCOPE == "exchange:3:2026-11"


def test_a_sealed_value_tells_nothing_of_equality() -> None:
    assert sealed() != sealed()


def test_it_does_not_open_in_another_place() -> None:
    with pytest.raises(SealBroken):
        unseal(sealed(), context="call:2")


@pytest.mark.parametrize("position", [0, 9, 15, 21, -1])
def test_one_flipped_bit_is_noticed(position: int) -> None:
    token = bytearray(sealed())
    token[position] ^= 1
    with pytest.raises(SealBroken):
        unseal(bytes(token), context="call:1")


@pytest.mark.parametrize("token", [b"", b"\x01", b"\x01" + bytes(8), b"\x01" + bytes(40)])
def test_what_is_no_sealed_value_does_not_open(token: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal(token, context="call:1")


def test_a_scope_has_one_data_key() -> None:
    for _ in range(3):
        sealed()
    assert DataKey.objects.filter(scope=SCOPE).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_known_key_costs_no_query() -> None:
    token = sealed()
    with CaptureQueriesContext(connection) as queries:
        sealed()
        unseal(token, context="call:1")
    assert len(queries) == 0


def test_the_database_holds_no_plain_key() -> None:
    token = sealed()
    ring.forget()
    wrapped = bytes(DataKey.objects.get(scope=SCOPE).wrapped)
    assert len(wrapped) == 12 + 32 + 16
    assert unseal(token, context="call:1")


def test_destroying_the_data_key_destroys_what_it_sealed() -> None:
    token = sealed()
    DataKey.objects.all().delete()
    ring.forget()
    with pytest.raises(SealBroken, match="gone"):
        unseal(token, context="call:1")


def test_app_does_not_open_what_a_stranger_sealed() -> None:
    token = sealed()
    ring.forget()
    with as_role("app"):
        with seen_by([4]), pytest.raises(SealBroken, match="not ours to see"):
            unseal(token, context="call:1")
        with seen_by([3]):
            assert unseal(token, context="call:1")


def test_turning_the_master_key_touches_no_sealed_value(settings: Settings) -> None:
    token = sealed()
    settings.MASTER_KEYS = [SECOND, FIRST]
    call_command("keys_rotate")
    settings.MASTER_KEYS = [SECOND]
    ring.forget()
    assert unseal(token, context="call:1") == "张三".encode()
    assert set(DataKey.objects.values_list("master_key_id", flat=True)) == {"second"}
    assert data_keys_rewrap() == 0


def test_a_retired_master_key_is_named_when_it_is_missing(settings: Settings) -> None:
    token = sealed()
    settings.MASTER_KEYS = [SECOND]
    ring.forget()
    with pytest.raises(SealBroken, match="first"):
        unseal(token, context="call:1")


def test_a_wrong_master_key_under_the_right_name_opens_nothing(settings: Settings) -> None:
    token = sealed()
    settings.MASTER_KEYS = [("first", SECOND[1])]
    ring.forget()
    with pytest.raises(SealBroken):
        unseal(token, context="call:1")


def test_a_wrapped_key_does_not_serve_another_scope() -> None:
    token = sealed()
    rows("UPDATE core_datakey SET scope = 'elsewhere' WHERE scope = %s", [SCOPE])
    ring.forget()
    with pytest.raises(SealBroken):
        unseal(token, context="call:1")


def test_a_blind_index_finds_equal_values_and_is_no_plain_hash() -> None:
    index = blind_index("110101199001011237", now=NOW)
    assert index == blind_index("110101199001011237", now=NOW)
    assert index != blind_index("110101199001011238", now=NOW)
    assert len(index) == 16


def test_derived_keys_of_two_purposes_differ() -> None:
    first, again, other = (derived_key(scope="s", purpose=purpose, now=NOW) for purpose in ("a", "a", "b"))
    assert first == again != other
    assert len(first) == 32


@pytest.mark.django_db(transaction=True)
def test_a_key_made_in_a_transaction_that_is_rolled_back_is_not_used_again() -> None:
    with transaction.atomic():
        sealed()
        transaction.set_rollback(True)
    token = sealed()
    ring.forget()
    assert unseal(token, context="call:1")
