"""What of job A money was moved for, and the evidence behind it with its message: for `money_path`.

The caller's sight decides what is found: row-level security stands behind every query here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from core.money import Money
from core.row_security import EVERYTHING
from exchange.models import Bill, Evidence, Refund, SelfPayment, Transaction
from ledger.selectors import MoneyAsked, Organisations

FOUND_AT_MOST = 2  # A number that two organisations use is told as such.


@dataclass(frozen=True, slots=True)
class MessageBehind:
    """The outbound message whose answer is the evidence. Its content is in the middleware log, under `msgid`."""

    msgid: str
    kind: str
    counterparty: str
    sent_at: datetime
    outcome: str
    outcome_at: datetime | None


@dataclass(frozen=True, slots=True)
class EvidenceRead:
    """Why something was posted. `message` is None where no message was needed: a rule of ours, a person's word."""

    id: UUID
    kind: str
    says: str
    details: str
    at: datetime
    message: MessageBehind | None


def transactions_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """The wishes with this HIS number or id, each with its cash at the counter; two at most."""
    wanted = Q(pk=_uuid(key)) if _uuid(key) else Q(his_no=key)
    rows = _of(Transaction.objects.filter(wanted).defer("sealed_body"), organisations)[:FOUND_AT_MOST]
    return [
        MoneyAsked(
            kind="transaction",
            id=row.pk,
            name=row.his_no,
            organisation_id=row.organisation_id,
            amount=None if row.total_minor is None else Money(row.total_minor, row.currency),
            causes={row.pk: f"transaction {row.his_no}", **_cash({row.pk: row.his_no})},
        )
        for row in rows
    ]


def bills_asked(*, key: str, organisations: Organisations) -> list[MoneyAsked]:
    """The bills `visit number/bill number` or of this id, each with all its wishes and all its cash; two at most."""
    visit_no, _, bill_no = key.rpartition("/")
    wanted = Q(pk=_uuid(key)) if _uuid(key) else Q(visit_no=visit_no, bill_no=bill_no)
    return [_bill_asked(bill) for bill in _of(Bill.objects.filter(wanted), organisations)[:FOUND_AT_MOST]]


def _bill_asked(bill: Bill) -> MoneyAsked:
    wishes = list(Transaction.objects.filter(bill=bill).defer("sealed_body").order_by("pk"))
    names = {row.pk: row.his_no for row in wishes}
    totals = [row.total_minor for row in wishes if row.state == "SUCCEEDED" and row.operation_class == "MOVES"]
    return MoneyAsked(
        kind="bill",
        id=bill.pk,
        name=f"{bill.visit_no}/{bill.bill_no}",
        organisation_id=bill.organisation_id,
        amount=Money(sum(total or 0 for total in totals), bill.currency),
        causes={
            bill.pk: f"bill {bill.bill_no}",
            **{pk: f"transaction {his_no}" for pk, his_no in names.items()},
            **_cash(names),
        },
    )


def _cash(names: dict[UUID, str]) -> dict[UUID, str]:
    paid = SelfPayment.objects.filter(transaction_id__in=names)
    back = Refund.objects.filter(transaction_id__in=names)
    return {
        **{one.pk: f"cash taken for {names[one.transaction_id]} {one.receipt_no}".rstrip() for one in paid},
        **{one.pk: f"refund {one.refund_no} of {names[one.transaction_id]}" for one in back},
    }


def evidence_read(*, ids: Iterable[UUID]) -> dict[UUID, EvidenceRead]:
    """Those of `ids` that are evidence of job A."""
    rows = Evidence.objects.filter(pk__in=list(ids)).select_related("call__interface__insurer")
    return {row.pk: _read(row) for row in rows}


def _read(row: Evidence) -> EvidenceRead:
    call, message = row.call, None
    if call is not None:
        message = MessageBehind(
            msgid=call.msgid,
            kind=call.kind,
            counterparty=call.interface.insurer.code,
            sent_at=call.armed_at,
            outcome=call.outcome or "",
            outcome_at=call.outcome_at,
        )
    return EvidenceRead(row.pk, row.kind, row.says, row.details, row.at, message)


def _of[Row: (Transaction, Bill)](rows: QuerySet[Row], organisations: Organisations) -> QuerySet[Row]:
    return rows if organisations == EVERYTHING else rows.filter(organisation_id__in=organisations)


def _uuid(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None
