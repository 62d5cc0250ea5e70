"""The chart of accounts: which books exist, which accounts a book may hold, and which of those are limited.

A code is a name of the chart, with `:detail` where one account per payer is kept: `receivable:basic_fund`.
Ledger rows hold no personal data: a detail names a payer or a purpose, never a person.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models

from core.errors import Problem


class Side(models.TextChoices):
    DEBIT = "D"
    CREDIT = "C"


class BookKind(models.TextChoices):
    INSURANCE_MEMO = "insurance_memo"
    ADVANCE = "advance"
    COUNTER_EXPOSURE = "counter_exposure"


@dataclass(frozen=True, slots=True)
class AccountKind:
    """`normal_side` is where the account grows. A limited account has a balance row under CHECK and may carry holds."""

    normal_side: Side
    limited: bool = False


CHART: dict[str, dict[str, AccountKind]] = {
    # Job A, a memo book per hospital and insurer: what was settled and what the counter took. Not the platform's money.
    BookKind.INSURANCE_MEMO: {
        "receivable": AccountKind(Side.DEBIT),
        "hospital_borne": AccountKind(Side.DEBIT),
        "counter_cash": AccountKind(Side.DEBIT),
        "suspense": AccountKind(Side.DEBIT),
        "patient_deposits": AccountKind(Side.CREDIT),
        "fees": AccountKind(Side.CREDIT),
    },
    # Job B, the platform's own money with one insurer. `exposure` is the credit line: what the insurer owes or may come
    # to owe, against its memo account; cash is this book's part of the bank account.
    BookKind.ADVANCE: {
        "exposure": AccountKind(Side.DEBIT, limited=True),
        "exposure_memo": AccountKind(Side.CREDIT),
        "advance_unconfirmed": AccountKind(Side.DEBIT),
        "receivable": AccountKind(Side.DEBIT),
        "recovery": AccountKind(Side.DEBIT),
        "loss": AccountKind(Side.DEBIT),
        "cash": AccountKind(Side.DEBIT, limited=True),
        "fees_receivable": AccountKind(Side.DEBIT),
        "payable": AccountKind(Side.CREDIT),
        "suspense": AccountKind(Side.CREDIT),
        "prefund": AccountKind(Side.CREDIT),
        "funding": AccountKind(Side.CREDIT),
        "fee_income": AccountKind(Side.CREDIT),
        "vat_payable": AccountKind(Side.CREDIT),
    },
    # A memo book per pharmacy (organisation) and platform: goods handed over on credit that nobody has confirmed yet.
    BookKind.COUNTER_EXPOSURE: {
        "exposure": AccountKind(Side.DEBIT, limited=True),
        "exposure_memo": AccountKind(Side.CREDIT),
    },
}


class UnknownAccount(Problem):
    code = "unknown_account"
    status = 422
    title = "Not an account of this book"
    detail = "The chart of a {book_kind} book has no account {account}."
    detail_zh = "{book_kind} 账簿的科目表中没有科目 {account}。"
    fix = "Use a code of the chart of accounts, or add the account to the chart."
    fix_zh = "请使用科目表中的代码，或将该科目加入科目表。"


def account_kind(*, book_kind: str, account: str) -> AccountKind:
    """What the chart says about the code `account`. Raises UnknownAccount."""
    kind = CHART.get(book_kind, {}).get(account.partition(":")[0])
    if kind is None:
        raise UnknownAccount(book_kind=book_kind, account=account)
    return kind


def opposite(side: str) -> Side:
    return Side.CREDIT if side == Side.DEBIT else Side.DEBIT
