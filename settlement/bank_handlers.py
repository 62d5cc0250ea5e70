"""Handlers of job kinds that talk to banks: thin shells that put the journal's phases onto the services."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from core.errors import Problem
from core.faults import fault_told
from core.ids import uuid7
from exchange.handlers import NetworkDoor
from exchange.transport import Delivery, Receipt
from journal.handlers import ClaimedJob, Disposition, Done, Later, Outcome, Parked, Work
from settlement.rails import RAILS, RailReply
from settlement.services.bank_files import STATEMENT_FETCH, statement_ask, statement_came
from settlement.services.payments import (
    Armed,
    GivenUp,
    Look,
    Nothing,
    NotNow,
    PaymentResult,
    payments_arm,
    payments_conclude,
)
from settlement.services.payouts import PAYMENT_SEND
from settlement.states import BankOutcome


class PaymentSendHandler(NetworkDoor):
    """`settlement.payment_send`: a payment until it is known what became of it.

    The guard of an armed message is the job itself: whoever finds it closes the message as unknown and asks the bank.
    """

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        by_subject = {job.subject_id: job for job in jobs}
        looks = payments_arm(payment_ids=list(by_subject), now=now, monotonic_now=monotonic_now)
        return [_item(by_subject[look.payment_id], look) for look in looks]

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        then = payments_conclude(results=[_result(outcome) for outcome in outcomes], now=now)
        return [_after(outcome.work.job, then[outcome.work.job.subject_id]) for outcome in outcomes]

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        return Parked(job, f"the payment could not be prepared: {fault_told(error)}")

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        return Parked(outcome.work.job, f"the bank's answer could not be concluded: {fault_told(error)}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for a statement: nothing is at stake, so nothing is stored of it."""

    account_id: UUID
    wire_id: str
    delivery: Delivery


class StatementFetchHandler(NetworkDoor):
    """`settlement.statement_fetch`: ask a bank for its next statement until there is none."""

    def prepare(self, jobs: Sequence[ClaimedJob], *, now: datetime, monotonic_now: float) -> list[Work | Disposition]:
        return [self._ask(job, now, monotonic_now) for job in jobs]

    def _ask(self, job: ClaimedJob, now: datetime, monotonic_now: float) -> Work:
        wire_id = uuid7(now).hex
        delivery = statement_ask(account_id=job.subject_id, wire_id=wire_id, now=now, monotonic_now=monotonic_now)
        guard_at = now + timedelta(seconds=settings.PAYMENT["deadline_seconds"] + settings.OVERDUE_AFTER_SECONDS)
        asked = Asked(job.subject_id, wire_id, delivery)
        return Work(job, asked, STATEMENT_FETCH, guard_at, delivery.start_before)

    def conclude(self, outcomes: Sequence[Outcome], *, now: datetime) -> list[Disposition]:
        return [self._concluded(outcome, now) for outcome in outcomes]

    def _concluded(self, outcome: Outcome, now: datetime) -> Disposition:
        asked: Asked = outcome.work.payload
        receipt = outcome.result if isinstance(outcome.result, Receipt) else Receipt(True, "sending_raised")
        if receipt.failure or receipt.status not in (200, 204):
            # The chore asks again.
            return Done(outcome.work.job)
        try:
            with transaction.atomic():
                more = statement_came(account_id=asked.account_id, wire_id=asked.wire_id, receipt=receipt, now=now)
        except Problem as problem:
            return Parked(outcome.work.job, f"{problem.code}: {problem}"[:500])
        return Later(outcome.work.job, now) if more else Done(outcome.work.job)

    def job_failed(self, job: ClaimedJob, error: Exception, *, now: datetime) -> Disposition:
        return Parked(job, f"the bank could not be asked: {fault_told(error)}")

    def outcome_failed(self, outcome: Outcome, error: Exception, *, now: datetime) -> Disposition:
        return Parked(outcome.work.job, f"the statement could not be taken: {fault_told(error)}")


def _item(job: ClaimedJob, look: Look) -> Work | Disposition:
    match look:
        case Armed():
            guard_at = look.deadline + timedelta(seconds=settings.OVERDUE_AFTER_SECONDS)
            return Work(job, look, PAYMENT_SEND, guard_at, look.delivery.start_before)
        case NotNow():
            return Later(job, look.until)
        case GivenUp():
            return Parked(job, look.reason)
        case Nothing():
            return Done(job)


def _after(job: ClaimedJob, then: datetime | str | None) -> Disposition:
    if then is None:
        return Done(job)
    return Parked(job, then) if isinstance(then, str) else Later(job, then)


def _result(outcome: Outcome) -> PaymentResult:
    armed: Armed = outcome.work.payload
    receipt = outcome.result
    if not isinstance(receipt, Receipt):
        reply = RailReply(BankOutcome.UNKNOWN, f"sending raised {type(outcome.error).__name__}")
        return PaymentResult(armed, reply)
    reply = RAILS[armed.rail].reply_read(receipt, transfer=armed.transfer, account=armed.account, wire_id=armed.wire_id)
    answer = None
    if receipt.status is not None:
        answer = json.dumps(dict(receipt.headers or {})).encode() + b"\n" + receipt.body
    return PaymentResult(armed, reply, receipt.status, receipt.elapsed_ms, answer)
