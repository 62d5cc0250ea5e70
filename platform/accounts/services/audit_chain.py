"""The chain of seals over the audit trail: whoever changes, removes or slips in an entry breaks it for all to see.

Each seal carries a keyed digest over the seal before it, over its own range and over one leaf per entry. The key hangs
on a master key that is not in the database: rights in the database alone do not suffice to build the chain anew. What
the chain cannot show is that its newest seals were cut off together with their entries: keep a digest of the
newest seal elsewhere (`audit_verify` prints it). Database transaction ids begin anew in another cluster: after moving a
dump there, raise its counter above the last horizon (pg_resetwal) before the first entry is written.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from django.db import connection, models, transaction

from accounts.models import AuditEntry, AuditSeal
from core.crypto import derived_key

KEY_SCOPE = "audit-seal"
ONE_SEALER_LOCK = 7266002
ID_BYTES = 8
LEAF_BYTES = 24
ROWS_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True)
class AuditProof:
    """What `audit_prove` found. `faults` are sentences; none means the trail is whole."""

    seals: int
    entries: int
    waiting: int
    newest_digest: str
    faults: list[str]


def audit_seal(*, now: datetime) -> AuditSeal | None:
    """Seal the entries of all database transactions that have finished since the last seal; role worker.

    An entry still being written elsewhere waits for the next seal. None, and no row, when there is nothing to seal or
    somebody else is sealing; the next seal then covers the empty range as well.
    """
    with transaction.atomic():
        if not _only_sealer():
            return None
        horizon = _horizon()
        last = AuditSeal.objects.order_by("-horizon").first()
        from_horizon = last.horizon if last else 0
        entries = _entries(from_horizon, horizon)
        if not entries.exists():
            return None
        key = _key(now)
        leaves = b"".join(_leaf(entry, key) for entry in entries.iterator(chunk_size=ROWS_AT_A_TIME))
        seal = AuditSeal(
            sealed_at=now,
            from_horizon=from_horizon,
            horizon=horizon,
            entries=len(leaves) // LEAF_BYTES,
            leaves=leaves,
            previous=bytes(last.digest) if last else b"",
        )
        seal.digest = _digest(seal, key)
        seal.save(force_insert=True)
    return seal


def audit_prove(*, now: datetime) -> AuditProof:
    """Recompute the whole chain from the entries; role worker. Reads everything once, a seal's entries at a time."""
    faults: list[str] = []
    seals = entries = horizon = 0
    digest = b""
    with transaction.atomic():
        key = _key(now)
        end = _horizon()
        for seal in AuditSeal.objects.order_by("horizon").iterator(chunk_size=100):
            faults += _seal_faults(seal, horizon, digest, key)
            seals, entries = seals + 1, entries + seal.entries
            horizon, digest = seal.horizon, bytes(seal.digest)
        waiting = AuditEntry.objects.filter(written_in__gte=horizon).count()
        for entry in AuditEntry.objects.filter(written_in__lt=0).order_by("written_in", "id")[:100]:
            faults.append(f"entry {entry.pk} lies before the first seal and no seal covers it")
        if horizon > end:
            faults.append(f"the last seal reaches to {horizon}, but this cluster has only come to {end}")
    return AuditProof(seals, entries, waiting, digest.hex(), faults)


def _seal_faults(seal: AuditSeal, horizon: int, digest: bytes, key: bytes) -> Iterator[str]:
    if seal.from_horizon != horizon or bytes(seal.previous) != digest:
        yield f"seal {seal.pk} does not follow the one before it: a seal is missing or was changed"
    leaves = bytes(seal.leaves)
    if not hmac.compare_digest(bytes(seal.digest), _digest(seal, key)) or len(leaves) != seal.entries * LEAF_BYTES:
        yield f"seal {seal.pk} was changed: its digest does not fit"
    entries = _entries(seal.from_horizon, seal.horizon)
    fault = _first_broken(leaves, (_leaf(entry, key) for entry in entries.iterator(chunk_size=ROWS_AT_A_TIME)))
    if fault:
        yield f"seal {seal.pk}: {fault}"


def _first_broken(sealed: bytes, found: Iterable[bytes]) -> str | None:
    """The first entry whose leaf differs, in words."""
    expected = (sealed[start : start + LEAF_BYTES] for start in range(0, len(sealed), LEAF_BYTES))
    for before, after in zip_longest(expected, found):
        if before == after:
            continue
        old, new = (int.from_bytes(leaf[:ID_BYTES], "big") if leaf else None for leaf in (before, after))
        if old == new:
            return f"entry {old} was changed"
        if old is None:
            return f"entry {new} was added after it was sealed"
        return f"entry {old} is gone, or another was put before it" + (f" (entry {new})" if new is not None else "")
    return None


def _entries(from_horizon: int, horizon: int) -> models.QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(written_in__gte=from_horizon, written_in__lt=horizon).order_by("written_in", "id")


def _leaf(entry: AuditEntry, key: bytes) -> bytes:
    values = [
        entry.pk,
        entry.organisation_id,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor,
        entry.action,
        entry.subject,
        entry.details,
        entry.trace_id,
        entry.written_in,
    ]
    digest = hmac.digest(key, _canonical(values), hashlib.sha256)
    return int(entry.pk).to_bytes(ID_BYTES, "big") + digest[: LEAF_BYTES - ID_BYTES]


def _digest(seal: AuditSeal, key: bytes) -> bytes:
    sealed_at = seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds")
    header = _canonical([bytes(seal.previous).hex(), sealed_at, seal.from_horizon, seal.horizon, seal.entries])
    return hmac.digest(key, header + b"\n" + bytes(seal.leaves), hashlib.sha256)


def _canonical(values: list[object]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _key(now: datetime) -> bytes:
    return derived_key(scope=KEY_SCOPE, purpose="audit seal v1", now=now)


def _only_sealer() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_SEALER_LOCK])
        return bool(cursor.fetchone()[0])


def _horizon() -> int:
    """The oldest database transaction that still runs: all below it have ended and show all that they wrote."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])
