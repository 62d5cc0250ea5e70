"""The only readers of the ledger for others. Every one names the organisations whose rows it is asked for.

Under role app row-level security narrows that further; under role worker the argument is the permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from core.errors import NotFound
from core.money import Money
from core.row_security import EVERYTHING
from ledger.models import ClosedPeriod, Hold, LedgerAccount, Leg, Posting

Organisations = Iterable[int] | str


@dataclass(frozen=True, slots=True)
class TrialRow:
    """Sums of one account in minor units; `balance_minor` counts on its normal side."""

    book_id: int
    organisation_id: int
    insurer_organisation_id: int
    account: str
    currency: str
    normal_side: str
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        difference = self.debit_minor - self.credit_minor
        return difference if self.normal_side == "D" else -difference


# The newest snapshot up to the day asked for, and the legs after it: the sum stays short however old the account.
SUMS = """
SELECT a.book_id, a.organisation_id, b.insurer_organisation_id, a.code, a.currency, a.normal_side,
    coalesce(s.debit_minor, 0) + legs.debit_minor, coalesce(s.credit_minor, 0) + legs.credit_minor
FROM ledger_account a JOIN ledger_book b ON b.id = a.book_id
LEFT JOIN LATERAL (
    SELECT day, debit_minor, credit_minor FROM ledger_snapshot
    WHERE account_id = a.id AND day <= %(day)s ORDER BY day DESC LIMIT 1) s ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor) FILTER (WHERE side = 'D'), 0)::bigint AS debit_minor,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'C'), 0)::bigint AS credit_minor
    FROM ledger_leg
    WHERE account_id = a.id AND booked_day <= %(day)s AND booked_day > coalesce(s.day, '-infinity')) legs
WHERE (%(everything)s OR a.organisation_id = ANY (%(organisations)s::bigint[]))
    AND (%(insurer)s::bigint IS NULL OR b.insurer_organisation_id = %(insurer)s)
    AND (%(kind)s::text IS NULL OR b.kind = %(kind)s)
    AND (%(account)s::text IS NULL OR a.code = %(account)s)
    AND (%(currency)s::text IS NULL OR a.currency = %(currency)s)
ORDER BY a.book_id, a.code, a.currency
"""


def trial_balance(
    *,
    organisations: Organisations,
    insurer_organisation_id: int | None = None,
    kind: str | None = None,
    account: str | None = None,
    currency: str | None = None,
    until: date | None = None,
) -> list[TrialRow]:
    """Both sums of every account of these organisations' books, up to and including the booked day `until`."""
    everything = organisations == EVERYTHING
    parameters: dict[str, Any] = {
        "day": until or date.max,
        "everything": everything,
        "organisations": [] if everything else list(organisations),
        "insurer": insurer_organisation_id,
        "kind": kind,
        "account": account,
        "currency": currency,
    }
    with connection.cursor() as cursor:
        cursor.execute(SUMS, parameters)
        return [TrialRow(*row) for row in cursor.fetchall()]


def account_balance(
    *,
    organisation_id: int,
    insurer_organisation_id: int,
    account: str,
    organisations: Organisations,
    kind: str = "insurance_memo",
    currency: str = "CNY",
) -> Money:
    """The balance of one account on its normal side; zero while it has not been opened.

    Raises NotFound when `organisation_id` is not among `organisations`.
    """
    if organisations != EVERYTHING and organisation_id not in organisations:
        raise NotFound(noun="account", noun_zh="科目", key=account)
    found = LedgerAccount.objects.filter(
        book__organisation_id=organisation_id,
        book__insurer_organisation_id=insurer_organisation_id,
        book__kind=kind,
        code=account,
        currency=currency,
    ).select_related("balance")
    row = found.first()
    if row is None:
        return Money(0, currency)
    if row.limited:
        return Money(row.balance.balance_minor, currency)
    sums = trial_balance(
        organisations=[organisation_id],
        insurer_organisation_id=insurer_organisation_id,
        kind=kind,
        account=account,
        currency=currency,
    )
    return Money(sums[0].balance_minor, currency)


def postings_of(*, cause_kind: str, cause_ids: Iterable[UUID], organisations: Organisations) -> QuerySet[Posting]:
    """Everything posted about these causes, oldest first, legs and accounts at hand."""
    rows = Posting.objects.filter(cause_kind=cause_kind, cause_id__in=list(cause_ids))
    if organisations != EVERYTHING:
        rows = rows.filter(organisation_id__in=organisations)
    return rows.order_by("booked_at", "pk").prefetch_related("legs__account")


@dataclass(frozen=True, slots=True)
class AccountMove:
    """One leg on an account, with what its posting says. `amount_minor` is above zero on the account's normal side."""

    posting_id: UUID
    cause_kind: str
    cause_id: UUID
    kind: str
    evidence_id: UUID
    booked_day: date
    amount_minor: int


def account_moves(
    *,
    organisation_id: int,
    insurer_organisation_id: int,
    kind: str,
    account: str,
    currency: str,
    first_day: date,
    last_day: date,
    organisations: Organisations,
) -> list[AccountMove]:
    """The legs booked on one account on these days, both included, oldest first.

    Raises NotFound when `organisation_id` is not among `organisations`.
    """
    if organisations != EVERYTHING and organisation_id not in organisations:
        raise NotFound(noun="account", noun_zh="科目", key=account)
    found = LedgerAccount.objects.filter(
        book__organisation_id=organisation_id,
        book__insurer_organisation_id=insurer_organisation_id,
        book__kind=kind,
        code=account,
        currency=currency,
    ).first()
    if found is None:
        return []
    legs = Leg.objects.filter(account_id=found.pk, booked_day__gte=first_day, booked_day__lte=last_day)
    return [
        AccountMove(
            posting_id=leg.posting_id,
            cause_kind=leg.posting.cause_kind,
            cause_id=leg.posting.cause_id,
            kind=leg.posting.kind,
            evidence_id=leg.posting.evidence_id,
            booked_day=leg.booked_day,
            amount_minor=leg.amount_minor if leg.side == found.normal_side else -leg.amount_minor,
        )
        for leg in legs.select_related("posting").order_by("booked_day", "posting__booked_at", "posting_id", "line_no")
    ]


@dataclass(frozen=True, slots=True)
class MoneyAsked:
    """Something that money was moved for: `causes` are all its causes of postings and holds, each with its name.

    `amount` is what it is about, None while that is not known.
    """

    kind: str
    id: UUID
    name: str
    organisation_id: int
    amount: Money | None
    causes: dict[UUID, str]


def postings_about(*, cause_ids: Iterable[UUID], organisations: Organisations) -> QuerySet[Posting]:
    """Everything posted about these causes of whatever kind, oldest first, books, legs and accounts at hand."""
    rows = Posting.objects.filter(cause_id__in=list(cause_ids))
    if organisations != EVERYTHING:
        rows = rows.filter(organisation_id__in=organisations)
    shown = rows.select_related("book__organisation", "book__insurer_organisation")
    return shown.order_by("booked_at", "pk").prefetch_related("legs__account")


def postings_booked(
    *, organisation_id: int, insurer_organisation_id: int, kind: str, first_day: date, last_day: date
) -> QuerySet[Posting]:
    """Everything booked in a book on these days, both included, in a fixed order, legs and accounts at hand."""
    rows = Posting.objects.filter(
        book__organisation_id=organisation_id,
        book__insurer_organisation_id=insurer_organisation_id,
        book__kind=kind,
        booked_day__gte=first_day,
        booked_day__lte=last_day,
    )
    return rows.order_by("booked_day", "booked_at", "pk").prefetch_related("legs__account")


def month_is_closed(*, organisation_id: int, insurer_organisation_id: int, kind: str, last_day: date) -> bool:
    """Whether the month that ends on `last_day` takes no posting any more."""
    closed = ClosedPeriod.objects.filter(
        book__organisation_id=organisation_id,
        book__insurer_organisation_id=insurer_organisation_id,
        book__kind=kind,
        last_day=last_day,
        length=ClosedPeriod.Length.MONTH,
    )
    return closed.exists()


def holds_about(*, cause_ids: Iterable[UUID], organisations: Organisations) -> QuerySet[Hold]:
    """Every hold placed for these causes of whatever kind, oldest first, books at hand."""
    rows = Hold.objects.filter(cause_id__in=list(cause_ids)).select_related("account__book__insurer_organisation")
    if organisations != EVERYTHING:
        rows = rows.filter(organisation_id__in=organisations)
    return rows.order_by("placed_at", "pk")


def holds_of(*, cause_kind: str, cause_ids: Iterable[UUID], organisations: Organisations) -> QuerySet[Hold]:
    """Every hold placed for these causes, oldest first."""
    rows = Hold.objects.filter(cause_kind=cause_kind, cause_id__in=list(cause_ids)).select_related("account")
    if organisations != EVERYTHING:
        rows = rows.filter(organisation_id__in=organisations)
    return rows.order_by("placed_at", "pk")
