"""Interfaces and what they are proven to do: nothing is believed, nothing unsafe is called, no DEMO in production."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from exchange.selectors import interfaces as selector
from exchange.services.interfaces import (
    InterfaceInvalid,
    capabilities_grant,
    interface_define,
    interface_key_add,
    interface_key_retire,
)
from exchange.states import GrantSource
from tests.exchange.house import SECRET, House, forget_processes
from tests.roles import as_role, rows

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def define(house: House, base_url: str) -> Any:
    return interface_define(code="INS-A", insurer_id=house.insurer.pk, lane=house.lane, base_url=base_url)


@pytest.mark.parametrize("base_url", ["https://insurer.example/spi", "http://127.0.0.1:8101", "http://localhost:1"])
def test_https_or_a_sandbox_on_loopback_may_be_called(house: House, base_url: str) -> None:
    assert define(house, base_url).base_url == base_url


@pytest.mark.parametrize(
    "base_url",
    [
        "http://insurer.example",
        "http://10.0.0.7:8101",
        "http://127.0.0.1.insurer.example",
        "http://127.0.0.1@insurer.example",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://",
        "127.0.0.1:8101",
        "",
    ],
)
def test_anything_else_may_not(house: House, base_url: str) -> None:
    with pytest.raises(InterfaceInvalid):
        define(house, base_url)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8101", "http://localhost:8101", "http://[::1]:8101"])
def test_in_production_not_even_loopback_goes_without_https(house: House, settings: Settings, base_url: str) -> None:
    settings.ENVIRONMENT = "production"
    with pytest.raises(InterfaceInvalid, match="not https"):
        define(house, base_url)


def test_an_unknown_dialect_is_refused(house: House) -> None:
    with pytest.raises(InterfaceInvalid, match="dialect"):
        interface_define(
            code="X", insurer_id=house.insurer.pk, lane=house.lane, base_url="https://x.example", dialect="morse"
        )


# Capabilities --------------------------------------------------------------------------------------


def grant(house: House, source: GrantSource, **values: Any) -> None:
    capabilities_grant(interface=house.interface, values=values, source=source, by="operator", now=NOW)


def read(house: House) -> Any:
    forget_processes()
    with as_role("worker"):
        return selector.interfaces()[house.interface.pk]


def test_nothing_is_believed_that_was_not_granted(house: House) -> None:
    assert read(house).can("can_query_by_msgid")
    assert not read(house).can("settle_idempotent")
    assert read(house).number("max_processing_seconds") == 60.0


def test_a_demo_grant_is_refused_in_production(house: House, settings: Settings) -> None:
    settings.ENVIRONMENT = "production"
    with pytest.raises(InterfaceInvalid, match="proves nothing in production"):
        grant(house, GrantSource.DEMO, settle_idempotent=True)
    assert not read(house).can("settle_idempotent")


def test_a_demo_grant_that_came_with_the_database_counts_for_nothing_in_production(
    house: House, settings: Settings
) -> None:
    grant(house, GrantSource.DEMO, settle_idempotent=True)
    grant(house, GrantSource.CERTIFICATE, reverse_idempotent=True)
    settings.ENVIRONMENT = "production"
    assert not read(house).can("settle_idempotent")
    assert read(house).can("reverse_idempotent")


def test_a_certificate_is_accepted_in_production(house: House, settings: Settings) -> None:
    settings.ENVIRONMENT = "production"
    grant(house, GrantSource.CERTIFICATE, settle_idempotent=True, accept_window_seconds=30)
    assert read(house).can("settle_idempotent")
    assert read(house).number("accept_window_seconds") == 30.0


@pytest.mark.parametrize(
    "values",
    [
        {"settle_idempotent": 1},
        {"settle_idempotent": "true"},
        {"accept_window_seconds": True},
        {"accept_window_seconds": -1},
        {"accept_window_seconds": float("nan")},
        {"accept_window_seconds": float("inf")},
        {"can_fly": True},
    ],
)
def test_what_is_no_capability_is_refused(house: House, values: dict[str, Any]) -> None:
    with pytest.raises(InterfaceInvalid, match="is no capability"):
        grant(house, GrantSource.CERTIFICATE, **values)


# Keys ----------------------------------------------------------------------------------------------


def test_the_newest_live_key_signs_and_all_live_keys_verify(house: House) -> None:
    interface_key_add(interface=house.interface, key_id="k2", secret=b"n" * 32, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert read(house).keys == (("k2", b"n" * 32), ("k1", SECRET))
    interface_key_retire(interface=house.interface, key_id="k1", now=NOW)
    assert read(house).keys == (("k2", b"n" * 32),)


def test_the_last_live_key_cannot_be_ended(house: House) -> None:
    with pytest.raises(InterfaceInvalid, match="only live key"):
        interface_key_retire(interface=house.interface, key_id="k1", now=NOW)


def test_a_short_secret_is_refused(house: House) -> None:
    with pytest.raises(InterfaceInvalid, match="fewer than 16"):
        interface_key_add(interface=house.interface, key_id="k2", secret=b"short", now=NOW)


def test_secrets_lie_sealed(house: House) -> None:
    ((stored,),) = rows("SELECT sealed_secret FROM exchange_interfacekey")
    assert SECRET not in bytes(stored)
