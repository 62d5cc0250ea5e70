"""Floors and limits of limited accounts."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from core.errors import Problem
from core.money import Money
from ledger.chart import account_kind
from ledger.locks import balances_lock
from ledger.models import AccountBalance
from ledger.services.directory import accounts_resolve
from ledger.services.drafts import BookKey
from ledger.services.holds import AccountNotLimited


class LimitBelowBalance(Problem):
    code = "limit_below_balance"
    status = 409
    title = "The account is already beyond this limit"
    detail = "{account} stands at {balance_minor} minor units, with {held_up_minor} held up and {held_down_minor} down."
    detail_zh = (
        "科目 {account} 余额 {balance_minor}（最小货币单位），预留增加 {held_up_minor}、减少 {held_down_minor}。"
    )
    fix = "To stop new drawings set the limit to balance plus holds; lower it again as they come back."
    fix_zh = "如需停止新的占用，请将额度设为余额加预留；待款项收回后再下调。"


def limit_set(
    *, book: BookKey, account: str, floor: Money, limit: Money, by: str, reason: str, now: datetime
) -> AccountBalance:
    """Set the range in which balance and holds of a limited account may move; a trigger keeps the history.

    Both count on the account's normal side. Raises AccountNotLimited, CurrencyMismatch, LimitBelowBalance,
    UnknownAccount.
    """
    if not account_kind(book_kind=book.kind, account=account).limited:
        raise AccountNotLimited(account=account)
    currency = (limit - floor).currency
    with transaction.atomic():
        key = (book, account, currency)
        account_id = accounts_resolve([key], now=now)[key].id
        row = balances_lock([account_id])[account_id]
        if row.balance_minor + row.held_up_minor > limit.minor or row.balance_minor - row.held_down_minor < floor.minor:
            raise LimitBelowBalance(
                account=account,
                balance_minor=row.balance_minor,
                held_up_minor=row.held_up_minor,
                held_down_minor=row.held_down_minor,
            )
        row.floor_minor, row.limit_minor = floor.minor, limit.minor
        row.limit_at, row.limit_by, row.limit_reason = now, by, reason
        row.save(update_fields=["floor_minor", "limit_minor", "limit_at", "limit_by", "limit_reason"])
        return row
