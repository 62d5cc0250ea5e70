"""What a job kind is made of, and what may become of a job. `config/wiring.py` ties kinds to handlers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

FIRST_SEND = 50  # Priorities: what ends doubt goes before what begins anew.
RESOLVE = 10


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this process holds under `lease_token`."""

    id: UUID
    kind: str
    lane_id: int
    organisation_id: int
    subject_id: UUID
    attempts: int
    trace_id: str
    created_at: datetime
    lease_token: UUID


@dataclass(frozen=True, slots=True)
class Work:
    """One prepared and armed act on the network.

    `guard_kind` at `guard_at` is what the job becomes in the arming commit: if this process dies, whoever finds the job
    then looks after the act. `start_before` is a `time.monotonic` reading of this process.
    """

    job: ClaimedJob
    payload: Any
    guard_kind: str
    guard_at: datetime
    start_before: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `perform` brought back, or the exception it raised."""

    work: Work
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Done:
    job: ClaimedJob


@dataclass(frozen=True, slots=True)
class Later:
    """Look at it again at `run_at`, as `kind` if the work has changed its nature, on `lane_id` if it moves on."""

    job: ClaimedJob
    run_at: datetime
    kind: str | None = None
    priority: int | None = None
    lane_id: int | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """A person must look: the job stays, out of the lane, with its reason."""

    job: ClaimedJob
    reason: str


Disposition = Done | Later | Parked


class LocalHandler(Protocol):
    """A job kind without network: everything happens in `conclude`, in the commit that claims the job."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> Sequence[Disposition]: ...

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition: ...


class NetworkHandler(Protocol):
    """A job kind in three phases: prepare (one commit), perform (network only, no database), conclude (one commit)."""

    def prepare(
        self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float
    ) -> Sequence[Work | Disposition]: ...

    async def perform(self, work: Work) -> Any: ...

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> Sequence[Disposition]: ...

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        """A job that cannot even be prepared: write the least that is true, in the savepoint given."""

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        """An outcome that cannot be concluded: keep it, write the least that is true."""

    async def close(self) -> None:
        """Give back what `perform` opened."""


@cache
def handlers() -> dict[str, LocalHandler | NetworkHandler]:
    """The handlers of this installation by job kind, made once per process."""
    table: dict[str, str] = import_string(f"{settings.WIRING}.HANDLERS")
    return {kind: import_string(path)() for kind, path in table.items()}
