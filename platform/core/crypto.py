"""Encryption at rest: data keys seal the values, master keys (MEDISETTLE_MASTER_KEYS) wrap the data keys.

Turning the master key re-wraps a few hundred rows (`manage.py keys_rotate`) and touches no sealed value. Destroying one
data key destroys everything sealed under its scope. AES-256-GCM throughout (NIST SP 800-38D).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from core.models import DataKey

FORMAT = b"\x01"
NONCE_BYTES = 12
KEY_ID_BYTES = 8
INDEX_BYTES = 16
PLATFORM = 0
INDEX_SCOPE = "blind-index"


class SealBroken(Exception):
    """The sealed bytes were changed, moved to another row, or their key is gone."""


class _KeyRing:
    """Unwrapped data keys of this process, and which key is current for a scope."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.keys: dict[int, bytes] = {}
        self.current: dict[str, int] = {}

    def remember(self, key: DataKey) -> None:
        plain = _unwrap(key)
        with self.lock:
            self.keys[key.pk] = plain
            self.current[key.scope] = key.pk

    def forget(self) -> None:
        with self.lock:
            self.keys.clear()
            self.current.clear()


ring = _KeyRing()


def organisation_month_scope(*, organisation_id: int, now: datetime) -> str:
    """Job A's scope: one key per organisation and month, so that a month can be destroyed when its time is over."""
    return f"exchange:{organisation_id}:{now:%Y-%m}"


def seal(plain: bytes, *, scope: str, organisation_id: int, context: str, now: datetime) -> bytes:
    """Encrypt under the data key of `scope`, made at first use. `context` (say, `call:<id>`) binds it to its place."""
    key_id, key = _current_key(scope=scope, organisation_id=organisation_id, now=now)
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain, context.encode())
    return FORMAT + key_id.to_bytes(KEY_ID_BYTES, "big") + nonce + sealed


@dataclass(frozen=True, slots=True)
class Sealing:
    """Something to seal: under the data key of `scope`, bound to its place by `context`."""

    plain: bytes
    scope: str
    context: str


def seal_many(sealings: Sequence[Sealing], *, organisation_id: int, now: datetime) -> list[bytes]:
    """As `seal`, with the data keys of all new scopes made in one statement and not remembered by this process."""
    keys = _keys_of({one.scope for one in sealings}, organisation_id=organisation_id, now=now)
    sealed = []
    for one in sealings:
        key_id, key = keys[one.scope]
        nonce = secrets.token_bytes(NONCE_BYTES)
        body = AESGCM(key).encrypt(nonce, one.plain, one.context.encode())
        sealed.append(FORMAT + key_id.to_bytes(KEY_ID_BYTES, "big") + nonce + body)
    return sealed


def unseal(token: bytes | memoryview, *, context: str) -> bytes:
    """The plain bytes. Raises SealBroken when the token was altered, moved, or its key is not ours to see."""
    token = bytes(token)
    if token[:1] != FORMAT:
        raise SealBroken(f"the value of {context} has no form that we know")
    key_id = int.from_bytes(token[1 : 1 + KEY_ID_BYTES], "big")
    body = token[1 + KEY_ID_BYTES :]
    key = ring.keys.get(key_id)
    if key is None:
        found = DataKey.objects.filter(pk=key_id).first()
        if found is None:
            raise SealBroken(f"data key {key_id} is gone or not ours to see")
        key = _unwrap(found)
        ring.keys[key_id] = key
    try:
        return AESGCM(key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], context.encode())
    except InvalidTag:
        raise SealBroken(f"sealed value of {context} does not open") from None


def blind_index(value: str, *, now: datetime) -> bytes:
    """A keyed digest that finds equal values without reading them. Normalise `value` before."""
    return blind_indexes([value], now=now)[0]


def blind_indexes(values: Sequence[str], *, now: datetime) -> list[bytes]:
    """`blind_index` of each value."""
    _, key = _current_key(scope=INDEX_SCOPE, organisation_id=PLATFORM, now=now)
    return [hmac.digest(key, value.encode(), hashlib.sha256)[:INDEX_BYTES] for value in values]


def derived_key(*, scope: str, purpose: str, now: datetime) -> bytes:
    """32 bytes for `purpose` alone, derived from the platform's data key of `scope` (HKDF-SHA256, RFC 5869)."""
    _, key = _current_key(scope=scope, organisation_id=PLATFORM, now=now)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key)


def data_keys_rewrap() -> int:
    """Wrap every data key under the current master key; returns how many. Old master keys may then be retired."""
    changed = 0
    current = settings.MASTER_KEYS[0][0]
    with transaction.atomic():
        for key in DataKey.objects.exclude(master_key_id=current).select_for_update():
            key.wrapped = _wrap(_unwrap(key), scope=key.scope)
            key.master_key_id = current
            key.save(update_fields=["wrapped", "master_key_id"])
            changed += 1
    return changed


def _current_key(*, scope: str, organisation_id: int, now: datetime) -> tuple[int, bytes]:
    key_id = ring.current.get(scope)
    if key_id is not None:
        return key_id, ring.keys[key_id]
    (stored,) = _keys_stored([scope], organisation_id=organisation_id, now=now)
    # Remembered only once it is committed, or a rolled-back key would go on sealing.
    transaction.on_commit(lambda: ring.remember(stored))
    return stored.pk, _unwrap(stored)


def _keys_of(scopes: Set[str], *, organisation_id: int, now: datetime) -> dict[str, tuple[int, bytes]]:
    known = {scope: ring.current[scope] for scope in scopes if scope in ring.current}
    keys = {scope: (key_id, ring.keys[key_id]) for scope, key_id in known.items()}
    missing = sorted(scopes - keys.keys())
    if missing:
        stored = _keys_stored(missing, organisation_id=organisation_id, now=now)
        keys |= {key.scope: (key.pk, _unwrap(key)) for key in stored}
    return keys


def _keys_stored(scopes: Sequence[str], *, organisation_id: int, now: datetime) -> list[DataKey]:
    """The stored keys of these scopes, made where missing."""
    stored = list(DataKey.objects.filter(scope__in=scopes))
    missing = set(scopes) - {key.scope for key in stored}
    if not missing:
        return stored
    fresh = [
        DataKey(
            scope=scope,
            organisation_id=organisation_id,
            master_key_id=settings.MASTER_KEYS[0][0],
            wrapped=_wrap(AESGCM.generate_key(256), scope=scope),
            created_at=now,
        )
        for scope in sorted(missing)
    ]
    # Two processes may meet here in the first second of a month: one insert wins and both read the winner.
    DataKey.objects.bulk_create(fresh, ignore_conflicts=True)
    return list(DataKey.objects.filter(scope__in=scopes))


def _wrap(key: bytes, *, scope: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(settings.MASTER_KEYS[0][1]).encrypt(nonce, key, scope.encode())


def _unwrap(key: DataKey) -> bytes:
    wrapped = bytes(key.wrapped)
    for master_key_id, master in settings.MASTER_KEYS:
        if master_key_id == key.master_key_id:
            try:
                return AESGCM(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], key.scope.encode())
            except InvalidTag:
                raise SealBroken(f"master key {master_key_id} does not open data key {key.scope}") from None
    raise SealBroken(f"master key {key.master_key_id} of data key {key.scope} is not in MEDISETTLE_MASTER_KEYS")
