"""Readers of pay-outs: what is to be paid, by which batch, what the bank made of it, and its statements."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from accounts.selectors import organisations_seen_by
from settlement.models import BankEntry, PayeeAccount, Payment, PayoutBatch, SettlementLeg
from settlement.states import EntryOutcome, LegKind, LegState, PaymentState

if TYPE_CHECKING:
    from accounts.models import User

OPEN = (PaymentState.ARMED, PaymentState.SENT, PaymentState.IN_DOUBT)


def _is_platform(user: User) -> bool:
    return isinstance(organisations_seen_by(user=user), str)


def legs_to_pay_out(*, currency: str, due_by: date, user: User) -> QuerySet[SettlementLeg]:
    """What a batch could be made of, the longest due first. The platform's people only."""
    rows = SettlementLeg.objects.filter(
        kind__in=(LegKind.SECOND, LegKind.THIRD), state=LegState.DUE, currency=currency, due_on__lte=due_by
    )
    return rows.order_by("due_on", "pk") if _is_platform(user) else rows.none()


def batches_visible_to(*, user: User) -> QuerySet[PayoutBatch]:
    """Newest first. The platform's people only."""
    rows = PayoutBatch.objects.select_related("account").order_by("-created_at", "-pk")
    return rows if _is_platform(user) else rows.none()


def payments_visible_to(*, user: User, open_only: bool = False) -> QuerySet[Payment]:
    """All for the platform, those to its own accounts for a pharmacy; newest first, open ones oldest first."""
    seen = organisations_seen_by(user=user)
    rows = Payment.objects.select_related("payee", "account", "batch").order_by("-created_at", "-pk")
    if open_only:
        rows = rows.filter(state__in=OPEN).order_by("created_at", "pk")
    return rows if isinstance(seen, str) else rows.filter(payee__organisation_id__in=seen)


def payees_visible_to(*, user: User) -> QuerySet[PayeeAccount]:
    """The accounts of the user's organisations, waiting ones first; numbers stay sealed."""
    seen = organisations_seen_by(user=user)
    rows = PayeeAccount.objects.order_by("confirmed_at", "told_at")
    return rows if isinstance(seen, str) else rows.filter(organisation_id__in=seen)


def entries_to_look_at(*, user: User) -> QuerySet[BankEntry]:
    """Debits that are no payment of ours, the oldest first. The platform's people only."""
    rows = BankEntry.objects.filter(outcome=EntryOutcome.UNMATCHED).select_related("statement", "account")
    return rows.order_by("value_date", "pk") if _is_platform(user) else rows.none()
