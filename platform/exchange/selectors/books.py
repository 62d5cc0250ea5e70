"""Our book of an interface, to be held against the insurer's own."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import OuterRef, Subquery, Sum

from exchange.models import Call, Transaction
from exchange.states import OPEN, CallKind, OperationClass, TransactionState
from ledger.models import Leg


@dataclass(frozen=True, slots=True)
class Entry:
    """One settled fee as we hold it, minor units."""

    his_no: str
    total_minor: int
    fund_minor: int
    account_minor: int
    cash_minor: int


def settled_by_msgid(*, interface_code: str) -> dict[str, Entry]:
    """What we hold as settled at an interface, by the msgid that settled it."""
    calls = Call.objects.filter(transaction=OuterRef("pk"), kind=CallKind.SETTLE).order_by("-armed_at")
    rows = Transaction.objects.filter(
        interface__code=interface_code, operation_class=OperationClass.MOVES, state=TransactionState.SUCCEEDED
    ).annotate(settled_by=Subquery(calls.values("msgid")[:1]))
    return {
        row.settled_by: Entry(
            row.his_no, row.total_minor or 0, row.fund_minor or 0, row.account_minor or 0, row.cash_minor or 0
        )
        for row in rows
    }


def open_by_msgid(*, interface_code: str) -> dict[str, str]:
    """msgid -> his_no of money wishes that have not ended: where the two books may differ for now."""
    return {
        msgid: his_no
        for msgid, his_no in Call.objects.filter(
            interface__code=interface_code,
            kind=CallKind.SETTLE,
            transaction__operation_class=OperationClass.MOVES,
            transaction__state__in=OPEN,
        ).values_list("msgid", "transaction__his_no")
    }


def receivable_minor(*, insurer_code: str) -> int:
    """What the memo books say this insurer owes, over all hospitals: debits less credits, minor units."""
    legs = Leg.objects.filter(account__code__startswith="receivable:", account__book__insurer_organisation__code=insurer_code)
    sums = dict(legs.values_list("side").annotate(Sum("amount_minor")))
    return int(sums.get("D", 0) - sums.get("C", 0))
