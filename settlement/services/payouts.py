"""Pay-out batches: one makes, another finds good, one releases; above the contract's limit these are three people."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django_fsm import TransitionNotAllowed

from accounts.selectors import organisation_time_zone, platform_id
from accounts.services import audit_write
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.money import Money
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from journal.services import JobDraft, jobs_add
from ledger.services import BookKey, BookKind, HoldDraft, Side, holds_place
from settlement.models import BankAccount, PayeeAccount, Payment, PayoutBatch, PayoutLine, SettlementLeg
from settlement.rails import RAILS, Transfer
from settlement.selectors.contracts import contract_on
from settlement.services.bank_accounts import rail_account
from settlement.services.legs import ALPHABET, legs_approve, legs_lock, legs_reopen, legs_send
from settlement.services.payees import payee_facts, payee_for
from settlement.states import BatchState, LegKind, PaymentState

PAYMENT_SEND: Final = "settlement.payment_send"
PAID_OUT = (LegKind.SECOND, LegKind.THIRD)
LEGS_AT_MOST = 500
CASH_HELD = timedelta(days=400)
LINE_CAUSE = "payout_line"


class BatchRefused(Problem):
    code = "payout_batch_refused"
    status = 422
    title = "No batch can be made of these"
    detail = "{explanation}."
    detail_zh = "不能组成付款批次：{explanation_zh}。"
    fix = "Choose other legs; nothing was changed."
    fix_zh = "请重新选择款项；未作任何更改。"


class BatchNames(Conflict):
    code = "payout_batch_names"
    title = "Another name is needed"
    detail = (
        "Batch {batch_no} needs {names_needed} different names; {by} has signed it already or a checker is missing."
    )
    detail_zh = "付款批次 {batch_no} 需要 {names_needed} 个不同的人签署；{by} 已签署，或尚缺复核人。"
    fix = "Ask a colleague who has not signed it; above the limit it is checked before it is released."
    fix_zh = "请由尚未签署的同事处理；超过限额的批次须先复核再放行。"


class BatchStateRefuses(Conflict):
    code = "payout_batch_state_refuses"
    title = "Not possible with this batch now"
    detail = "Batch {batch_no} is {state}: {act} is not possible."
    detail_zh = "付款批次 {batch_no} 当前状态为 {state}，不能执行 {act}。"
    fix = "Look at the batch: a released one is not taken back, its payments are followed."
    fix_zh = "请查看该批次；已放行的批次不能撤回，请跟踪其付款。"


class PayeeChanged(Conflict):
    code = "payee_changed"
    title = "The payee's account has changed since the batch was made"
    detail = "Leg {leg_no} of batch {batch_no} is to go to an account that is no longer the payee's."
    detail_zh = "批次 {batch_no} 中款项 {leg_no} 的收款账户已不是收款人当前账户。"
    fix = "Cancel the batch and make it anew."
    fix_zh = "请取消该批次后重新制单。"


@transaction.atomic
def batch_make(*, leg_ids: Collection[UUID], by: str, now: datetime, trace_id: str) -> PayoutBatch:
    """The legs become APPROVED, all or none, for the accounts that their payees have now.

    Raises BatchRefused, ContractMissing, LegStateRefuses, NotFound, PayeeMissing, PayeeRests.
    """
    if not 0 < len(set(leg_ids)) <= LEGS_AT_MOST:
        raise BatchRefused(
            explanation=f"1 to {LEGS_AT_MOST} legs make a batch", explanation_zh=f"须为 1–{LEGS_AT_MOST} 笔"
        )
    with seen_by(EVERYTHING):
        legs = legs_approve(leg_ids=sorted(set(leg_ids)), by=by, now=now, trace_id=trace_id)
        account = _account_for(legs)
        payees = {leg.pk: _payee(leg, now) for leg in legs}
        total = sum(leg.amount_minor - leg.settled_minor for leg in legs)
        batch = PayoutBatch(
            id=uuid7(now),
            batch_no=f"B{now:%y%m%d}-" + "".join(secrets.choice(ALPHABET) for _ in range(6)),
            organisation_id=platform_id(),
            account=account,
            currency=account.currency,
            amount_minor=total,
            names_needed=_names_needed(legs, total, now),
            made_by=by,
            created_at=now,
            state_at=now,
            state_by=by,
            trace_id=trace_id,
        )
        batch.save(force_insert=True)
        PayoutLine.objects.bulk_create(
            PayoutLine(
                id=uuid7(now),
                batch=batch,
                leg=leg,
                payee=payees[leg.pk],
                amount_minor=leg.amount_minor - leg.settled_minor,
            )
            for leg in legs
        )
        _audit(batch, "payout_batch.made", by, now)
    return batch


@transaction.atomic
def batch_check(*, batch_id: UUID, by: str, now: datetime, trace_id: str) -> PayoutBatch:
    """Found good by another than its maker.

    Raises BatchNames, BatchStateRefuses, NotFound, PayeeChanged, PayeeRests.
    """
    with seen_by(EVERYTHING):
        batch = _locked(batch_id)
        if by == batch.made_by:
            raise BatchNames(batch_no=batch.batch_no, names_needed=batch.names_needed, by=by)
        _payees_check(batch, now)
        batch.checked_by = by
        _move(batch, batch.find_good, "payout_batch.checked", by=by, now=now, trace_id=trace_id)
    return batch


@transaction.atomic
def batch_cancel(*, batch_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> PayoutBatch:
    """Not paid: its legs are due again. Raises BatchStateRefuses, NotFound."""
    with seen_by(EVERYTHING):
        batch = _locked(batch_id)
        _move(batch, batch.cancel, "payout_batch.cancelled", by=by, now=now, trace_id=trace_id, reason=reason)
        lines = list(batch.lines.order_by("pk"))
        # A leg may have left the batch by a dispute or a reversal: what is not APPROVED stays as it is.
        approved = [leg.pk for leg in legs_lock([line.leg_id for line in lines]).values() if leg.state == "APPROVED"]
        legs_reopen(leg_ids=approved, reason=reason, by=by, now=now, trace_id=trace_id)
        batch.lines.update(is_open=False)
    return batch


@transaction.atomic
def batch_release(*, batch_id: UUID, by: str, now: datetime, trace_id: str) -> PayoutBatch:
    """The cash is held, the legs are IN_PAYMENT and each payment is armed, in one commit: then it is the worker's.

    Raises BatchNames, BatchStateRefuses, LegStateRefuses, LimitExceeded (not so much cash), NotFound, PayeeChanged,
    PayeeRests.
    """
    with seen_by(EVERYTHING):
        batch = _locked(batch_id)
        if by == batch.made_by or (batch.names_needed > 2 and by in ("", batch.checked_by)):
            raise BatchNames(batch_no=batch.batch_no, names_needed=batch.names_needed, by=by)
        if batch.names_needed > 2 and not batch.checked_by:
            raise BatchNames(batch_no=batch.batch_no, names_needed=batch.names_needed, by=by)
        payees = _payees_check(batch, now)
        batch.released_by = by
        _move(batch, batch.release, "payout_batch.released", by=by, now=now, trace_id=trace_id)
        lines = list(batch.lines.select_related("leg").order_by("pk"))
        legs_send(leg_ids=[line.leg_id for line in lines], by=by, now=now, trace_id=trace_id)
        _cash_hold(batch, lines, by=by, now=now, trace_id=trace_id)
        payments = _payments_arm(batch, lines, payees, by=by, now=now, trace_id=trace_id)
        if RAILS[batch.account.rail].is_online and batch.account.lane_id is not None:
            jobs_add(
                drafts=[
                    JobDraft(
                        kind=PAYMENT_SEND,
                        lane_id=batch.account.lane_id,
                        organisation_id=batch.organisation_id,
                        subject_id=payment.pk,
                        run_at=now,
                        trace_id=trace_id,
                    )
                    for payment in payments
                ],
                now=now,
            )
    return batch


@transaction.atomic
def batch_file(*, batch_id: UUID, by: str, now: datetime, trace_id: str) -> bytes:
    """The pain.001 of a released batch for a bank that is given files. From here on nobody knows whether the bank has
    it: its payments are in doubt until a statement shows them. The same batch gives the same bytes each time.

    Raises BatchStateRefuses, NotFound, TransferUnfit.
    """
    with seen_by(EVERYTHING):
        batch = _locked(batch_id)
        payments = list(batch.payments.select_for_update().select_related("payee").order_by("pk"))
        if not payments:
            raise BatchStateRefuses(batch_no=batch.batch_no, state=batch.state, act="payout_batch.file")
        account = rail_account(batch.account)
        raw = RAILS[batch.account.rail].file(
            [transfer_of(payment) for payment in payments],
            file_id=batch.batch_no,
            account=account,
            now=payments[0].created_at,
        )
        armed = [payment for payment in payments if payment.state == PaymentState.ARMED]
        for payment in armed:
            payment.doubt()
            payment.sends += 1
            payment.moved(now=now, by=by, reason="handed out as a file")
        write_many(armed, fields=["state", "sends"])
        _audit(batch, "payout_batch.file_taken", by, now)
    return raw


def batch_finish_if_over(batch_id: UUID, *, by: str, now: datetime) -> None:
    """A released batch with no payment that may still pay is done. The caller has written its payment's end."""
    batch = PayoutBatch.objects.select_for_update().get(pk=batch_id)
    running = batch.payments.filter(state__in=(PaymentState.ARMED, PaymentState.SENT, PaymentState.IN_DOUBT))
    if batch.state == BatchState.RELEASED and not running.exists():
        batch.finish()
        batch.moved(now=now, by=by, reason="all its payments have ended")
        write_many([batch], fields=["state"])


def transfer_of(payment: Payment) -> Transfer:
    """The payment in the words of a rail; equal each time it is built."""
    payee = payee_facts(payment.payee)
    legs = list(payment.lines.order_by("pk").values_list("leg__leg_no", flat=True)[:5])
    return Transfer(
        message_id=payment.message_id,
        payee_name=payee.holder,
        payee_account=payee.number,
        payee_bank=payee.bank_code,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        remittance=" ".join(legs)[:140],
        execute_on=payment.created_at.date(),
    )


def book_of(leg: SettlementLeg) -> BookKey:
    """The platform's own money with the insurer for whom this leg is paid."""
    return BookKey(platform_id(), leg.insurer_id, BookKind.ADVANCE)


def _account_for(legs: Sequence[SettlementLeg]) -> BankAccount:
    if any(leg.kind not in PAID_OUT for leg in legs):
        raise BatchRefused(
            explanation="only legs to pharmacies and patients are paid out", explanation_zh="仅可支付药店或患者的款项"
        )
    currencies = {leg.currency for leg in legs}
    if len(currencies) > 1:
        raise BatchRefused(explanation="one batch is in one currency", explanation_zh="同一批次须为同一币种")
    (currency,) = currencies
    account = BankAccount.objects.filter(currency=currency, closed_at__isnull=True).first()
    if account is None:
        raise BatchRefused(
            explanation=f"the platform has no account in {currency}", explanation_zh=f"平台没有 {currency} 账户"
        )
    return account


def _payee(leg: SettlementLeg, now: datetime) -> PayeeAccount:
    terms = contract_on(organisation_id=leg.insurer_id, on=_day(now)).terms
    return payee_for(
        organisation_id=None if leg.kind == LegKind.THIRD else leg.organisation_id,
        person_id=leg.person_id if leg.kind == LegKind.THIRD else None,
        currency=leg.currency,
        leg_no=leg.leg_no,
        rests_hours=terms.payee_rests_hours,
        now=now,
    )


def _payees_check(batch: PayoutBatch, now: datetime) -> dict[UUID, PayeeAccount]:
    payees = {}
    for line in batch.lines.select_related("leg").order_by("pk"):
        payee = _payee(line.leg, now)
        if payee.pk != line.payee_id:
            raise PayeeChanged(leg_no=line.leg.leg_no, batch_no=batch.batch_no)
        payees[payee.pk] = payee
    return payees


def _names_needed(legs: Sequence[SettlementLeg], total: int, now: datetime) -> int:
    insurers = {leg.insurer_id for leg in legs}
    above = min(contract_on(organisation_id=one, on=_day(now)).terms.three_names_above_minor for one in insurers)
    return 3 if total > above else 2


def _day(now: datetime) -> date:
    return now.astimezone(ZoneInfo(organisation_time_zone(platform_id()))).date()


def _cash_hold(batch: PayoutBatch, lines: Sequence[PayoutLine], *, by: str, now: datetime, trace_id: str) -> None:
    holds = holds_place(
        drafts=[
            HoldDraft(
                book=book_of(line.leg),
                account="cash",
                side=Side.CREDIT,
                amount=Money(line.amount_minor, batch.currency),
                cause_kind=LINE_CAUSE,
                cause_id=line.pk,
                kind="pay_out",
                expires_at=now + CASH_HELD,
                by=by,
                reason=batch.batch_no,
                trace_id=trace_id,
            )
            for line in lines
        ],
        now=now,
    )
    for line, hold in zip(lines, holds, strict=True):
        line.hold_id = hold.pk


def _payments_arm(
    batch: PayoutBatch,
    lines: Sequence[PayoutLine],
    payees: dict[UUID, PayeeAccount],
    *,
    by: str,
    now: datetime,
    trace_id: str,
) -> list[Payment]:
    groups: dict[tuple[UUID, UUID | None], list[PayoutLine]] = defaultdict(list)
    each = RAILS[batch.account.rail].one_leg_each
    for line in lines:
        groups[line.payee_id, line.pk if each else None].append(line)
    payments = []
    for (payee_id, _), group in groups.items():
        payment_id = uuid7(now)
        payments.append(
            Payment(
                id=payment_id,
                message_id=f"MSP{payment_id.hex.upper()}"[:35],
                organisation_id=batch.organisation_id,
                batch=batch,
                account=batch.account,
                payee=payees[payee_id],
                amount_minor=sum(line.amount_minor for line in group),
                currency=batch.currency,
                created_at=now,
                state_at=now,
                state_by=by,
                trace_id=trace_id,
            )
        )
        for line in group:
            line.payment = payments[-1]
    Payment.objects.bulk_create(payments)
    PayoutLine.objects.bulk_update(lines, ["payment", "hold_id"])
    return payments


def _move(
    batch: PayoutBatch,
    step: Callable[[], None],
    act: str,
    *,
    by: str,
    now: datetime,
    trace_id: str,
    reason: str = "",
) -> None:
    state = batch.state
    try:
        step()
    except TransitionNotAllowed:
        raise BatchStateRefuses(batch_no=batch.batch_no, state=state, act=act) from None
    batch.trace_id = trace_id
    batch.moved(now=now, by=by, reason=reason)
    write_many([batch], fields=["state", "checked_by", "released_by", "trace_id"])
    _audit(batch, act, by, now)


def _locked(batch_id: UUID) -> PayoutBatch:
    batch = PayoutBatch.objects.select_for_update(of=("self",)).select_related("account").filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(noun="pay-out batch", noun_zh="付款批次", key=batch_id)
    return batch


def _audit(batch: PayoutBatch, action: str, by: str, now: datetime) -> None:
    audit_write(actor=by, organisation_id=batch.organisation_id, action=action, subject=batch.batch_no, now=now)
