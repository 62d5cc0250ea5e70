"""Interfaces as the lanes need them: address, keys, capabilities. Kept per process for a moment, re-read when stale."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
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
class Interface:
    id: int
    code: str
    lane_id: int
    lane_paused: bool
    insurer_id: int
    insurer_code: str
    dialect: str
    envelope: str
    base_url: str
    keys: tuple[tuple[str, bytes], ...]
    capabilities: Mapping[str, Any]

    def can(self, name: str) -> bool:
        """A capability is false until granted."""
        return self.capabilities.get(name) is True

    def number(self, name: str) -> float:
        return float(self.capabilities.get(name, NUMBERS[name]))


class _Cache:
    def __init__(self) -> None:
        self.interfaces: dict[int, Interface] = {}
        self.read_at = float("-inf")

    def get(self) -> dict[int, Interface]:
        if time.monotonic() - self.read_at > FRESH_SECONDS:
            self.interfaces = _read()
            self.read_at = time.monotonic()
        return self.interfaces


_cache = _Cache()


def interfaces() -> dict[int, Interface]:
    """All interfaces by id, with secrets: role worker only. At most FRESH_SECONDS old."""
    return _cache.get()


def interface_of(interface_id: int) -> Interface:
    """One interface; read anew when this process has not seen it yet. Raises LookupError where there is none."""
    if interface_id not in _cache.get():
        interfaces_forget()
    return _cache.get()[interface_id]


def interfaces_forget() -> None:
    """Empty this process's memory."""
    _cache.read_at = float("-inf")


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
    grants: dict[int, dict[str, Any]] = {}
    # A demo's database may have been carried over: what DEMO granted proves nothing in production.
    distrusted = [GrantSource.DEMO] if settings.ENVIRONMENT == "production" else []
    for grant in CapabilityGrant.objects.exclude(source__in=distrusted):
        grants.setdefault(grant.interface_id, {})[grant.name] = grant.value
    return {
        row.pk: Interface(
            id=row.pk,
            code=row.code,
            lane_id=row.lane_id,
            lane_paused=row.lane.paused_at is not None,
            insurer_id=row.insurer_id,
            insurer_code=row.insurer.code,
            dialect=row.dialect,
            envelope=row.envelope,
            base_url=row.base_url.rstrip("/"),
            keys=tuple(keys.get(row.pk, ())),
            capabilities=grants.get(row.pk, {}),
        )
        for row in InsurerInterface.objects.select_related("lane", "insurer")
    }


def secret_context(interface_id: int, key_id: str) -> str:
    """What binds a sealed secret to its place."""
    return f"interface_key:{interface_id}:{key_id}"
