"""What a pharmacy owes is taken off what it is to be paid, before the money leaves: its fees, and what it bears.

The oldest leg that is due gives first. The leg counts what was taken off as settled, so a pay-out pays the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from core.errors import Conflict
from core.ids import new_trace_id, uuid7
from core.money import Money
from core.row_security import EVERYTHING, seen_by
from ledger.services import PostingDraft, credit, debit, postings_write
from settlement.models import FeeCharge, Recovery, SetOff, SettlementLeg
from settlement.selectors.books import book_with, fees_account, payable_account, platform_day
from settlement.selectors.statement_lines import SET_OFF
from settlement.services.legs import LegAmountRefused, leg_paid
from settlement.services.recoveries import recovery_paid
from settlement.states import Bearer, LegKind, LegState, RecoveryState

BY = "set-off"
ASKED = (RecoveryState.OPEN, RecoveryState.AGREED)


def set_offs_make(*, now: datetime, limit: int) -> int:
    """The chore: take off what can be taken off, each in its own commit. Returns how many rows were written."""
    with seen_by(EVERYTHING):
        fees = list(_open_fees()[:limit])
        recoveries = list(_open_recoveries(now)[:limit])
    written = sum(_taken(fee_set_off, fee.pk, now) for fee in fees)
    return written + sum(_taken(recovery_set_off, recovery.pk, now) for recovery in recoveries)


def fee_set_off(fee_id: UUID, *, now: datetime) -> int:
    """Take an open fee off the pharmacy's due legs, as far as they reach."""
    with seen_by(EVERYTHING):
        fee = FeeCharge.objects.get(pk=fee_id)
        rest, written = fee_rest(fee), 0
        for leg in _due_legs(fee.organisation_id, fee.insurer_id, fee.currency):
            part = min(rest, leg.amount_minor - leg.settled_minor)
            if part <= 0:
                break
            row = _row(leg, part, fee_id=fee.pk, now=now)
            _post_fee(row, fee, now=now)
            _settle(leg, row, now=now)
            rest, written = rest - part, written + 1
    return written


def recovery_set_off(recovery_id: UUID, *, now: datetime) -> int:
    """Take what the pharmacy bears off its due legs, once the time to object is over."""
    with seen_by(EVERYTHING):
        recovery = Recovery.objects.get(pk=recovery_id)
        rest, written = recovery.amount_minor - recovery.paid_minor, 0
        chain = recovery.bearer_organisation_id
        if chain is None or recovery.state not in ASKED:
            return 0
        for leg in _due_legs(chain, recovery.organisation_id, recovery.currency):
            part = min(rest, leg.amount_minor - leg.settled_minor)
            if part <= 0:
                break
            row = _row(leg, part, recovery_id=recovery.pk, now=now)
            recovery_paid(
                recovery_id=recovery.pk,
                amount_minor=part,
                cause_id=row.pk,
                value_date=None,
                by=BY,
                now=now,
                trace_id=new_trace_id(),
                against=payable_account(chain),
            )
            _settle(leg, row, now=now)
            rest, written = rest - part, written + 1
    return written


def fee_rest(fee: FeeCharge) -> int:
    """What of a pharmacy's fee, VAT included, was neither taken off yet nor undone; minor units."""
    if fee.undoes_id is not None or FeeCharge.objects.filter(undoes=fee).exists():
        return 0
    taken = SetOff.objects.filter(fee=fee).aggregate(total=Sum("amount_minor"))["total"] or 0
    return fee.net_minor + fee.vat_minor - taken


def _taken(take: Callable[..., int], one: UUID, now: datetime) -> int:
    try:
        return take(one, now=now)
    except (LegAmountRefused, Conflict):
        # Paid, disputed or answered in the meantime: the next run sees how it stands.
        return 0


def _open_fees() -> QuerySet[FeeCharge]:
    of_pharmacy = Q(leg__kind=LegKind.SECOND) | (Q(leg__isnull=True) & ~Q(organisation_id=F("insurer_id")))
    standing = FeeCharge.objects.filter(of_pharmacy, undoes__isnull=True, undone_by__isnull=True)
    counted = standing.annotate(taken=Coalesce(Sum("set_offs__amount_minor"), 0))
    return counted.filter(taken__lt=F("net_minor") + F("vat_minor")).order_by("charged_at", "pk")


def _open_recoveries(now: datetime) -> QuerySet[Recovery]:
    rows = Recovery.objects.filter(bearer=Bearer.PHARMACY, bearer_organisation__isnull=False, state__in=ASKED)
    return rows.filter(object_until__lt=platform_day(now)).order_by("created_at", "pk")


def _due_legs(chain_id: int, insurer_id: int, currency: str) -> list[SettlementLeg]:
    """Not in a batch, not disputed: nobody else is about to pay them."""
    legs = SettlementLeg.objects.filter(
        kind=LegKind.SECOND,
        organisation_id=chain_id,
        insurer_id=insurer_id,
        currency=currency,
        state=LegState.DUE,
        settled_minor__lt=F("amount_minor"),
    )
    return list(legs.order_by("due_on", "created_at", "pk"))


def _row(
    leg: SettlementLeg, minor: int, *, fee_id: UUID | None = None, recovery_id: UUID | None = None, now: datetime
) -> SetOff:
    return SetOff.objects.create(
        id=uuid7(now),
        organisation_id=leg.organisation_id,
        insurer_id=leg.insurer_id,
        leg=leg,
        fee_id=fee_id,
        recovery_id=recovery_id,
        amount_minor=minor,
        at=now,
        by=BY,
    )


def _settle(leg: SettlementLeg, row: SetOff, *, now: datetime) -> None:
    leg_paid(
        leg_id=leg.pk,
        amount_minor=row.amount_minor,
        evidence_id=row.pk,
        value_date=platform_day(now),
        by=BY,
        now=now,
        trace_id=new_trace_id(),
    )


def _post_fee(row: SetOff, fee: FeeCharge, *, now: datetime) -> None:
    amount = Money(row.amount_minor, fee.currency)
    chain = fee.organisation_id
    draft = PostingDraft(
        book=book_with(insurer_id=fee.insurer_id),
        cause_kind=SET_OFF,
        cause_id=row.pk,
        kind="fees",
        legs=[debit(payable_account(chain), amount), credit(fees_account(chain), amount)],
        evidence_id=row.pk,
        by=BY,
        trace_id=new_trace_id(),
    )
    postings_write(drafts=[draft], now=now)
