"""Fees by agreement: charged once per leg or month into accounts of their own, with VAT; undone when the leg is.

A fee is never part of an advance: Dr fees_receivable of the counterparty, Cr fee_income and vat_payable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from core.ids import new_trace_id, uuid7
from core.money import EXPONENTS, Money, rounded
from core.row_security import EVERYTHING, seen_by
from ledger.selectors import postings_about
from ledger.services import MirrorDraft, PostingDraft, credit, debit, postings_mirror, postings_write
from settlement.contracts import Fee
from settlement.models import Contract, FeeCharge, SettlementLeg
from settlement.selectors.books import book_with, fees_account, platform_day
from settlement.selectors.contracts import Agreed, ContractMissing, contract_on
from settlement.states import CounterpartyRole, FeeKind, LegKind, LegState

CAUSE = "settlement.fee"
CHARGED_AT_ONCE = 500
LOOKS_BACK = timedelta(days=7)  # A worker may stand still for so long and no fee is missed.
LEG_OF = {CounterpartyRole.INSURER: LegKind.FIRST, CounterpartyRole.PHARMACY: LegKind.SECOND}


def part_of(minor: int, basis_points: int, currency: str) -> int:
    """So many basis points of an amount, rounded half up to whole minor units."""
    exact = Decimal(minor * basis_points).scaleb(-4 - EXPONENTS[currency])
    return rounded(exact, currency=currency, rounding="half_up").minor


def net_of(fee: Fee, leg_minor: int, currency: str) -> int:
    """What the fee is before VAT, rounded half up; 0 where it comes to nothing."""
    return part_of(leg_minor, fee.basis_points, currency) if fee.kind == FeeKind.PER_CENT else fee.amount_minor


def fees_charge(*, since: datetime, by: str, now: datetime) -> int:
    """Charge what the contracts say for every leg made since then and for the month that has begun; again: nothing.

    Legs that are owed no more get their fee undone. Returns how many rows were written.
    """
    with seen_by(EVERYTHING):
        written = _undo(by=by, now=now)
        for legs in _legs_by_and_by(since):
            written += _write(_for_legs(legs, by=by, now=now), now=now)
        return written + _write(_for_month(platform_day(now).replace(day=1), by=by, now=now), now=now)


def fees_follow(*, by: str, now: datetime) -> int:
    """The chore: whatever was made in the last days and has no fee yet."""
    return fees_charge(since=now - LOOKS_BACK, by=by, now=now)


def _legs_by_and_by(since: datetime) -> Iterator[list[SettlementLeg]]:
    """Standing legs without a fee, some at a time; those for which no fee is agreed too."""
    rows = SettlementLeg.objects.filter(created_at__gte=since, kind__in=LEG_OF.values(), fees__isnull=True)
    rows = rows.exclude(state=LegState.REVERSED).order_by("created_at", "pk")
    done: SettlementLeg | None = None
    while True:
        later = (
            rows
            if done is None
            else rows.filter(Q(created_at__gt=done.created_at) | Q(created_at=done.created_at, pk__gt=done.pk))
        )
        legs = list(later[:CHARGED_AT_ONCE])
        if not legs:
            return
        yield legs
        done = legs[-1]


def _agreed(insurer_id: int, day: date) -> Agreed | None:
    try:
        return contract_on(organisation_id=insurer_id, on=day)
    except ContractMissing:
        return None


def _for_legs(legs: Iterable[SettlementLeg], *, by: str, now: datetime) -> list[FeeCharge]:
    day, agreed = platform_day(now), dict[int, Agreed | None]()
    charges = []
    for leg in legs:
        if leg.insurer_id not in agreed:
            agreed[leg.insurer_id] = _agreed(leg.insurer_id, day)
        contract = agreed[leg.insurer_id]
        for number, fee in enumerate(contract.terms.fees if contract is not None else (), start=1):
            if contract is not None and _applies(fee, leg):
                about = _About(leg.organisation_id, leg.insurer_id, leg.currency, leg=leg)
                charges.append(_charge(number, fee, contract, about, by=by, now=now))
    return [charge for charge in charges if charge.net_minor > 0]


def _applies(fee: Fee, leg: SettlementLeg) -> bool:
    """A fee per claim is the lead insurer's alone; a share of the amount everybody's on his own leg."""
    if fee.kind == FeeKind.PER_MONTH or LEG_OF[CounterpartyRole(fee.counterparty)] != leg.kind:
        return False
    return fee.kind == FeeKind.PER_CENT or leg.kind != LegKind.FIRST or leg.organisation_id == leg.insurer_id


def _for_month(month: date, *, by: str, now: datetime) -> list[FeeCharge]:
    """The monthly fee of every insurer with a contract, and of every pharmacy that ever handed over for it."""
    charges = []
    for insurer_id in Contract.objects.order_by().values_list("organisation_id", flat=True).distinct():
        contract = _agreed(insurer_id, month)
        for number, fee in enumerate(contract.terms.fees if contract is not None else (), start=1):
            if contract is not None and fee.kind == FeeKind.PER_MONTH:
                known = _charged_for(month, insurer_id, number)
                abouts = [_About(*party, month=month) for party in _monthly_parties(fee, insurer_id)]
                charges += [
                    _charge(number, fee, contract, about, by=by, now=now)
                    for about in abouts
                    if (about.organisation_id, about.currency) not in known
                ]
    return charges


def _monthly_parties(fee: Fee, insurer_id: int) -> list[tuple[int, int, str]]:
    legs = SettlementLeg.objects.filter(insurer_id=insurer_id, kind=LEG_OF[CounterpartyRole(fee.counterparty)])
    if fee.counterparty == CounterpartyRole.INSURER:
        legs = legs.filter(organisation_id=insurer_id)
    return sorted(set(legs.order_by().values_list("organisation_id", "insurer_id", "currency").distinct()))


def _charged_for(month: date, insurer_id: int, rule_no: int) -> set[tuple[int, str]]:
    rows = FeeCharge.objects.filter(insurer_id=insurer_id, month=month, rule_no=rule_no, undoes__isnull=True)
    return set(rows.values_list("organisation_id", "currency"))


@dataclass(frozen=True, slots=True)
class _About:
    """Who owes a fee in whose book, and for what: a leg or a month."""

    organisation_id: int
    insurer_id: int
    currency: str
    leg: SettlementLeg | None = None
    month: date | None = None


def _charge(number: int, fee: Fee, contract: Agreed, about: _About, *, by: str, now: datetime) -> FeeCharge:
    net_minor = net_of(fee, about.leg.amount_minor if about.leg is not None else 0, about.currency)
    return FeeCharge(
        id=uuid7(now),
        organisation_id=about.organisation_id,
        insurer_id=about.insurer_id,
        contract_id=contract.contract_id,
        rule_no=number,
        kind=fee.kind,
        leg=about.leg,
        month=about.month,
        net_minor=net_minor,
        vat_basis_points=fee.vat_basis_points,
        vat_minor=part_of(net_minor, fee.vat_basis_points, about.currency),
        currency=about.currency,
        charged_on=platform_day(now),
        charged_at=now,
        by=by,
    )


@transaction.atomic
def _write(charges: Sequence[FeeCharge], *, now: datetime) -> int:
    """Rows that another process wrote first are left out, and so are their postings."""
    FeeCharge.objects.bulk_create(charges, ignore_conflicts=True)
    written = {row.pk for row in FeeCharge.objects.filter(pk__in=[charge.pk for charge in charges])}
    postings_write(drafts=[_draft(charge) for charge in charges if charge.pk in written], now=now)
    return len(written)


def _draft(charge: FeeCharge) -> PostingDraft:
    net, vat = Money(charge.net_minor, charge.currency), Money(charge.vat_minor, charge.currency)
    legs = [debit(fees_account(charge.organisation_id), net + vat), credit("fee_income", net)]
    legs += [credit("vat_payable", vat)] if vat.minor else []
    return PostingDraft(
        book=book_with(insurer_id=charge.insurer_id),
        cause_kind=CAUSE,
        cause_id=charge.pk,
        kind="charged",
        legs=legs,
        evidence_id=charge.pk,
        by=charge.by,
        trace_id=new_trace_id(),
    )


@transaction.atomic
def _undo(*, by: str, now: datetime) -> int:
    """What another process undid first is left to it."""
    standing = FeeCharge.objects.filter(undoes__isnull=True, undone_by__isnull=True, leg__state=LegState.REVERSED)
    rows = [_undoing(charge, by=by, now=now) for charge in standing.order_by("pk")[:CHARGED_AT_ONCE]]
    FeeCharge.objects.bulk_create(rows, ignore_conflicts=True)
    written = list(FeeCharge.objects.filter(pk__in=[row.pk for row in rows]))
    originals = [row.undoes_id for row in written if row.undoes_id is not None]
    postings = {one.cause_id: one.pk for one in postings_about(cause_ids=originals, organisations=EVERYTHING)}
    drafts = [
        MirrorDraft(
            original_id=postings[row.undoes_id],
            kind="undone",
            evidence_id=row.pk,
            by=by,
            reason="the leg is owed no more",
            trace_id=new_trace_id(),
        )
        for row in written
        if row.undoes_id is not None
    ]
    postings_mirror(drafts=drafts, now=now)
    return len(written)


def _undoing(charge: FeeCharge, *, by: str, now: datetime) -> FeeCharge:
    return FeeCharge(
        id=uuid7(now),
        organisation_id=charge.organisation_id,
        insurer_id=charge.insurer_id,
        contract_id=charge.contract_id,
        rule_no=charge.rule_no,
        kind=charge.kind,
        leg_id=charge.leg_id,
        month=charge.month,
        net_minor=-charge.net_minor,
        vat_basis_points=charge.vat_basis_points,
        vat_minor=-charge.vat_minor,
        currency=charge.currency,
        undoes=charge,
        charged_on=platform_day(now),
        charged_at=now,
        by=by,
    )
