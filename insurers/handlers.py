"""Handlers of the insurers' job kinds: thin shells that put the journal's phases onto the services."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from core.faults import fault_told
from exchange.handlers import NetworkDoor, answer_fault
from exchange.selectors.interfaces import interface_of
from exchange.transport import Receipt
from insurers.services.decisions import message_unworkable, messages_work
from insurers.services.pushes import Armed, GivenUp, Look, Nothing, NotNow, PushResult, pushes_arm, pushes_conclude
from insurers.spi.outbound import PushReply, answer_read, unknown
from insurers.states import PushOutcome
from journal.handlers import ClaimedJob, Disposition, Done, Later, Outcome, Parked, Work

CLAIM_PUSH = "insurers.claim_push"
HELD_AGAIN = timedelta(seconds=30)


class ClaimPushHandler(NetworkDoor):
    """`insurers.claim_push`: put a claim before its insurer's system until it says that it has it.

    The guard of an armed message is the job itself: whoever finds it pushes again under the same push number.
    """

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        lanes = {job.subject_id: job.lane_id for job in jobs}
        by_subject = {job.subject_id: job for job in jobs}
        looks = pushes_arm(lanes=lanes, now=now, monotonic_now=monotonic_now)
        return [_item(by_subject[look.claim_id], look) for look in looks]

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        results = [_result(outcome) for outcome in outcomes]
        then = pushes_conclude(results=results, now=now)
        return [_after(outcome.work.job, then[outcome.work.job.subject_id]) for outcome in outcomes]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        return Parked(job, f"the claim could not be pushed: {fault_told(error)}")

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        return Parked(outcome.work.job, f"the answer to a push could not be concluded: {fault_told(error)}")


class DecisionWorkHandler:
    """`insurers.decision_work`: carry out what an insurer's system told, once."""

    def conclude_jobs(self, jobs: Sequence[ClaimedJob], *, now: datetime) -> list[Disposition]:
        held = messages_work(message_keys=[job.subject_id for job in jobs], now=now)
        return [Later(job, now + HELD_AGAIN) if job.subject_id in held else Done(job) for job in jobs]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        message_unworkable(message_key=job.subject_id, fault=type(error).__name__, now=now)
        return Parked(job, f"a decision could not be worked: {fault_told(error)}")


def _item(job: ClaimedJob, look: Look) -> Work | Disposition:
    match look:
        case Armed():
            guard_at = look.deadline + timedelta(seconds=settings.OVERDUE_AFTER_SECONDS)
            return Work(job, look, CLAIM_PUSH, guard_at, look.delivery.start_before)
        case NotNow():
            return Later(job, look.until, lane_id=look.lane_id)
        case GivenUp():
            return Parked(job, look.reason)
        case Nothing():
            return Done(job)


def _after(job: ClaimedJob, then: datetime | str | None) -> Disposition:
    if then is None:
        return Done(job)
    return Parked(job, then) if isinstance(then, str) else Later(job, then)


def _result(outcome: Outcome) -> PushResult:
    armed: Armed = outcome.work.payload
    receipt = outcome.result
    if not isinstance(receipt, Receipt):
        return PushResult(armed, unknown(f"sending raised {type(outcome.error).__name__}"))
    answer = None
    if receipt.status is not None:
        answer = json.dumps(dict(receipt.headers or {})).encode() + b"\n" + receipt.body
    return PushResult(armed, _read(armed, receipt), receipt.status, receipt.elapsed_ms, answer)


def _read(armed: Armed, receipt: Receipt) -> PushReply:
    """What a receipt amounts to: only a signed answer to this very message decides anything."""
    if receipt.failure:
        return PushReply(PushOutcome.UNKNOWN if receipt.sent else PushOutcome.NOT_SENT, receipt.failure)
    if fault := answer_fault(receipt, facts=armed.facts, interface=interface_of(armed.interface_id)):
        return unknown(fault)
    return answer_read(receipt.body, msgid=armed.facts.message_id, push_no=armed.push_no, claim_no=armed.claim_no)
