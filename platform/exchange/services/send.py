"""The first and only sending of a wish: armed and stored, and only then let go. What must not be sent ends NOT_SENT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from core.transitions import write_many
from exchange.breaker import Breaker
from exchange.locks import Locked, bills_and_transactions_lock, transactions_lock
from exchange.models import Transaction
from exchange.selectors.interfaces import Interface, interface_of, interfaces
from exchange.services.calls import Armed, CallDraft, calls_arm, deadline_seconds, originals_of, wishes_of
from exchange.services.endings import BY, Ending, endings_write, evidence_of
from exchange.states import CallKind, EvidenceKind, OperationClass, TransactionState

KINDS = {
    "settle": CallKind.SETTLE,
    "presettle": CallKind.PRESETTLE,
    "eligibility": CallKind.ELIGIBILITY,
    "cancel": CallKind.CANCEL,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not now: look again at `until`."""

    transaction_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing is to be sent (any more)."""

    transaction_id: UUID


def transactions_arm(
    *, by_lane: Mapping[int, Sequence[UUID]], now: datetime, monotonic_now: float, breaker: Breaker
) -> list[Armed | Waiting | Ended]:
    """Move RECEIVED transactions to SENDING with their Calls, or end them NOT_SENT; a result for each id.

    `monotonic_now` was read before the surrounding transaction began. Raises whatever building one of them raised: the
    caller then goes row by row.
    """
    held_back = _lanes_held_back(by_lane, now=now, breaker=breaker)
    ids = [one for lane_ids in by_lane.values() for one in lane_ids]
    # An end touches the bill, and bills are locked before transactions.
    locked = bills_and_transactions_lock(ids) if held_back else Locked({}, transactions_lock(ids), {})
    results: list[Armed | Waiting | Ended] = []
    to_arm: list[tuple[Transaction, Interface]] = []
    endings: list[Ending] = []
    for lane_id, lane_ids in by_lane.items():
        code = held_back.get(lane_id)
        for row in (locked.rows[one] for one in lane_ids):
            if row.state != TransactionState.RECEIVED or row.interface_id is None:
                results.append(Ended(row.pk))
            elif code == "lane_paused" and now < row.received_at + timedelta(seconds=settings.PATIENCE_SECONDS):
                results.append(Waiting(row.pk, now + timedelta(seconds=1)))
            elif code:
                endings.append(_unsent(row, code, now=now))
                results.append(Ended(row.pk))
            else:
                to_arm.append((row, interface_of(row.interface_id)))
    armed = _arm(to_arm, now=now, monotonic_now=monotonic_now)
    endings_write(endings, locked=locked, now=now)
    return [*results, *armed]


def _lanes_held_back(lane_ids: Iterable[int], *, now: datetime, breaker: Breaker) -> dict[int, str]:
    """The lanes on which nothing new is sent now, and why."""
    held: dict[int, str] = {}
    by_lane = {one.lane_id: one for one in interfaces().values()}
    for interface in (by_lane[lane_id] for lane_id in lane_ids if lane_id in by_lane):
        if interface.lane_paused:
            held[interface.lane_id] = "lane_paused"
        elif breaker.broken(interface_id=interface.id, now=now):
            held[interface.lane_id] = "lane_broken"
    return held


def transaction_cannot_be_built(*, transaction_id: UUID, now: datetime) -> None:
    """The one wish of a batch that no message can be made of: NOT_SENT, by the smallest write."""
    locked = bills_and_transactions_lock([transaction_id])
    row = locked.rows[transaction_id]
    if row.state == TransactionState.RECEIVED:
        endings_write([_unsent(row, "could_not_build", now=now)], locked=locked, now=now)


def _unsent(row: Transaction, code: str, *, now: datetime) -> Ending:
    """Ended by a rule of ours, before anything was armed."""
    row.stay_unsent()
    row.reason_code = code
    row.moved(now=now, by=BY, reason=code)
    return Ending(row, evidence_of(row, EvidenceKind.OUR_RULE, code, now=now))


def _arm(pairs: list[tuple[Transaction, Interface]], *, now: datetime, monotonic_now: float) -> list[Armed]:
    if not pairs:
        return []
    cancels = [row for row, _ in pairs if row.operation_class == OperationClass.UNDOES]
    wishes, originals = wishes_of(row for row, _ in pairs), originals_of(cancels) if cancels else {}
    drafts = [
        CallDraft(row, interface, KINDS[row.operation], wishes[row.pk], deadline_seconds(row), originals.get(row.pk))
        for row, interface in pairs
    ]
    armed = calls_arm(drafts, now=now, monotonic_now=monotonic_now)
    for (row, _), one in zip(pairs, armed, strict=True):
        row.arm()
        row.moved(now=now, by=BY, reason=one.facts.message_id)
    write_many([row for row, _ in pairs], fields=["state"])
    return armed
