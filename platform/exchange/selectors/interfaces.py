"""Interfaces as the lanes need them: address, keys, capabilities. Kept per process for a moment, re-read when stale."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.conf import settings

from core.crypto import SealBroken, unseal
from exchange.models import CapabilityGrant, InsurerInterface, InterfaceKey
from exchange.states import GrantSource

logger = logging.getLogger(__name__)
FRESH_SECONDS = 2.0
# What a number means where nothing was proven: no window, so the longest quiet time must come from the grants.
NUMBERS = {"max_processing_seconds": 60.0, "accept_window_seconds": 0.0}


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """What everybody may know of an interface."""

    id: int
    code: str
    lane_id: int
    insurer_id: int
    insurer_code: str
    capabilities: Mapping[str, Any]

    def can(self, name: str) -> bool:
        """A capability is false until granted."""
        return self.capabilities.get(name) is True

    def number(self, name: str) -> float:
        return float(self.capabilities.get(name, NUMBERS[name]))

    def text(self, name: str) -> str:
        """Empty where nothing is known."""
        return str(self.capabilities.get(name, ""))

    @property
    def quiet_seconds(self) -> float:
        """From a call's deadline on: after that, what is not held there will not be held."""
        windows = self.number("accept_window_seconds") + self.number("max_processing_seconds")
        return windows + float(settings.ALLOWED_SKEW_SECONDS)


@dataclass(frozen=True, slots=True)
class Interface(InterfaceFacts):
    """The same with what a worker needs to call it."""

    lane_paused: bool
    dialect: str
    envelope: str
    base_url: str
    keys: tuple[tuple[str, bytes], ...]


class _Cache[Kept]:
    def __init__(self, read: Callable[[], dict[int, Kept]]) -> None:
        self.read = read
        self.rows: dict[int, Kept] = {}
        self.read_at = float("-inf")

    def get(self) -> dict[int, Kept]:
        if time.monotonic() - self.read_at > FRESH_SECONDS:
            self.rows = self.read()
            self.read_at = time.monotonic()
        return self.rows

    def one(self, interface_id: int | None) -> Kept:
        """Read anew when this process has not seen it yet. Raises LookupError where there is none."""
        if interface_id is None:
            raise LookupError("a tombstone has no interface")
        if interface_id not in self.get():
            self.read_at = float("-inf")
        return self.get()[interface_id]


def interfaces() -> dict[int, Interface]:
    """All interfaces by id, with secrets: role worker only. At most FRESH_SECONDS old."""
    return _cache.get()


def interface_of(interface_id: int | None) -> Interface:
    """One interface, with secrets. Raises LookupError where there is none."""
    return _cache.one(interface_id)


def facts_of(interface_id: int | None) -> InterfaceFacts:
    """The same without secrets, for any role. Raises LookupError where there is none."""
    return _facts.one(interface_id)


def interfaces_forget() -> None:
    """Empty this process's memory."""
    _cache.read_at = _facts.read_at = float("-inf")


def _read() -> dict[int, Interface]:
    keys: dict[int, list[tuple[str, bytes]]] = {}
    for key in InterfaceKey.objects.filter(retired_at__isnull=True).order_by("-created_at"):
        try:
            secret = unseal(key.sealed_secret, context=secret_context(key.interface_id, key.key_id))
        except SealBroken:
            # One insurer without a key must not stop the others: its own wishes end `could_not_build`.
            logger.error("key %s of interface %s cannot be opened", key.key_id, key.interface_id)
            continue
        keys.setdefault(key.interface_id, []).append((key.key_id, secret))
    return {
        fact.id: Interface(
            **{name: getattr(fact, name) for name in InterfaceFacts.__slots__},
            lane_paused=row.lane.paused_at is not None,
            dialect=row.dialect,
            envelope=row.envelope,
            base_url=row.base_url.rstrip("/"),
            keys=tuple(keys.get(row.pk, ())),
        )
        for row, fact in _rows()
    }


def _read_facts() -> dict[int, InterfaceFacts]:
    return {fact.id: fact for _, fact in _rows()}


def _rows() -> list[tuple[InsurerInterface, InterfaceFacts]]:
    grants: dict[int, dict[str, Any]] = {}
    # A demo's database may have been carried over: what DEMO granted proves nothing in production.
    distrusted = [GrantSource.DEMO] if settings.ENVIRONMENT == "production" else []
    for grant in CapabilityGrant.objects.exclude(source__in=distrusted):
        grants.setdefault(grant.interface_id, {})[grant.name] = grant.value
    return [
        (
            row,
            InterfaceFacts(
                row.pk,
                row.code,
                row.lane_id,
                row.insurer_id,
                row.insurer.code,
                MappingProxyType(grants.get(row.pk, {})),
            ),
        )
        for row in InsurerInterface.objects.select_related("lane", "insurer")
    ]


_cache = _Cache(_read)
_facts = _Cache(_read_facts)


def secret_context(interface_id: int, key_id: str) -> str:
    """What binds a sealed secret to its place."""
    return f"interface_key:{interface_id}:{key_id}"
