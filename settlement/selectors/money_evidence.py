"""Evidence behind the postings of job B, and the message behind the evidence where there was one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from claims.selectors.claims import decisions_by_id
from exchange.selectors.money import EvidenceRead, MessageBehind
from insurers.selectors.docking import decision_messages
from settlement.models import AdvanceMove, Allocation, BankEntry, FeeCharge, Payment, PaymentMessage, PayoutLine


def advance_moves_read(*, ids: Iterable[UUID]) -> dict[UUID, EvidenceRead]:
    """Those of `ids` that are moves of an advance, with the transfer or the insurer's message that caused them."""
    moves = list(AdvanceMove.objects.filter(pk__in=list(ids)))
    causes = {move.cause_id for move in moves}
    messages = _transfers(causes) | _decisions(causes)
    return {
        move.pk: EvidenceRead(
            move.pk, f"ADVANCE_{move.kind}", move.cause, move.reason, move.at, messages.get(move.cause_id)
        )
        for move in moves
    }


def allocations_read(*, ids: Iterable[UUID]) -> dict[UUID, EvidenceRead]:
    """Those of `ids` that are allocations."""
    rows = list(Allocation.objects.filter(pk__in=list(ids)))
    messages = _transfers([row.pk for row in rows])
    return {
        row.pk: EvidenceRead(row.pk, f"ALLOCATION_{row.kind}", row.way, row.reason, row.at, messages.get(row.pk))
        for row in rows
    }


def entries_read(*, ids: Iterable[UUID]) -> dict[UUID, EvidenceRead]:
    """Those of `ids` that are lines of a bank's statement."""
    rows = BankEntry.objects.filter(pk__in=list(ids)).select_related("statement", "account")
    return {
        row.pk: EvidenceRead(row.pk, "BANK_ENTRY", row.outcome, "", row.statement.taken_at, _transfer(row))
        for row in rows
    }


def fees_read(*, ids: Iterable[UUID]) -> dict[UUID, EvidenceRead]:
    """Those of `ids` that are fees: what was agreed is their evidence."""
    rows = FeeCharge.objects.filter(pk__in=list(ids)).select_related("contract")
    return {
        row.pk: EvidenceRead(
            row.pk, "FEE", row.kind, f"contract {row.contract.number}, fee {row.rule_no}", row.charged_at, None
        )
        for row in rows
    }


def payments_read(*, ids: Iterable[UUID]) -> dict[UUID, EvidenceRead]:
    """Those of `ids` that are pay-outs or lines of one, with the last message to the bank about them."""
    wanted = list(ids)
    lines = dict(PayoutLine.objects.filter(pk__in=wanted, payment__isnull=False).values_list("pk", "payment_id"))
    by_id = {row.pk: row for row in Payment.objects.filter(pk__in=[*wanted, *lines.values()]).select_related("account")}
    last = {one.payment_id: one for one in PaymentMessage.objects.filter(payment__in=by_id).order_by("armed_at", "pk")}
    read = {}
    for one in wanted:
        payment = by_id.get(lines.get(one, one))
        if payment is not None:
            message = _payment_message(payment, last.get(payment.pk))
            read[one] = EvidenceRead(one, "PAYMENT", payment.state, payment.reason_code, payment.state_at, message)
    return read


def _payment_message(payment: Payment, message: PaymentMessage | None) -> MessageBehind | None:
    if message is None:
        return None
    return MessageBehind(
        msgid=payment.message_id,
        kind=message.kind,
        counterparty=payment.account.code,
        sent_at=message.armed_at,
        outcome=message.outcome or "",
        outcome_at=message.outcome_at,
    )


def _transfers(allocation_ids: Collection[UUID]) -> dict[UUID, MessageBehind]:
    rows = Allocation.objects.filter(pk__in=allocation_ids).select_related("entry__statement", "entry__account")
    return {row.pk: _transfer(row.entry) for row in rows}


def _transfer(entry: BankEntry) -> MessageBehind:
    return MessageBehind(
        msgid=entry.bank_reference,
        kind=f"statement {entry.statement.statement_no}",
        counterparty=entry.account.code,
        sent_at=entry.statement.taken_at,
        outcome=entry.outcome,
        outcome_at=entry.outcome_at,
    )


def _decisions(cause_ids: Collection[UUID]) -> dict[UUID, MessageBehind]:
    """The insurers' own messages; who decided in a portal sent none."""
    decisions = {row.pk: row for row in decisions_by_id(ids=cause_ids)}
    came = decision_messages(digests={row.digest for row in decisions.values() if row.digest})
    return {
        pk: MessageBehind(
            msgid=message.message_id,
            kind=f"decision {row.external_no or ''}".rstrip(),
            counterparty=message.organisation.code,
            sent_at=message.received_at,
            outcome=message.outcome,
            outcome_at=message.outcome_at,
        )
        for pk, row in decisions.items()
        if (message := came.get(row.digest)) is not None
    }
