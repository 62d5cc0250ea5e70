"""The periodic abnormal check: what has not ended and has nobody who will look at it gets its job back.

Every state that must be left has a job, written in the commit that made the state. This check is for what may happen to
jobs all the same: deleted by hand, lost with a restored backup, parked after a fault. It finds the rows, decides which
job each needs, and queues it; the resolver then asks, reverses or hands over as it always does, under its own lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from core.clock import local_day
from core.transitions import write_many
from exchange.kinds import LOCATE, OVERDUE, RESOLVE, SEND
from exchange.models import Transaction
from exchange.selectors.abnormal import overdue_seconds
from exchange.selectors.desk import on_call_of
from exchange.selectors.interfaces import facts_of
from exchange.selectors.routing import NoRoute, coverage_routes
from exchange.states import TransactionState
from journal.handlers import FIRST_SEND
from journal.handlers import RESOLVE as RESOLVE_PRIORITY
from journal.services import JobDraft, jobs_add, jobs_release

S = TransactionState
BATCH = 500
# Which job looks after a state, the one that is queued first.
KINDS: dict[str, tuple[str, ...]] = {
    S.RECEIVED: (SEND, LOCATE),
    S.SENDING: (OVERDUE,),
    S.IN_DOUBT: (RESOLVE, OVERDUE),
    S.REVERSING: (RESOLVE,),
}

# Along the partial index `transactions_not_ended`, from where the batch before ended. Who holds a row is looking at it.
LOST = """
SELECT wish.id, wish.organisation_id, wish.received_at, wish.state, wish.interface_id, wish.trace_id, wish.person_index
FROM exchange_transaction wish
WHERE wish.state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING')
    AND (wish.organisation_id, wish.received_at, wish.id) > (%(organisation)s, %(at)s, %(id)s)
    AND (wish.state IN ('IN_DOUBT', 'REVERSING') OR wish.state_at < %(overdue)s)
    -- OFFSET keeps it a look per row: a join would read every job for each batch.
    AND NOT EXISTS (SELECT 1 FROM journal_lookers(wish.id, CASE wish.state WHEN 'IN_DOUBT' THEN %(in_doubt)s::text[]
        WHEN 'REVERSING' THEN %(reversing)s::text[] WHEN 'SENDING' THEN %(sending)s::text[]
        ELSE %(received)s::text[] END, %(parked)s) OFFSET 0)
    -- The second half of a fee that is settled anew waits for its cancel, without a job.
    AND (wish.state <> 'RECEIVED' OR NOT EXISTS (SELECT 1 FROM exchange_resettlement saga
        JOIN exchange_transaction cancel ON cancel.id = saga.cancel_id
        WHERE saga.rest_id = wish.id AND cancel.state <> 'SUCCEEDED' OFFSET 0))
ORDER BY wish.organisation_id, wish.received_at, wish.id LIMIT %(limit)s FOR NO KEY UPDATE OF wish SKIP LOCKED
"""
OWNERLESS = """
SELECT * FROM exchange_transaction WHERE state = 'NEEDS_HUMAN' AND owner = ''
ORDER BY organisation_id, received_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """`queued` had no job, `released` had a parked one, `owned` needed a person and had no owner."""

    queued: int = 0
    released: int = 0
    owned: int = 0


@dataclass(frozen=True, slots=True)
class _Lost:
    id: UUID
    organisation_id: int
    received_at: datetime
    state: str
    interface_id: int | None
    trace_id: str
    person_index: bytes


_TOP = _Lost(UUID(int=0), 0, datetime.fromisoformat("0001-01-02T00:00:00+00:00"), "", None, "", b"")


def abnormal_check(*, now: datetime, limit: int) -> Checked:
    """Queue what nobody would look at, at most `limit` rows, BATCH of them in one commit. Role worker.

    Two checks at once share the work: each skips what the other holds. Where one has just let go of a row, both may
    count it; the job is one all the same. The next run finds what this one has left.
    """
    checked, place = Checked(owned=_owners_give(limit)), _TOP
    while checked.queued + checked.released < limit:
        with transaction.atomic():
            lost = _lost(place, now, min(BATCH, limit - checked.queued - checked.released))
            released = _release(lost, now) if lost else set()
            fresh = [one for one in lost if one.id not in released]
            jobs_add(drafts=[draft for one in fresh if (draft := _job(one, now))], now=now)
        checked = replace(checked, queued=checked.queued + len(fresh), released=checked.released + len(released))
        if not lost:
            return checked
        place = lost[-1]
    return checked


def _lost(place: _Lost, now: datetime, limit: int) -> list[_Lost]:
    values: dict[str, Any] = {
        "organisation": place.organisation_id,
        "at": place.received_at,
        "id": place.id,
        "parked": _parked_before(now),
        "overdue": now - timedelta(seconds=overdue_seconds()),
        "limit": limit,
        **{str(state).lower(): list(kinds) for state, kinds in KINDS.items()},
    }
    with connection.cursor() as cursor:
        # A batch walks the index from its place and stops. PostgreSQL, which cannot know how many lie behind the place,
        # would else sort all of them for each batch; and read all jobs for one, while they are few.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        cursor.execute(LOST, values)
        return [_Lost(*row) for row in cursor.fetchall()]


def _parked_before(now: datetime) -> datetime:
    return now - timedelta(seconds=settings.ABNORMAL_CHECK["parked_seconds"])


def _release(lost: Sequence[_Lost], now: datetime) -> set[UUID]:
    """Another try for what was parked; and somebody is on call for it from now on, until it moves."""
    kinds = sorted({kind for kinds in KINDS.values() for kind in kinds})
    released = jobs_release(
        subject_ids=[one.id for one in lost], kinds=kinds, parked_before=_parked_before(now), now=now
    )
    if released:
        _own(list(Transaction.objects.filter(pk__in=released, owner="")))
    return released


def _owners_give(limit: int) -> int:
    """Nothing that needs a person is without one."""
    with transaction.atomic():
        return _own(list(Transaction.objects.raw(OWNERLESS, [min(limit, BATCH)])))


def _own(rows: Sequence[Transaction]) -> int:
    on_call = {one: on_call_of(one) for one in {row.organisation_id for row in rows}}
    for row in rows:
        row.owner = on_call[row.organisation_id]
    write_many(rows, fields=["owner"])
    return len(rows)


def _job(one: _Lost, now: datetime) -> JobDraft | None:
    """The job that its state needs, due now. None where no lane leads anywhere any more: it stays in the feed."""
    kind = LOCATE if one.state == S.RECEIVED and one.interface_id is None else KINDS[one.state][0]
    try:
        lane_id = (
            coverage_routes(person_index=bytes(one.person_index), on=local_day(now))[0].lane_id
            if one.interface_id is None
            else facts_of(one.interface_id).lane_id
        )
    except NoRoute:
        return None
    return JobDraft(
        kind=kind,
        lane_id=lane_id,
        organisation_id=one.organisation_id,
        subject_id=one.id,
        run_at=now,
        trace_id=one.trace_id,
        priority=RESOLVE_PRIORITY if kind == RESOLVE else FIRST_SEND,
    )
