"""Handlers of job A's job kinds: thin shells that put the journal's phases onto the services."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from core.crypto import organisation_month_scope, seal
from core.faults import fault_told
from exchange.breaker import Breaker
from exchange.dialects import DIALECTS
from exchange.envelopes import ENVELOPES
from exchange.envelopes.hmac_envelope import EnvelopeBroken
from exchange.kinds import OVERDUE, RESOLVE
from exchange.masking import masked_text, personal_values
from exchange.messages import Reply, untrusted
from exchange.selectors.interfaces import interface_of
from exchange.services.conclude import CallResult, calls_conclude, transaction_unconcluded, transactions_overdue
from exchange.services.send import Armed, Ended, Waiting, transaction_cannot_be_built, transactions_arm
from exchange.states import CallOutcome, TransactionState
from exchange.transport import Receipt, Transport
from journal.handlers import RESOLVE as RESOLVE_PRIORITY
from journal.handlers import ClaimedJob, Disposition, Done, Later, Outcome, Parked, Work


class SendHandler:
    """`exchange.send`: the first and only sending of a wish."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.breaker = Breaker()

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        by_subject = {job.subject_id: job for job in jobs}
        results = transactions_arm(
            transaction_ids=list(by_subject), now=now, monotonic_now=monotonic_now, breaker=self.breaker
        )
        items: list[Work | Disposition] = []
        for result in results:
            job = by_subject[result.transaction_id]
            match result:
                case Armed():
                    guard_at = result.deadline + timedelta(seconds=settings.OVERDUE_AFTER_SECONDS)
                    items.append(Work(job, result, OVERDUE, guard_at, result.delivery.start_before))
                case Waiting():
                    items.append(Later(job, result.until))
                case Ended():
                    items.append(Done(job))
        return items

    async def perform(self, work: Work) -> Receipt:
        armed: Armed = work.payload
        return await self.transport.deliver(armed.delivery)

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
        try:
            reply = _read(outcome)
        except Exception as worse:
            reply = untrusted(f"it could not be read: {type(worse).__name__}")
        transaction_unconcluded(result=_result(outcome, reply, now=now), now=now)
        return Parked(outcome.work.job, f"outcome could not be concluded: {fault_told(error)}")

    async def close(self) -> None:
        await self.transport.close()


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
    if receipt.status != 200:
        return untrusted(f"HTTP status {receipt.status}")
    interface = interface_of(armed.interface_id)
    try:
        ENVELOPES[interface.envelope].open(
            receipt.body,
            receipt.headers or {},
            facts=armed.facts,
            secrets=dict(interface.keys),
            # Fresh when it came in: how long it then waited for our database does not matter.
            now=armed.facts.sent_at + timedelta(milliseconds=receipt.elapsed_ms),
        )
    except EnvelopeBroken as broken:
        return untrusted(str(broken))
    reply = DIALECTS[interface.dialect].read(armed.kind, armed.wish, msgid=armed.facts.message_id, body=receipt.body)
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
        armed.facts.message_id,
        reply,
        receipt.status,
        receipt.elapsed_ms,
        answer,
    )
