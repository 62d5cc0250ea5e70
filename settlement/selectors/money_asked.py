"""What of job B can be asked about, within the caller's sight, with every cause of postings that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q, QuerySet

from claims.selectors.claims import claim_by_id, claim_by_no, claims_of_organisation
from core.money import Money
from core.row_security import EVERYTHING, seen_by
from ledger.selectors import MoneyAsked, Organisations
from settlement.models import (
    Advance,
    Allocation,
    BankEntry,
    FeeCharge,
    Payment,
    PayoutLine,
    Recovery,
    SettlementLeg,
    Statement,
    StatementLine,
)


def claims_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """A claim by its number or id, with all its advances, legs, fees, pay-outs and what came in for it."""
    claim = None
    if organisations == EVERYTHING:
        claim = claim_by_no(claim_no=key) or ((pk := as_uuid(key)) and claim_by_id(claim_id=pk)) or None
    else:
        wanted = Q(pk=as_uuid(key)) if as_uuid(key) else Q(claim_no=key)
        for one in organisations:
            claim = claim or claims_of_organisation(organisation_id=int(one)).filter(wanted).first()
    if claim is None:
        return []
    causes = {claim.pk: f"claim {claim.claim_no}", **_of_claims([claim.pk])}
    amount = Money(claim.payable_minor, claim.currency)
    return [MoneyAsked("claim", claim.pk, claim.claim_no, claim.organisation_id, amount, causes)]


def advances_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """An advance by its id, with its legs and what became of them."""
    pk = as_uuid(key)
    rows = _seen(Advance.objects.filter(pk=pk), organisations) if pk is not None else ()
    return [
        MoneyAsked(
            "advance",
            row.pk,
            str(row.pk),
            row.organisation_id,
            Money(row.drawn_minor, row.currency),
            _of_advances(Q(pk=row.pk)) | _of_legs(Q(advance=row.pk)),
        )
        for row in rows
    ]


def legs_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """A settlement leg by its number or id, with the advance behind it."""
    wanted = Q(pk=as_uuid(key)) if as_uuid(key) else Q(leg_no=key)
    return [
        MoneyAsked(
            "leg",
            row.pk,
            row.leg_no,
            row.organisation_id,
            Money(row.amount_minor, row.currency),
            _of_legs(Q(pk=row.pk)) | (_of_advances(Q(pk=row.advance_id)) if row.advance_id else {}),
        )
        for row in _seen(SettlementLeg.objects.filter(wanted), organisations)
    ]


def payments_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """A pay-out by the message id that is on the bank's statement, or by its id: the platform's to ask."""
    wanted = Q(pk=as_uuid(key)) if as_uuid(key) else Q(message_id=key)
    return [
        MoneyAsked(
            "payment",
            row.pk,
            row.message_id,
            row.organisation_id,
            Money(row.amount_minor, row.currency),
            {row.pk: f"payment {row.message_id}", **_of_payout_lines(Q(payment=row))},
        )
        for row in _seen(Payment.objects.filter(wanted), organisations)
    ]


def entries_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """A line of the bank's statement by the bank's reference or its id: the platform's to ask."""
    if organisations != EVERYTHING:
        return []
    wanted = Q(pk=as_uuid(key)) if as_uuid(key) else Q(bank_reference=key)
    return [
        MoneyAsked(
            "bank_entry",
            row.pk,
            row.bank_reference,
            row.account.organisation_id,
            Money(row.amount_minor, row.currency),
            {
                row.pk: f"bank entry {row.bank_reference}",
                **_of_allocations(Q(entry=row)),
                # What was collected for an advance is posted about the advance.
                **_of_advances(Q(legs__allocations__entry=row)),
                **_of_payout_lines(Q(payment__entry=row) | Q(payment__return_entry=row)),
            },
        )
        for row in BankEntry.objects.filter(wanted).select_related("account")[:2]
    ]


def statements_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """A statement by its number or id: everything about the legs and fees on it."""
    wanted = Q(pk=as_uuid(key)) if as_uuid(key) else Q(statement_no=key)
    asked = []
    for row in _seen(Statement.objects.filter(wanted), organisations):
        lines = StatementLine.objects.filter(statement=row)
        legs = list(lines.filter(leg__isnull=False).values_list("leg_id", flat=True))
        fees = list(lines.filter(fee__isnull=False).values_list("fee_id", flat=True))
        causes = _of_legs(Q(pk__in=legs)) | _of_advances(Q(legs__pk__in=legs)) | _of_fees(Q(pk__in=fees))
        amount = Money(row.closing_minor, row.currency)
        asked.append(MoneyAsked("statement", row.pk, row.statement_no, row.organisation_id, amount, causes))
    return asked


def as_uuid(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None


def _seen[Row: (Advance, SettlementLeg, Payment, Statement)](
    rows: QuerySet[Row], organisations: Organisations
) -> QuerySet[Row]:
    return (rows if organisations == EVERYTHING else rows.filter(organisation_id__in=organisations))[:2]


def _of_claims(claim_ids: Iterable[UUID]) -> dict[UUID, str]:
    ids = list(claim_ids)
    return _of_advances(Q(claim_id__in=ids)) | _of_legs(Q(claim_id__in=ids))


# What belongs to what the caller may see belongs to it for every eye: the lens of `money_path` comes after.


def _of_advances(wanted: Q) -> dict[UUID, str]:
    with seen_by(EVERYTHING):
        rows = list(Advance.objects.filter(wanted).select_related("claim").distinct())
        recoveries = Recovery.objects.filter(advance__in=rows)
        return {row.pk: f"advance {row.episode} of {row.claim.claim_no}" for row in rows} | {
            row.pk: f"recovery {row.number}" for row in recoveries
        }


def _of_legs(wanted: Q) -> dict[UUID, str]:
    with seen_by(EVERYTHING):
        legs = dict(SettlementLeg.objects.filter(wanted).values_list("pk", "leg_no"))
        about = {pk: f"leg {leg_no}" for pk, leg_no in legs.items()}
        return (
            about
            | _of_fees(Q(leg_id__in=legs))
            | _of_allocations(Q(leg_id__in=legs))
            | _of_payout_lines(Q(leg_id__in=legs))
        )


def _of_fees(wanted: Q) -> dict[UUID, str]:
    with seen_by(EVERYTHING):
        return {row.pk: f"fee {row.kind}" for row in FeeCharge.objects.filter(wanted)}


def _of_allocations(wanted: Q) -> dict[UUID, str]:
    with seen_by(EVERYTHING):
        rows = Allocation.objects.filter(wanted).select_related("entry", "leg")
        return {
            row.pk: f"transfer {row.entry.bank_reference} for {row.leg.leg_no if row.leg else 'a fee'}" for row in rows
        }


def _of_payout_lines(wanted: Q) -> dict[UUID, str]:
    with seen_by(EVERYTHING):
        rows = PayoutLine.objects.filter(wanted).select_related("leg")
        return {row.pk: f"pay-out of {row.leg.leg_no}" for row in rows}
