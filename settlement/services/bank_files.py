"""Bank statements: taken once, in the bank's order, without a gap; our payments on them are booked or come back.

Credits that are no returns stay NEW: whose they are is for collections.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.selectors import organisation_of_name
from core.crypto import seal
from core.errors import Conflict, NotFound, Problem
from core.ids import new_trace_id, uuid7
from core.row_security import EVERYTHING, seen_by
from exchange.transport import Delivery, Receipt
from journal.services import JobDraft, jobs_add
from settlement.models import BankAccount, BankEntry, BankStatement, Payment
from settlement.rails import RAILS, EntryRead, StatementRead, statement_read
from settlement.services.bank_accounts import SCOPE, rail_account
from settlement.services.payment_ends import PaymentStateRefuses, payment_booked, payment_returned, payments_lock
from settlement.states import Direction, EntryOutcome, StatementFormat

logger = logging.getLogger(__name__)
STATEMENT_FETCH: Final = "settlement.statement_fetch"
BY: Final = "bank"


class StatementTaken(Conflict):
    code = "statement_taken"
    title = "This statement was taken before"
    detail = "Statement {statement_no} of account {account} was taken at {taken_at}; nothing was booked again."
    detail_zh = "账户 {account} 的对账单 {statement_no} 已于 {taken_at} 导入，未重复入账。"
    fix = "Take the next statement of the account."
    fix_zh = "请导入该账户的下一份对账单。"


class StatementOfAnother(Problem):
    code = "statement_of_another_account"
    status = 422
    title = "The statement is of another account"
    detail = "The file is of an account ending in {tail} in {currency}; account {account} is kept in {ours}."
    detail_zh = "文件属于尾号 {tail}、币种 {currency} 的账户；账户 {account} 的币种为 {ours}。"
    fix = "Choose the account that the file belongs to; nothing was stored."
    fix_zh = "请选择文件所属账户；未保存任何内容。"


class StatementGap(Conflict):
    code = "statement_gap"
    title = "A statement is missing before this one"
    detail = (
        "Statement {statement_no} opens at {opening_minor}; the last one taken closed at {closing_minor} (minor units)."
    )
    detail_zh = (
        "对账单 {statement_no} 期初为 {opening_minor}，上一份期末为 {closing_minor}（最小货币单位），中间缺少对账单。"
    )
    fix = "Take the statements in the bank's order; ask the bank for the one that is missing."
    fix_zh = "请按银行顺序导入，并向银行索取缺失的对账单。"


class EntryTaken(Conflict):
    code = "bank_entry_taken"
    title = "An entry of this statement was taken before"
    detail = "Entry {bank_reference} is on statement {statement_no} already; nothing was stored."
    detail_zh = "流水 {bank_reference} 已在对账单 {statement_no} 中；未保存任何内容。"
    fix = "Ask the bank which of the two statements is right."
    fix_zh = "请向银行确认哪一份对账单正确。"


@transaction.atomic
def statement_take(*, account_id: UUID, raw: bytes, format: StatementFormat, by: str, now: datetime) -> BankStatement:
    """Store the statement and work its entries, all or nothing.

    Raises EntryTaken, NotFound, StatementGap, StatementOfAnother, StatementTaken, StatementUnreadable.
    """
    with seen_by(EVERYTHING):
        account = BankAccount.objects.select_for_update().filter(pk=account_id).first()
        if account is None:
            raise NotFound(noun="bank account", noun_zh="银行账户", key=account_id)
        digest = hashlib.sha256(raw).digest()
        _new_check(account, Q(file_sha256=digest))
        read = statement_read(raw, format=format)
        if (read.account_no, read.currency) != (account.account_no, account.currency):
            raise StatementOfAnother(
                tail=read.account_no[-4:], currency=read.currency, account=account.code, ours=account.currency
            )
        _new_check(account, Q(account=account, statement_no=read.statement_no))
        last = account.statements.filter(followed_by__isnull=True).first()
        if last is not None and last.closing_minor != read.opening_minor:
            raise StatementGap(
                statement_no=read.statement_no, opening_minor=read.opening_minor, closing_minor=last.closing_minor
            )
        statement = _statement(account, read, raw, digest, last, by, now)
        entries = _entries(statement, account, read.entries, now)
        _payments_work(entries, now)
    return statement


def _new_check(account: BankAccount, same: Q) -> None:
    known = BankStatement.objects.filter(same).first()
    if known is not None:
        raise StatementTaken(
            statement_no=known.statement_no,
            account=account.code,
            taken_at=known.taken_at.isoformat(timespec="minutes"),
        )


def _statement(
    account: BankAccount,
    read: StatementRead,
    raw: bytes,
    digest: bytes,
    last: BankStatement | None,
    by: str,
    now: datetime,
) -> BankStatement:
    statement_id = uuid7(now)
    statement = BankStatement(
        id=statement_id,
        account=account,
        follows=last,
        statement_no=read.statement_no,
        format=read.format,
        file_sha256=digest,
        sealed_file=_sealed(raw, account, f"bank_statement:{statement_id}", now),
        currency=read.currency,
        opening_minor=read.opening_minor,
        closing_minor=read.closing_minor,
        first_day=read.first_day,
        last_day=read.last_day,
        taken_at=now,
        taken_by=by,
    )
    statement.save(force_insert=True)
    return statement


def _entries(
    statement: BankStatement, account: BankAccount, lines: Sequence[EntryRead], now: datetime
) -> list[BankEntry]:
    references = [line.bank_reference for line in lines]
    doubled = {one for one in references if references.count(one) > 1} if len(set(references)) < len(lines) else set()
    known = BankEntry.objects.select_related("statement").filter(account=account, bank_reference__in=references).first()
    if known is not None or doubled:
        raise EntryTaken(
            bank_reference=known.bank_reference if known is not None else min(doubled),
            statement_no=known.statement.statement_no if known is not None else statement.statement_no,
        )
    return BankEntry.objects.bulk_create(
        _entry(statement, account, number, line, now) for number, line in enumerate(lines, 1)
    )


def _entry(statement: BankStatement, account: BankAccount, number: int, line: EntryRead, now: datetime) -> BankEntry:
    entry_id = uuid7(now)
    other = json.dumps({"name": line.counterparty_name, "account": line.counterparty_account}).encode()
    is_known = bool(line.counterparty_name) and organisation_of_name(name=line.counterparty_name) is not None
    return BankEntry(
        id=entry_id,
        statement=statement,
        account=account,
        line_no=number,
        bank_reference=line.bank_reference,
        direction=line.direction,
        amount_minor=line.amount_minor,
        currency=line.currency,
        value_date=line.value_date,
        remittance=line.remittance,
        counterparty_name=line.counterparty_name if is_known else "",
        sealed_counterparty=_sealed(other, account, f"bank_entry:{entry_id}", now),
        end_to_end_id=line.end_to_end_id,
        return_code=line.return_code,
    )


def _sealed(plain: bytes, account: BankAccount, context: str, now: datetime) -> bytes:
    return seal(plain, scope=SCOPE, organisation_id=account.organisation_id, context=context, now=now)


def _payments_work(entries: Sequence[BankEntry], now: datetime) -> None:
    """Debits first: what came back on the same statement was booked on it."""
    names = {entry.end_to_end_id for entry in entries if entry.end_to_end_id}
    ids = Payment.objects.filter(message_id__in=names).values_list("pk", flat=True)
    payments = {payment.message_id: payment for payment in payments_lock(sorted(ids)).values()}
    for entry in sorted(entries, key=lambda one: (one.direction == Direction.CREDIT, one.line_no)):
        payment = payments.get(entry.end_to_end_id)
        if entry.direction == Direction.DEBIT:
            _set(entry, EntryOutcome.PAYMENT if _books(entry, payment, now) else EntryOutcome.UNMATCHED, now)
        elif payment is not None and _gives_back(entry, payment, now):
            _set(entry, EntryOutcome.RETURN, now)


def _books(entry: BankEntry, payment: Payment | None, now: datetime) -> bool:
    if payment is None or not _is_of(entry, payment) or payment.entry_id is not None:
        return False
    try:
        payment_booked(
            payment,
            evidence_id=entry.pk,
            reference=entry.bank_reference,
            value_date=entry.value_date,
            entry=entry,
            by=BY,
            now=now,
        )
    except PaymentStateRefuses:
        # Refused by the bank, and on its statement: somebody asks the bank which of the two is true.
        logger.error("payment %s is %s and on a statement", payment.message_id, payment.state)
        return False
    return True


def _gives_back(entry: BankEntry, payment: Payment, now: datetime) -> bool:
    if not _is_of(entry, payment):
        return False
    try:
        payment_returned(payment, entry=entry, reason=entry.return_code or "unstated", by=BY, now=now)
    except PaymentStateRefuses:
        logger.error("payment %s is %s and came back", payment.message_id, payment.state)
        return False
    return True


def _is_of(entry: BankEntry, payment: Payment) -> bool:
    return (entry.account_id, entry.amount_minor, entry.currency) == (
        payment.account_id,
        payment.amount_minor,
        payment.currency,
    )


def _set(entry: BankEntry, outcome: EntryOutcome, now: datetime) -> None:
    entry.outcome, entry.outcome_at = outcome, now
    entry.allocated_minor = 0 if outcome == EntryOutcome.UNMATCHED else entry.amount_minor
    entry.save(update_fields=["outcome", "outcome_at", "allocated_minor"])


# Fetching over a line -----------------------------------------------------------------------------------------------


def statements_ask(*, now: datetime) -> int:
    """A chore: each bank with a line is asked for its next statement. Returns how many."""
    accounts = BankAccount.objects.filter(closed_at__isnull=True, lane__isnull=False).order_by("pk")
    drafts = [
        JobDraft(
            kind=STATEMENT_FETCH,
            lane_id=account.lane_id or 0,
            organisation_id=account.organisation_id,
            subject_id=account.pk,
            run_at=now,
            trace_id=new_trace_id(),
        )
        for account in accounts
        if RAILS[account.rail].is_online
    ]
    # One that is parked stays so: somebody looks at why its statement cannot be taken.
    jobs_add(drafts=drafts, now=now)
    return len(drafts)


def statement_ask(*, account_id: UUID, wire_id: str, now: datetime, monotonic_now: float) -> Delivery:
    """The question for the account's next statement. Raises NotFound."""
    account = _account(account_id)
    message = RAILS[account.rail].statement(
        number=account.statements.count() + 1, account=rail_account(account), wire_id=wire_id, now=now
    )
    return Delivery(
        url=message.url,
        headers=message.headers,
        body=message.body,
        start_before=monotonic_now + settings.SEND_WITHIN_SECONDS,
        give_up_at=monotonic_now + float(settings.PAYMENT["deadline_seconds"]),
        media=message.media,
    )


def statement_came(*, account_id: UUID, wire_id: str, receipt: Receipt, now: datetime) -> bool:
    """Take what the bank answered; whether there may be another one. One that was taken before changes nothing.

    Raises what statement_take raises, and StatementUnreadable for an answer that proves nothing.
    """
    account = _account(account_id)
    raw = RAILS[account.rail].statement_answer(receipt, account=rail_account(account), wire_id=wire_id)
    if raw is None:
        return False
    try:
        statement_take(account_id=account_id, raw=raw, format=StatementFormat.CAMT053, by=BY, now=now)
    except StatementTaken as taken:
        logger.warning("account %s: %s", account.code, taken)
        return False
    return True


def _account(account_id: UUID) -> BankAccount:
    account = BankAccount.objects.filter(pk=account_id).first()
    if account is None:
        raise NotFound(noun="bank account", noun_zh="银行账户", key=account_id)
    return account
