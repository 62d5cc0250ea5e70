"""The only writers of jobs: add, claim, settle, pause, park, release."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Count, Min

from core.bulk import rows_insert
from core.errors import NotFound
from core.ids import uuid7
from journal.handlers import FIRST_SEND, ClaimedJob, Disposition, Done, Later, Parked, Work
from journal.hints import hint_publish
from journal.models import Job, Lane, WorkerGroup

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobDraft:
    kind: str
    lane_id: int
    organisation_id: int
    subject_id: UUID
    run_at: datetime
    trace_id: str
    priority: int = FIRST_SEND


def jobs_add(*, drafts: Sequence[JobDraft], now: datetime) -> None:
    """Write jobs in the caller's transaction and, once it has committed, hint at those that are due already.

    An equal job (same kind and subject) that exists is kept as it is.
    """
    rows = [
        Job(
            id=uuid7(now),
            kind=draft.kind,
            lane_id=draft.lane_id,
            organisation_id=draft.organisation_id,
            subject_id=draft.subject_id,
            priority=draft.priority,
            run_at=draft.run_at,
            trace_id=draft.trace_id,
            created_at=now,
        )
        for draft in drafts
    ]
    rows_insert(rows, skip_existing=True)
    due_lanes = {row.lane_id for row in rows if row.run_at <= now}
    if due_lanes:
        transaction.on_commit(lambda: hint_publish(lane_ids=due_lanes))


def jobs_ensure(*, drafts: Sequence[JobDraft], now: datetime) -> None:
    """Like `jobs_add`; a job that exists already is due when the draft says at the latest, and no longer parked.

    One that somebody holds is left alone: he sees the new state when he concludes.
    """
    if not drafts:
        return
    jobs_add(drafts=drafts, now=now)
    with connection.cursor() as cursor:
        for run_at in sorted({draft.run_at for draft in drafts}):
            due = [draft for draft in drafts if draft.run_at == run_at]
            cursor.execute(
                "SELECT journal_jobs_wake(%s, %s, %s)",
                [[draft.subject_id for draft in due], [draft.kind for draft in due], run_at],
            )


CLAIM = """
SELECT job.id, job.kind, job.lane_id, job.organisation_id, job.subject_id, job.attempts, job.trace_id, job.created_at
FROM unnest(%s::bigint[], %s::integer[]) AS slot (lane_id, free)
CROSS JOIN LATERAL (
    SELECT * FROM journal_job due
    WHERE due.lane_id = slot.lane_id AND due.parked_at IS NULL AND due.kind = ANY (%s) AND due.run_at <= %s
    ORDER BY due.priority, due.run_at LIMIT slot.free FOR UPDATE SKIP LOCKED
) job
"""


def jobs_claim(*, free_slots: dict[int, int], kinds: Iterable[str], due_before: datetime) -> list[ClaimedJob]:
    """Lock due jobs, no more per lane than `free_slots`, skipping what another process holds. Needs a transaction.

    The lock lasts for the caller's transaction, which must end each job with `jobs_arm` or `jobs_settle`.
    """
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [list(free_slots), list(free_slots.values()), list(kinds), due_before])
        names = [column.name for column in cursor.description or ()]
        return [ClaimedJob(**dict(zip(names, row, strict=True)), lease_token=token) for row in cursor.fetchall()]


LOCK = "SELECT id FROM journal_job WHERE id = ANY (%s) ORDER BY id FOR UPDATE"


def jobs_lock(jobs: Sequence[ClaimedJob]) -> None:
    """Lock the jobs of a batch before anything else, as a claim does. Claims skip locked jobs and never wait here."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [[job.id for job in jobs]])


ARM = """
UPDATE journal_job job
SET kind = armed.kind, run_at = armed.run_at, lease_token = armed.token, attempts = job.attempts + 1
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::uuid[]) AS armed (id, kind, run_at, token)
WHERE job.id = armed.id
"""


def jobs_arm(works: Sequence[Work]) -> None:
    """Turn claimed jobs into the guards of the acts that are about to start."""
    if works:
        columns: tuple[list[Any], ...] = (
            [work.job.id for work in works],
            [work.guard_kind for work in works],
            [work.guard_at for work in works],
            [work.job.lease_token for work in works],
        )
        with connection.cursor() as cursor:
            cursor.execute(ARM, list(columns))


LATER = """
UPDATE journal_job job SET kind = coalesce(later.kind, job.kind), run_at = later.run_at, lease_token = NULL,
    priority = coalesce(later.priority, job.priority), lane_id = coalesce(later.lane_id, job.lane_id)
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::smallint[], %s::bigint[], %s::uuid[])
    AS later (id, kind, run_at, priority, lane_id, token)
WHERE job.id = later.id AND (%s OR job.lease_token = later.token)
"""
DONE = """
DELETE FROM journal_job job USING unnest(%s::uuid[], %s::uuid[]) AS done (id, token)
WHERE job.id = done.id AND (%s OR job.lease_token = done.token)
"""


def jobs_settle(dispositions: Sequence[Disposition], *, now: datetime, held: bool = False) -> None:
    """Write what became of each job. A job whose lease somebody else has taken over since is left to what he decided.

    `held`: this very transaction claimed them, so their rows are locked, and a lease that they still carry has run out.
    """
    moved = {item.lane_id for item in dispositions if isinstance(item, Later) and item.lane_id is not None}
    if moved:
        transaction.on_commit(lambda: hint_publish(lane_ids=moved))
    done = [item.job for item in dispositions if isinstance(item, Done)]
    later = [item for item in dispositions if isinstance(item, Later)]
    parked = [item for item in dispositions if isinstance(item, Parked)]
    with connection.cursor() as cursor:
        if done:
            cursor.execute(DONE, [[job.id for job in done], [job.lease_token for job in done], held])
        if later:
            cursor.execute(
                LATER,
                [
                    [item.job.id for item in later],
                    [item.kind for item in later],
                    [item.run_at for item in later],
                    [item.priority for item in later],
                    [item.lane_id for item in later],
                    [item.job.lease_token for item in later],
                    held,
                ],
            )
        for item in parked:
            cursor.execute(
                "UPDATE journal_job SET parked_at = %s, parked_reason = %s, lease_token = NULL "
                "WHERE id = %s AND (%s OR lease_token = %s)",
                [now, item.reason, item.job.id, held, item.job.lease_token],
            )


RELEASE = """
UPDATE journal_job SET parked_at = NULL, parked_reason = '', run_at = %s WHERE id IN (
    SELECT id FROM journal_job WHERE subject_id = ANY (%s) AND kind = ANY (%s) AND parked_at < %s
    FOR UPDATE SKIP LOCKED)
RETURNING subject_id, lane_id
"""


def jobs_release(
    *, subject_ids: Sequence[UUID], kinds: Sequence[str], parked_before: datetime, now: datetime
) -> set[UUID]:
    """Give these subjects' jobs that were parked before then back to their lanes, due at once; returns whose they are.

    What somebody is just looking at is left alone: whoever holds the subjects' rows never waits here.
    """
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [now, list(subject_ids), list(kinds), parked_before])
        released = cursor.fetchall()
    lanes = {lane_id for _, lane_id in released}
    if lanes:
        transaction.on_commit(lambda: hint_publish(lane_ids=lanes))
    return {subject_id for subject_id, _ in released}


def jobs_parked_tell(*, now: datetime, longer_than_seconds: float) -> int:
    """Say in the log what has been parked for long, by kind; returns how many. A chore: nothing parked is forgotten."""
    long_ago = now - timedelta(seconds=longer_than_seconds)
    parked = Job.objects.filter(parked_at__lt=long_ago).values_list("kind").annotate(Count("pk"), Min("parked_at"))
    count = 0
    for kind, jobs, since in parked.order_by("kind"):
        logger.warning("%d jobs of %s are parked, the oldest since %s", jobs, kind, since.isoformat())
        count += jobs
    return count


def job_release(*, job_id: UUID, now: datetime) -> Job:
    """Give a parked job back to its lane, due at once. Raises NotFound when it is not parked."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id, parked_at__isnull=False).first()
        if job is None:
            raise NotFound(noun="parked job", noun_zh="已搁置的任务", key=job_id)
        job.parked_at, job.parked_reason, job.run_at = None, "", now
        job.save(update_fields=["parked_at", "parked_reason", "run_at"])
        transaction.on_commit(lambda: hint_publish(lane_ids={job.lane_id}))
    return job


def lane_pause(*, lane_code: str, reason: str, now: datetime) -> Lane:
    """Stop first sends on a lane. Queries and reversals go on. Raises NotFound."""
    return _lane_write(lane_code, paused_at=now, paused_reason=reason)


def lane_resume(*, lane_code: str) -> Lane:
    return _lane_write(lane_code, paused_at=None, paused_reason="")


def _lane_write(lane_code: str, *, paused_at: datetime | None, paused_reason: str) -> Lane:
    with transaction.atomic():
        lane = Lane.objects.select_for_update().filter(code=lane_code).first()
        if lane is None:
            raise NotFound(noun="lane", noun_zh="通道", key=lane_code)
        lane.paused_at, lane.paused_reason = paused_at, paused_reason
        lane.save(update_fields=["paused_at", "paused_reason"])
    return lane


def worker_group_define(*, code: str, hosts: Sequence[str] = (), concurrency: int = 2) -> WorkerGroup:
    """Create or change a worker group."""
    group, _ = WorkerGroup.objects.update_or_create(
        code=code, defaults={"hosts": list(hosts), "concurrency": concurrency}
    )
    return group


def lane_define(*, code: str, group: WorkerGroup, cap_in_flight: int = 200) -> Lane:
    """Create a lane or move it to another group. Running workers see it at their next look at the table."""
    lane, _ = Lane.objects.update_or_create(code=code, defaults={"group": group, "cap_in_flight": cap_in_flight})
    return lane
