"""Operators' acts on interfaces: define, key, grant, route."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from core.crypto import seal
from core.errors import Problem
from exchange.dialects import DIALECTS
from exchange.envelopes import ENVELOPES
from exchange.models import CapabilityGrant, InsurerInterface, InterfaceKey, Route
from exchange.selectors.interfaces import secret_context
from exchange.states import CancelWindow, GrantSource

if TYPE_CHECKING:
    from journal.models import Lane

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SECRET_BYTES = 16
FLAGS = frozenset(
    (
        "can_query_by_msgid",
        "settle_idempotent",
        "reverse_idempotent",
        "reverse_unknown_ok",
        "blocks_late_original",
        "not_found_is_final",
        "cancel_latest_first",
        "cancel_across_year",
    )
)
NUMBERS = frozenset(("max_processing_seconds", "accept_window_seconds", "reverse_window_seconds"))
WORDS = {"cancel_window": frozenset(CancelWindow.values)}


class InterfaceInvalid(Problem):
    code = "interface_invalid"
    status = 422
    title = "The interface cannot be set up like this"
    detail = "{explanation}"
    detail_zh = "接口配置无效：{explanation}"
    fix = "Correct the setting named and try again."
    fix_zh = "请更正所指的设置后重试。"


def interface_define(
    *, code: str, insurer_id: int, lane: Lane, base_url: str, dialect: str = "native", envelope: str = "hmac"
) -> InsurerInterface:
    """Create or change an interface. Raises InterfaceInvalid for an address or profile that may not be called."""
    parts = urlsplit(base_url)
    sandbox = settings.ENVIRONMENT != "production" and parts.hostname in LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and sandbox))):
        raise InterfaceInvalid(explanation=f"{base_url} is not https")
    if dialect not in DIALECTS or envelope not in ENVELOPES:
        raise InterfaceInvalid(explanation=f"dialect {dialect} or envelope {envelope} is not known")
    interface, _ = InsurerInterface.objects.update_or_create(
        code=code,
        defaults={
            "insurer_id": insurer_id,
            "lane": lane,
            "base_url": base_url,
            "dialect": dialect,
            "envelope": envelope,
        },
    )
    return interface


def interface_key_add(*, interface: InsurerInterface, key_id: str, secret: bytes, now: datetime) -> InterfaceKey:
    """Store a shared secret: the newest live key signs, all live keys verify. Raises InterfaceInvalid."""
    if len(secret) < SECRET_BYTES:
        raise InterfaceInvalid(explanation=f"the secret has fewer than {SECRET_BYTES} bytes")
    sealed = seal(
        secret,
        scope=f"interface:{interface.pk}",
        organisation_id=interface.insurer_id,
        context=secret_context(interface.pk, key_id),
        now=now,
    )
    key, _ = InterfaceKey.objects.update_or_create(
        interface=interface, key_id=key_id, defaults={"sealed_secret": sealed, "created_at": now, "retired_at": None}
    )
    return key


def interface_key_retire(*, interface: InsurerInterface, key_id: str, now: datetime) -> None:
    """End a key. The last live one cannot be ended: raises InterfaceInvalid."""
    with transaction.atomic():
        live = list(interface.keys.select_for_update().filter(retired_at__isnull=True))
        if [key.key_id for key in live] == [key_id]:
            raise InterfaceInvalid(explanation="it is the only live key")
        interface.keys.filter(key_id=key_id).update(retired_at=now)


def capabilities_grant(
    *, interface: InsurerInterface, values: Mapping[str, Any], source: GrantSource, by: str, now: datetime
) -> None:
    """Record what an interface is proven to do. DEMO grants are refused in production. Raises InterfaceInvalid."""
    if source == GrantSource.DEMO and settings.ENVIRONMENT == "production":
        raise InterfaceInvalid(explanation="a DEMO grant proves nothing in production")
    for name, value in values.items():
        if not _is_capability(name, value):
            raise InterfaceInvalid(explanation=f"{name}={value!r} is no capability")
        CapabilityGrant.objects.update_or_create(
            interface=interface,
            name=name,
            defaults={"value": value, "source": source, "granted_at": now, "granted_by": by},
        )


def _is_capability(name: str, value: Any) -> bool:
    if name in FLAGS:
        return isinstance(value, bool)
    if name in WORDS:
        return value in WORDS[name]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return name in NUMBERS and number and 0 <= value < math.inf


def route_add(
    *,
    scheme: str,
    region: str,
    interface: InsurerInterface,
    valid_from: date,
    valid_to: date | None = None,
    person_index: bytes | None = None,
) -> Route:
    """Add a routing rule, or change the end and target of an equal one."""
    route, _ = Route.objects.update_or_create(
        scheme=scheme,
        region=region,
        person_index=person_index,
        valid_from=valid_from,
        defaults={"interface": interface, "valid_to": valid_to},
    )
    return route
