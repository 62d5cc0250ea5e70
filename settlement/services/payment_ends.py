"""How a payment ends: booked, definitely refused, or given back. Each moves the payment, its legs and the cash at once.

The caller has locked the payment (and, where he ends several, all of them in id order) before anything else.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from core.errors import Conflict, NotFound, Problem
from core.money import Money
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from ledger.services import (
    HoldPost,
    HoldResolved,
    HoldVoid,
    MirrorDraft,
    PostingDraft,
    credit,
    debit,
    holds_post,
    holds_void,
    postings_mirror,
    postings_write,
)
from settlement.models import BankEntry, Payment, PayoutLine, SettlementLeg
from settlement.services.legs import leg_failed, leg_paid, leg_returned, legs_lock, legs_reopen
from settlement.services.payees import payee_close
from settlement.services.payouts import LINE_CAUSE, batch_finish_if_over, book_of
from settlement.states import LegKind, LegState, PaymentState

# The bank says that there is no such account (any more): it is told anew before anything is paid to it.
ACCOUNT_GONE = ("AC01", "AC03", "AC04", "AC06")
FIELDS = ["state", "bank_reference", "value_date", "entry", "return_entry", "reason_code"]
REASON_AT_MOST = 35


class PaymentStateRefuses(Conflict):
    code = "payment_state_refuses"
    title = "Not possible with this payment now"
    detail = "Payment {message_id} is {state}: {act} is not possible."
    detail_zh = "付款 {message_id} 当前状态为 {state}，不能执行 {act}。"
    fix = "Look at the payment: what is booked or refused is not decided again."
    fix_zh = "请查看该付款；已入账或已被拒绝的付款不能重新认定。"


class PaymentNames(Problem):
    code = "payment_names"
    status = 422
    title = "Two names are needed"
    detail = "That a payment was definitely not made is said by two people and with the bank's reason."
    detail_zh = "认定付款确未支付须由两人签署，并注明银行原因。"
    fix = "Have the bank confirm it in writing, then sign it with a colleague."
    fix_zh = "请取得银行书面确认后，与同事共同签署。"


def payments_lock(payment_ids: Collection[UUID]) -> dict[UUID, Payment]:
    """These payments, locked in id order until the commit. Raises NotFound."""
    rows = Payment.objects.select_for_update(of=("self",)).select_related("payee", "account", "batch")
    found = {row.pk: row for row in rows.filter(pk__in=payment_ids).order_by("pk")}
    for payment_id in payment_ids:
        if payment_id not in found:
            raise NotFound(noun="payment", noun_zh="付款", key=payment_id)
    return found


def payment_booked(
    payment: Payment,
    *,
    evidence_id: UUID,
    reference: str,
    value_date: date,
    entry: BankEntry | None = None,
    by: str,
    now: datetime,
) -> None:
    """The bank's book has it, as a statement's `entry` or a signed answer shows. Booked once: an entry that comes after
    the answer is only remembered. Raises PaymentStateRefuses for one that was refused or has come back.
    """
    if payment.state == PaymentState.BOOKED:
        if entry is not None and payment.entry_id is None:
            payment.entry, payment.value_date = entry, value_date
            payment.moved(now=now, by=by, reason=f"on the statement as {entry.bank_reference}")
            write_many([payment], fields=FIELDS)
        return
    if payment.state not in (PaymentState.ARMED, PaymentState.SENT, PaymentState.IN_DOUBT):
        raise PaymentStateRefuses(message_id=payment.message_id, state=payment.state, act="payment.booked")
    lines = _lines(payment)
    payment.book()
    payment.entry, payment.value_date, payment.bank_reference = entry, value_date, reference
    payment.moved(now=now, by=by, reason=reference)
    write_many([payment], fields=FIELDS)
    for line in lines:
        leg_paid(
            leg_id=line.leg_id,
            amount_minor=line.amount_minor,
            evidence_id=payment.pk,
            value_date=value_date,
            by=by,
            now=now,
            trace_id=payment.trace_id,
        )
    for line in lines:
        draft = _posting(line, payment, evidence_id=evidence_id, value_date=value_date, by=by)
        line.posting_id = _posted(line, draft, now)
    PayoutLine.objects.bulk_update(lines, ["posting_id"])
    batch_finish_if_over(payment.batch_id, by=by, now=now)


def payment_rejected(payment: Payment, *, reason: str, by: str, now: datetime) -> None:
    """Definitely not paid: the cash is free, the legs are due again with the bank's reason."""
    lines = _lines(payment)
    payment.reject()
    payment.reason_code = reason[:REASON_AT_MOST]
    payment.moved(now=now, by=by, reason=reason)
    write_many([payment], fields=FIELDS)
    for line in lines:
        leg_failed(leg_id=line.leg_id, reason=reason, by=by, now=now, trace_id=payment.trace_id)
    for line in lines:
        if line.hold_id is not None:
            # One whose time ran out before the bank spoke is free already.
            with suppress(HoldResolved), transaction.atomic():
                holds_void(voids=[HoldVoid(hold_id=line.hold_id, by=by, reason=reason)], now=now)
    _due_again(payment, lines, reason=reason, by=by, now=now)
    batch_finish_if_over(payment.batch_id, by=by, now=now)


def payment_returned(payment: Payment, *, entry: BankEntry, reason: str, by: str, now: datetime) -> None:
    """The payee's bank gave it back: the cash is ours again and the legs are due again, with the bank's reason.

    Raises PaymentStateRefuses for one that is not booked.
    """
    if payment.state != PaymentState.BOOKED:
        raise PaymentStateRefuses(message_id=payment.message_id, state=payment.state, act="payment.returned")
    lines = _lines(payment)
    payment.give_back()
    payment.return_entry, payment.reason_code = entry, reason[:REASON_AT_MOST]
    payment.moved(now=now, by=by, reason=reason)
    write_many([payment], fields=FIELDS)
    for line in lines:
        leg = line.leg
        # One that was reversed or is disputed meanwhile stays so: only its money is back.
        if leg.state == LegState.PAID:
            leg_returned(
                leg_id=leg.pk,
                amount_minor=line.amount_minor,
                reason=reason,
                by=by,
                now=now,
                trace_id=payment.trace_id,
            )
    postings_mirror(
        drafts=[
            MirrorDraft(
                original_id=line.posting_id,
                kind="returned",
                evidence_id=entry.pk,
                by=by,
                reason=reason,
                trace_id=payment.trace_id,
                value_date=entry.value_date,
            )
            for line in lines
            if line.posting_id is not None
        ],
        now=now,
    )
    _due_again(payment, lines, reason=reason, by=by, now=now)


@transaction.atomic
def payment_refused_by_bank(
    *, payment_id: UUID, reason: str, seconded_by: str, by: str, now: datetime, trace_id: str
) -> Payment:
    """Two people have it from the bank that a payment in doubt was never made and never will be.

    Raises NotFound, PaymentNames, PaymentStateRefuses.
    """
    if not reason.strip() or not seconded_by or seconded_by == by:
        raise PaymentNames()
    with seen_by(EVERYTHING):
        payment = payments_lock([payment_id])[payment_id]
        if payment.state not in (PaymentState.SENT, PaymentState.IN_DOUBT):
            raise PaymentStateRefuses(message_id=payment.message_id, state=payment.state, act="payment.refused")
        payment.trace_id = trace_id
        payment_rejected(payment, reason=f"{reason} (with {seconded_by})", by=by, now=now)
    return payment


def payable_of(leg: SettlementLeg) -> str:
    """The account on which this leg is owed: the chain's, or one for all patients, as the ledger names no person."""
    return "payable:patients" if leg.kind == LegKind.THIRD else f"payable:p{leg.organisation_id}"


def _posting(line: PayoutLine, payment: Payment, *, evidence_id: UUID, value_date: date, by: str) -> PostingDraft:
    amount = Money(line.amount_minor, payment.currency)
    return PostingDraft(
        book=book_of(line.leg),
        cause_kind=LINE_CAUSE,
        cause_id=line.pk,
        kind="paid_out",
        legs=[debit(payable_of(line.leg), amount), credit("cash", amount)],
        evidence_id=evidence_id,
        by=by,
        reason=payment.message_id,
        trace_id=payment.trace_id,
        value_date=value_date,
    )


def _posted(line: PayoutLine, draft: PostingDraft, now: datetime) -> UUID:
    """Through the hold where it stands. Where its time ran out the bank has paid all the same."""
    if line.hold_id is not None:
        with suppress(HoldResolved), transaction.atomic():
            return holds_post(posts=[HoldPost(hold_id=line.hold_id, posting=draft)], now=now)[0].pk
    return postings_write(drafts=[draft], now=now)[0].pk


def _lines(payment: Payment) -> list[PayoutLine]:
    """The payment's lines with their legs, which are locked."""
    lines = list(payment.lines.order_by("leg_id"))
    legs = legs_lock([line.leg_id for line in lines])
    for line in lines:
        line.leg = legs[line.leg_id]
    return lines


def _due_again(payment: Payment, lines: list[PayoutLine], *, reason: str, by: str, now: datetime) -> None:
    legs = legs_lock([line.leg_id for line in lines])
    back = [leg.pk for leg in legs.values() if leg.state in (LegState.FAILED, LegState.RETURNED)]
    legs_reopen(leg_ids=back, reason=reason, by=by, now=now, trace_id=payment.trace_id)
    for line in lines:
        line.is_open = False
    PayoutLine.objects.bulk_update(lines, ["is_open"])
    if payment.reason_code in ACCOUNT_GONE:
        payee_close(payee_id=payment.payee_id, reason=f"the bank says {payment.reason_code}", by=by, now=now)
