"""A payment on its way: stored, committed, then sent; without an answer asked about, never sent blindly.

Only a bank that takes one message id once may be sent it again, and only after it has said, when it could no longer be
under way, that it does not know it. Everything else that nobody can tell is a person's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from core.crypto import seal
from core.ids import uuid7
from core.transitions import write_many
from exchange.transport import Delivery
from registry.services.persons import person_seal
from settlement.models import Payment, PaymentMessage
from settlement.rails import RAILS, RailAccount, RailReply, Transfer, TransferUnfit
from settlement.services.bank_accounts import SCOPE, rail_account
from settlement.services.payment_ends import payment_booked, payment_rejected, payments_lock
from settlement.services.payouts import transfer_of
from settlement.states import BankMessageKind, BankOutcome, PaymentState

BY: Final = "bank"
P = PaymentState
ENDED = (P.BOOKED, P.REJECTED, P.RETURNED)


@dataclass(frozen=True, slots=True)
class Armed:
    """A message that is committed with this value's owner and may then be sent, once, by this process."""

    payment_id: UUID
    message_id: UUID
    rail: str
    account: RailAccount
    transfer: Transfer
    wire_id: str
    deadline: datetime
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is to be said to the bank (any more)."""

    payment_id: UUID


@dataclass(frozen=True, slots=True)
class NotNow:
    payment_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A person's."""

    payment_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class PaymentResult:
    """What one message brought: the reply in our words, and what is kept of the wire."""

    armed: Armed
    reply: RailReply
    http_status: int | None = None
    elapsed_ms: int = 0
    answer: bytes | None = None


Look = Armed | Nothing | NotNow | GivenUp


def payments_arm(*, payment_ids: Sequence[UUID], now: datetime, monotonic_now: float) -> list[Look]:
    """For each payment: the message to send, or why none. Needs a transaction.

    `monotonic_now` was read before the transaction began.
    """
    payments = payments_lock(payment_ids)
    return [_look(payments[payment_id], now, monotonic_now) for payment_id in payment_ids]


def _look(payment: Payment, now: datetime, monotonic_now: float) -> Look:
    if payment.state in ENDED or not RAILS[payment.account.rail].is_online:
        return Nothing(payment.pk)
    _open_message_close(payment, now)
    if payment.sends + payment.queries > len(settings.PAYMENT["ladder"]):
        return GivenUp(payment.pk, f"{payment.message_id} is not known to be paid at the end of its ladder")
    if payment.account.lane is not None and payment.account.lane.paused_at is not None and payment.state == P.ARMED:
        return NotNow(payment.pk, now + timedelta(seconds=settings.PAYMENT["deadline_seconds"]))
    kind = _what_to_say(payment, now)
    if kind == BankMessageKind.SEND and _sent(payment) >= settings.PAYMENT["sends_at_most"]:
        return GivenUp(payment.pk, f"{payment.message_id} was sent {_sent(payment)} times and the bank knows none")
    if kind == BankMessageKind.SEND and payment.state == P.IN_DOUBT and not payment.account.is_idempotent:
        return GivenUp(payment.pk, f"the bank does not know {payment.message_id} and may not be sent it twice")
    try:
        return _arm(payment, kind, now, monotonic_now)
    except TransferUnfit as unfit:
        if payment.state != P.ARMED:
            raise
        payment_rejected(payment, reason=f"unfit: {unfit.fields.get('place')}", by=BY, now=now)
        return Nothing(payment.pk)


def _open_message_close(payment: Payment, now: datetime) -> None:
    """A message whose process never concluded it: what it brought is unknown for ever, and so is the payment."""
    closed = PaymentMessage.objects.filter(payment=payment, outcome__isnull=True).update(
        outcome=BankOutcome.UNKNOWN, outcome_at=now, outcome_reason="nobody concluded it"
    )
    if closed and payment.state == P.ARMED:
        _doubt(payment, "nobody concluded its sending", now)


def _doubt(payment: Payment, reason: str, now: datetime) -> None:
    payment.doubt()
    payment.moved(now=now, by=BY, reason=reason)
    write_many([payment], fields=["state"])


def _what_to_say(payment: Payment, now: datetime) -> BankMessageKind:
    """SEND while nothing was sent, and again once the bank, after its quiet time, said that it knows nothing."""
    if payment.state == P.ARMED:
        return BankMessageKind.SEND
    quiet_at = quiet_end(payment)
    last = payment.messages.order_by("-armed_at", "-pk").first()
    if (
        payment.state == P.IN_DOUBT
        and last is not None
        and (last.kind, last.outcome) == (BankMessageKind.QUERY, BankOutcome.NOT_FOUND)
        and last.armed_at >= quiet_at
        and now >= quiet_at
    ):
        return BankMessageKind.SEND
    return BankMessageKind.QUERY


def _sent(payment: Payment) -> int:
    """How often it may have reached the bank."""
    return payment.messages.filter(kind=BankMessageKind.SEND).exclude(outcome=BankOutcome.NOT_SENT).count()


def quiet_end(payment: Payment) -> datetime:
    """From then on the bank takes no message any more that was sent before."""
    began = payment.deadline or payment.created_at
    return began + timedelta(seconds=payment.account.quiet_seconds)


def _arm(payment: Payment, kind: BankMessageKind, now: datetime, monotonic_now: float) -> Armed:
    rail, account, transfer = RAILS[payment.account.rail], rail_account(payment.account), transfer_of(payment)
    message_id = uuid7(now)
    wire_id = message_id.hex
    build = rail.send if kind == BankMessageKind.SEND else rail.query
    message = build(transfer, account=account, wire_id=wire_id, now=now)
    seconds = float(settings.PAYMENT["deadline_seconds"])
    deadline = now + timedelta(seconds=seconds)
    PaymentMessage.objects.create(
        id=message_id,
        payment=payment,
        organisation_id=payment.organisation_id,
        kind=kind,
        armed_at=now,
        deadline=deadline,
        sealed_request=_sealed(payment, _raw(message.headers, message.body), f"{message_id}:request", now),
    )
    if kind == BankMessageKind.SEND:
        payment.sends, payment.deadline = payment.sends + 1, deadline
    else:
        payment.queries += 1
    payment.moved(now=now, by=BY, reason=f"{kind} {wire_id}")
    write_many([payment], fields=["sends", "queries", "deadline"])
    return Armed(
        payment_id=payment.pk,
        message_id=message_id,
        rail=payment.account.rail,
        account=account,
        transfer=transfer,
        wire_id=wire_id,
        deadline=deadline,
        delivery=Delivery(
            url=message.url,
            headers=message.headers,
            body=message.body,
            start_before=monotonic_now + settings.SEND_WITHIN_SECONDS,
            give_up_at=monotonic_now + seconds,
            media=message.media,
        ),
    )


def payments_conclude(*, results: Sequence[PaymentResult], now: datetime) -> dict[UUID, datetime | str | None]:
    """Write what the messages brought; per payment None: done, a moment: look again then, a text: a person's."""
    payments = payments_lock([result.armed.payment_id for result in results])
    return {result.armed.payment_id: _conclude(payments[result.armed.payment_id], result, now) for result in results}


def _conclude(payment: Payment, result: PaymentResult, now: datetime) -> datetime | str | None:
    _outcome_write(payment, result, now)
    if payment.state in ENDED:
        return None
    reply = result.reply
    match reply.outcome:
        case BankOutcome.BOOKED | BankOutcome.RETURNED if reply.value_date is not None:
            # What came back is booked first; that it came back is the statement's to say.
            payment_booked(
                payment,
                evidence_id=payment.pk,
                reference=reply.bank_reference,
                value_date=reply.value_date,
                by=BY,
                now=now,
            )
            return None
        case BankOutcome.REFUSED:
            payment_rejected(payment, reason=reply.reason or "refused", by=BY, now=now)
            return None
        case BankOutcome.TAKEN if payment.state != P.SENT:
            payment.taken()
            payment.bank_reference = reply.bank_reference
            payment.moved(now=now, by=BY, reason=reply.bank_reference)
            write_many([payment], fields=["state", "bank_reference"])
        case BankOutcome.NOT_FOUND if payment.state == P.SENT:
            return f"the bank took {payment.message_id} and does not know it any more"
        case BankOutcome.UNKNOWN if payment.state == P.ARMED:
            _doubt(payment, reply.reason or "no answer", now)
    return _next_look(payment, reply, now)


def _next_look(payment: Payment, reply: RailReply, now: datetime) -> datetime | str:
    ladder = settings.PAYMENT["ladder"]
    step = payment.sends + payment.queries
    if step > len(ladder):
        return f"{payment.message_id} is not known to be paid at the end of its ladder"
    again = now + timedelta(seconds=ladder[step - 1])
    # A bank that does not know it is asked once more when it would know it for certain, not for ever in between.
    return max(again, quiet_end(payment)) if reply.outcome == BankOutcome.NOT_FOUND else again


def _outcome_write(payment: Payment, result: PaymentResult, now: datetime) -> None:
    message_id = result.armed.message_id
    answer = None
    if result.answer is not None:
        answer = _sealed(payment, result.answer, f"{message_id}:answer", now)
    PaymentMessage.objects.filter(pk=message_id, outcome__isnull=True).update(
        outcome=result.reply.outcome,
        outcome_at=now,
        outcome_reason=result.reply.reason[:300],
        http_status=result.http_status,
        elapsed_ms=result.elapsed_ms,
        sealed_answer=answer,
    )


def _sealed(payment: Payment, plain: bytes, what: str, now: datetime) -> bytes:
    """Under the key of whose name is in it: the person's, or the platform's for organisations."""
    context = f"payment_message:{what}"
    if payment.payee.person_id is not None:
        return person_seal(plain, person_id=payment.payee.person_id, context=context, now=now)
    return seal(plain, scope=SCOPE, organisation_id=payment.organisation_id, context=context, now=now)


def _raw(headers: Mapping[str, str], body: bytes) -> bytes:
    return json.dumps(dict(headers)).encode() + b"\n" + body
