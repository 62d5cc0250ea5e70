"""Handlers of job A's job kinds: thin shells that put the journal's phases onto the services."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from core.crypto import organisation_month_scope, seal
from core.faults import fault_told
from exchange.breaker import Breaker
from exchange.dialects import DIALECTS
from exchange.doubt import SILENT
from exchange.envelopes import ENVELOPES
from exchange.envelopes.hmac_envelope import EnvelopeBroken
from exchange.kinds import LOCATE, OVERDUE, RESOLVE, SEND, WATCH
from exchange.masking import masked_text, personal_values
from exchange.messages import Facts, Reply, untrusted
from exchange.selectors.interfaces import Interface, interface_of
from exchange.services.calls import Armed, CallResult
from exchange.services.conclude import calls_conclude, transaction_unconcluded, transactions_overdue
from exchange.services.coverage import Located, coverage_ask, coverage_conclude
from exchange.services.proof import answer_unconcluded, answers_conclude
from exchange.services.resolve import doubt_cannot_be_asked, doubts_arm
from exchange.services.send import Ended, Waiting, transaction_cannot_be_built, transactions_arm
from exchange.states import CallOutcome, TransactionState
from exchange.transport import Receipt, Transport
from journal.handlers import RESOLVE as RESOLVE_PRIORITY
from journal.handlers import ClaimedJob, Disposition, Done, Later, Outcome, Parked, Work


class NetworkDoor:
    """What the kinds that call insurers share: the transport, and one sending of what was armed."""

    def __init__(self) -> None:
        self.transport = Transport()

    async def perform(self, work: Work) -> Receipt:
        armed: Armed = work.payload
        return await self.transport.deliver(armed.delivery)

    async def close(self) -> None:
        await self.transport.close()


class SendHandler(NetworkDoor):
    """`exchange.send`: the first and only sending of a wish."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        by_lane: dict[int, list[UUID]] = defaultdict(list)
        for job in jobs:
            by_lane[job.lane_id].append(job.subject_id)
        results = transactions_arm(by_lane=by_lane, now=now, monotonic_now=monotonic_now, breaker=self.breaker)
        return _items(jobs, results, guard_kind=OVERDUE)

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        results = [_result(outcome, _read(outcome), now=now) for outcome in outcomes]
        states = calls_conclude(results=results, now=now)
        return [
            _after(
                outcome.work.job,
                states[outcome.work.payload.transaction_id],
                outcome.work.payload.deadline,
                outcome,
                now,
            )
            for outcome in outcomes
        ]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        transaction_cannot_be_built(transaction_id=job.subject_id, now=now)
        return Done(job)

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        transaction_unconcluded(result=_result(outcome, _read_safely(outcome), now=now), now=now)
        return Parked(outcome.work.job, f"outcome could not be concluded: {fault_told(error)}")


class ResolveHandler(NetworkDoor):
    """`exchange.resolve`: ask about an act in doubt, or undo what must not stand, until it has ended."""

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        ids = [job.subject_id for job in jobs]
        return _items(jobs, doubts_arm(transaction_ids=ids, now=now, monotonic_now=monotonic_now), guard_kind=RESOLVE)

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        results = [_result(outcome, _read(outcome), now=now) for outcome in outcomes]
        again_at = answers_conclude(results=results, now=now)
        return [_once_more(outcome.work.job, again_at[outcome.work.job.subject_id]) for outcome in outcomes]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        doubt_cannot_be_asked(transaction_id=job.subject_id, now=now)
        return Parked(job, f"no question could be built: {fault_told(error)}")

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        answer_unconcluded(result=_result(outcome, _read_safely(outcome), now=now), now=now)
        return Parked(outcome.work.job, f"answer could not be concluded: {fault_told(error)}")


class WatchHandler(ResolveHandler):
    """`exchange.watch`: a few looks after what was reversed, or is held for refused because it was not found."""

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        ids = [job.subject_id for job in jobs]
        results = doubts_arm(transaction_ids=ids, now=now, monotonic_now=monotonic_now, watching=True)
        return _items(jobs, results, guard_kind=WATCH)

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        results = [_result(outcome, _read(outcome), now=now) for outcome in outcomes]
        again_at = answers_conclude(results=results, now=now, watching=True)
        return [
            # Looks that nobody answered are no looks: a person has the job, it is not dropped.
            Parked(outcome.work.job, "the watch was not answered to the end of its ladder")
            if again_at[result.transaction_id] is None and result.reply.outcome in SILENT
            else _once_more(outcome.work.job, again_at[result.transaction_id])
            for outcome, result in zip(outcomes, results, strict=True)
        ]


def _items(
    jobs: Sequence[ClaimedJob], results: Sequence[Armed | Waiting | Ended], *, guard_kind: str
) -> list[Work | Disposition]:
    """Put what the services decided onto the jobs; the guard looks after an armed call that nobody concludes."""
    by_subject = {job.subject_id: job for job in jobs}
    items: list[Work | Disposition] = []
    for result in results:
        job = by_subject[result.transaction_id]
        match result:
            case Armed():
                guard_at = result.deadline + timedelta(seconds=settings.OVERDUE_AFTER_SECONDS)
                items.append(Work(job, result, guard_kind, guard_at, result.delivery.start_before))
            case Waiting():
                items.append(Later(job, result.until))
            case Ended():
                items.append(Done(job))
    return items


def _once_more(job: ClaimedJob, again_at: datetime | None) -> Disposition:
    return Done(job) if again_at is None else Later(job, again_at)


class LocateHandler(NetworkDoor):
    """`exchange.locate`: ask one insurer after the other who covers the person. A question: no doubt comes of it."""

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        asked = {job.subject_id: job.lane_id for job in jobs}
        return _items(jobs, coverage_ask(asked=asked, now=now, monotonic_now=monotonic_now), guard_kind=LOCATE)

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        results = [_result(outcome, _read(outcome), now=now) for outcome in outcomes]
        found = coverage_conclude(results=results, now=now)
        return [_located(outcome.work.job, found[outcome.work.job.subject_id], now) for outcome in outcomes]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        transaction_cannot_be_built(transaction_id=job.subject_id, now=now)
        return Done(job)

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        transaction_cannot_be_built(transaction_id=outcome.work.job.subject_id, now=now)
        return Done(outcome.work.job)


def _located(job: ClaimedJob, found: Located, now: datetime) -> Disposition:
    if found.lane_id is None:
        return Done(job)
    return Later(job, now, kind=SEND if found.covered else LOCATE, lane_id=found.lane_id)


class OverdueHandler:
    """`exchange.overdue`: the guard of an armed Call whose process never concluded it."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        states = transactions_overdue(transaction_ids=[job.subject_id for job in jobs], now=now)
        # The guard fires after the deadline, so the quiet time that counts from there has begun already.
        return [_after(job, states[job.subject_id], now, None, now) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        return Parked(job, f"guard of an armed call failed: {fault_told(error)}")


def _after(job: ClaimedJob, state: str, deadline: datetime, outcome: Outcome | None, now: datetime) -> Disposition:
    """A transaction in doubt keeps its job, waiting for the resolver; every other one is done with it.

    A late outcome of a transaction that moved on meanwhile wants a look at once.
    """
    if state == TransactionState.IN_DOUBT:
        late = outcome is not None and now > deadline
        return Later(job, now if late else max(deadline, now), kind=RESOLVE, priority=RESOLVE_PRIORITY)
    return Done(job)


def answer_fault(receipt: Receipt, *, facts: Facts, interface: Interface) -> str:
    """Why what came back is no signed answer of that interface to this very message; nothing when it is one."""
    if receipt.status != 200:
        return f"HTTP status {receipt.status}"
    try:
        ENVELOPES[interface.envelope].open(
            receipt.body,
            receipt.headers or {},
            facts=facts,
            secrets=dict(interface.keys),
            # Fresh when it came in: how long it then waited for our database does not matter.
            now=facts.sent_at + timedelta(milliseconds=receipt.elapsed_ms),
        )
    except EnvelopeBroken as broken:
        return str(broken)
    return ""


def _read_safely(outcome: Outcome) -> Reply:
    try:
        return _read(outcome)
    except Exception as worse:
        return untrusted(f"it could not be read: {type(worse).__name__}")


def _read(outcome: Outcome) -> Reply:
    """The reply that a receipt amounts to. An exception of ours on the wire side is doubt, never failure."""
    armed: Armed = outcome.work.payload
    receipt = outcome.result
    if not isinstance(receipt, Receipt):
        return untrusted(f"sending raised {type(outcome.error).__name__}")
    if receipt.failure:
        code, _, explanation = receipt.failure.partition(":")
        kind = CallOutcome.UNKNOWN if receipt.sent else CallOutcome.NOT_SENT
        return Reply(kind, reason_code=code, explanation=explanation)
    interface = interface_of(armed.interface_id)
    if fault := answer_fault(receipt, facts=armed.facts, interface=interface):
        return untrusted(fault)
    reply = DIALECTS[interface.dialect].read(
        armed.kind, armed.wish, msgid=armed.facts.message_id, body=receipt.body, original=armed.original
    )
    # The insurer's words may name the person; they are kept in clear, so they are kept without him.
    return replace(reply, insurer_text=masked_text(reply.insurer_text, known=personal_values(armed.wish.body)))


def _result(outcome: Outcome, reply: Reply, *, now: datetime) -> CallResult:
    armed: Armed = outcome.work.payload
    receipt = outcome.result if isinstance(outcome.result, Receipt) else Receipt(sent=True)
    answer = None
    if receipt.status is not None:
        answer = seal(
            json.dumps(dict(receipt.headers or {})).encode() + b"\n" + receipt.body,
            scope=organisation_month_scope(organisation_id=armed.organisation_id, now=now),
            organisation_id=armed.organisation_id,
            context=f"call:{armed.call_id}:answer",
            now=now,
        )
    return CallResult(
        armed.call_id,
        armed.transaction_id,
        armed.interface_id,
        armed.kind,
        armed.facts.message_id,
        armed.armed_at,
        reply,
        receipt.status,
        receipt.elapsed_ms,
        answer,
    )
