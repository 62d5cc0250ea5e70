"""Keys of programs: made once in the open, stored as a digest, checked on every request of a HIS, an EMR or a till."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import string
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from accounts.models import ClientKey
from accounts.services.audit import audit_write
from accounts.states import Scope
from core.errors import Conflict, Forbidden, NotFound, Problem

PREFIX_CHARACTERS = 12
SECRET_BYTES = 32
FORM = re.compile(r"ms_([a-z0-9]{12})_[A-Za-z0-9_-]{43}")
CACHE_SECONDS = 5.0
CACHE_ENTRIES = 10_000
LAST_USED_STEP = timedelta(minutes=1)
_NO_DIGEST = bytes(32)


class ClientKeyMissing(Problem):
    code = "key_missing"
    status = 401
    title = "No client key"
    detail = "The request carries no client key."
    detail_zh = "请求未携带客户端密钥。"
    fix = "Send the header Authorization: Bearer <client key>."
    fix_zh = "请携带请求头 Authorization: Bearer <客户端密钥>。"


class ClientKeyUnknown(Problem):
    code = "key_unknown"
    status = 401
    title = "Unknown client key"
    detail = "This client key is not known here."
    detail_zh = "客户端密钥无效。"
    fix = "Check that the whole key was copied; else ask the platform's operators for a new one."
    fix_zh = "请检查密钥是否复制完整；如仍无效，请联系平台运营人员重新签发。"


class ClientKeyRevoked(Problem):
    code = "key_revoked"
    status = 401
    title = "Revoked client key"
    detail = "This client key was revoked."
    detail_zh = "客户端密钥已被吊销。"
    fix = "Put in the key that replaced it, or ask the platform's operators for a new one."
    fix_zh = "请换用替代它的新密钥，或联系平台运营人员重新签发。"


class ClientKeyExpired(Problem):
    code = "key_expired"
    status = 401
    title = "Expired client key"
    detail = "This client key was valid until {expires_at}."
    detail_zh = "客户端密钥已于 {expires_at} 过期。"
    fix = "Put in the key that replaced it, or ask the platform's operators for a new one."
    fix_zh = "请换用替代它的新密钥，或联系平台运营人员重新签发。"


class OrganisationSuspended(Problem):
    code = "organisation_suspended"
    status = 403
    title = "The organisation is suspended"
    detail = "{organisation} is suspended on this platform."
    detail_zh = "机构 {organisation} 在本平台已被停用。"
    fix = "Ask the platform's operators why. Nothing of this request was stored."
    fix_zh = "请向平台运营人员了解原因。本次请求未保存任何内容。"


class ClientKeyEnded(Conflict):
    code = "client_key_ended"
    title = "The key has ended"
    detail = "The key {name} was revoked or has expired; it cannot be rotated."
    detail_zh = "密钥 {name} 已吊销或过期，无法轮换。"
    fix = "Make a new key."
    fix_zh = "请新建密钥。"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The program that asks, known by its key."""

    key_id: int
    organisation_id: int
    organisation_code: str
    scopes: frozenset[str]
    terminal_no: str

    @property
    def actor(self) -> str:
        """How history and audit trail name it."""
        return f"client_key:{self.key_id}"

    def require(self, scope: Scope) -> None:
        """Raises Forbidden when the key lacks `scope`."""
        if scope.value not in self.scopes:
            raise Forbidden(subject="client key", act=scope.value)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database says of a prefix."""

    holder: KeyHolder
    digest: bytes
    expires_at: datetime | None
    revoked_at: datetime | None
    suspended_at: datetime | None
    last_used_at: datetime | None


class _Cache:
    """Keys found in the last few seconds, so that a busy till does not read the database each time.

    The price: another process may honour a revoked key for CACHE_SECONDS more. Unknown prefixes are not remembered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, _Found]] = OrderedDict()

    def get(self, prefix: str) -> _Found | None:
        with self._lock:
            until, found = self._entries.get(prefix, (0.0, None))
            return found if time.monotonic() < until else None

    def put(self, prefix: str, found: _Found) -> None:
        with self._lock:
            self._entries[prefix] = (time.monotonic() + CACHE_SECONDS, found)
            self._entries.move_to_end(prefix)
            if len(self._entries) > CACHE_ENTRIES:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()


def client_keys_forget() -> None:
    """Empty this process's cache of keys."""
    _cache.clear()


@transaction.atomic
def client_key_create(
    *,
    organisation_id: int,
    name: str,
    scopes: Collection[Scope],
    actor: str,
    now: datetime,
    terminal_no: str = "",
    expires_at: datetime | None = None,
    trace_id: str = "",
) -> str:
    """A new key `ms_<prefix>_<secret>` (256 random bits): returned this once, never readable again."""
    alphabet = string.ascii_lowercase + string.digits
    prefix = "".join(secrets.choice(alphabet) for _ in range(PREFIX_CHARACTERS))
    plain = f"ms_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = ClientKey.objects.create(
        organisation_id=organisation_id,
        name=name,
        prefix=prefix,
        digest=_digest(plain),
        scopes=sorted(scope.value for scope in scopes),
        terminal_no=terminal_no,
        created_at=now,
        expires_at=expires_at,
    )
    _audit(key, "client_key.created", actor, now, trace_id)
    return plain


@transaction.atomic
def client_key_revoke(*, key_id: int, actor: str, now: datetime, trace_id: str = "") -> None:
    """End a key: at once here, within CACHE_SECONDS everywhere. A revoked one stays as it is. Raises NotFound."""
    key = _key_locked(key_id)
    if key.revoked_at is not None:
        return
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    _audit(key, "client_key.revoked", actor, now, trace_id)
    transaction.on_commit(client_keys_forget)


@transaction.atomic
def client_key_rotate(*, key_id: int, old_expires_at: datetime, actor: str, now: datetime, trace_id: str = "") -> str:
    """A second key like this one; the old one goes on until `old_expires_at`, or its own end if that is sooner.

    Returns the new plain key. Raises NotFound, ClientKeyEnded.
    """
    key = _key_locked(key_id)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise ClientKeyEnded(name=key.name)
    plain = client_key_create(
        organisation_id=key.organisation_id,
        name=key.name,
        scopes=[Scope(scope) for scope in key.scopes],
        terminal_no=key.terminal_no,
        actor=actor,
        now=now,
        trace_id=trace_id,
    )
    key.expires_at = min(old_expires_at, key.expires_at or old_expires_at)
    key.save(update_fields=["expires_at"])
    _audit(key, "client_key.rotated", actor, now, trace_id)
    transaction.on_commit(client_keys_forget)
    return plain


def client_key_is_cached(presented: str) -> bool:
    """Whether `client_key_check` of this key needs no database now: an event loop may then call it directly."""
    form = FORM.fullmatch(presented)
    return form is None or _cache.get(form[1]) is not None


def client_key_check(presented: str, now: datetime) -> KeyHolder:
    """Who presents this key. Needs no organisation to be seen; see _Cache for what a revocation costs in time.

    Raises ClientKeyMissing; ClientKeyUnknown, the same for a wrong secret as for a wrong prefix; ClientKeyRevoked,
    ClientKeyExpired and OrganisationSuspended, which only who holds the whole key gets to see.
    """
    if not presented:
        raise ClientKeyMissing
    form = FORM.fullmatch(presented)
    if form is None:
        raise ClientKeyUnknown
    prefix = form[1]
    cached = _cache.get(prefix)
    found = cached or _find(prefix)
    if not hmac.compare_digest(_digest(presented), found.digest if found else _NO_DIGEST) or found is None:
        raise ClientKeyUnknown
    if found.revoked_at is not None:
        raise ClientKeyRevoked
    if found.expires_at is not None and found.expires_at <= now:
        raise ClientKeyExpired(expires_at=found.expires_at.isoformat(timespec="seconds"))
    if found.suspended_at is not None:
        raise OrganisationSuspended(organisation=found.holder.organisation_code)
    if cached is None:
        _cache.put(prefix, found)
        _used(found, now)
    return found.holder


def _digest(plain: str) -> bytes:
    return hashlib.sha256(plain.encode()).digest()


def _find(prefix: str) -> _Found | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key_id, organisation_id, organisation_code, scopes, terminal_no, digest, expires_at, "
            "revoked_at, organisation_suspended_at, last_used_at FROM accounts_client_key_find(%s)",
            [prefix],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, organisation_id, code, scopes, terminal_no, digest, *times = row
    holder = KeyHolder(key_id, organisation_id, code, frozenset(json.loads(scopes)), terminal_no)
    return _Found(holder, bytes(digest), *times)


def _used(found: _Found, now: datetime) -> None:
    if found.last_used_at is None or found.last_used_at < now - LAST_USED_STEP:
        with connection.cursor() as cursor:
            cursor.execute("SELECT accounts_client_key_used(%s, %s)", [found.holder.key_id, now])


def _key_locked(key_id: int) -> ClientKey:
    key = ClientKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise NotFound(noun="client key", noun_zh="客户端密钥", key=key_id)
    return key


def _audit(key: ClientKey, action: str, actor: str, now: datetime, trace_id: str) -> None:
    audit_write(
        actor=actor,
        organisation_id=key.organisation_id,
        action=action,
        subject=key.prefix,
        details={"name": key.name, "scopes": key.scopes, "terminal_no": key.terminal_no},
        now=now,
        trace_id=trace_id,
    )
