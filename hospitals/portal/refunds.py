"""Refunds that are due to patients, and the bills that do not add up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.clock import database_now
from exchange.bills import BillTerms
from exchange.locks import Locked
from exchange.models import Bill, Transaction
from exchange.selectors.bills import bills_read, unclaimed
from exchange.selectors.desk import bills_owing, bills_wrong
from exchange.states import OperationClass, TransactionState
from hospitals.portal.cases import act_link
from portal.acting import reader
from portal.selectors import scoped
from portal.site import PortalSite

ROWS = 100


@dataclass(frozen=True, slots=True)
class Owing:
    """A bill, the wish on which its refund is reported, and the link to that."""

    bill: Bill
    terms: BillTerms
    row: Transaction
    link: str
    unclaimed: bool


def refunds(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    owing, wrong = list(scoped(bills_owing(), user=user)[:ROWS]), list(scoped(bills_wrong(), user=user)[:ROWS])
    read = bills_read([bill.pk for bill in (*owing, *wrong)])
    sums: dict[str, int] = {}
    for bill in owing:
        sums[bill.currency] = sums.get(bill.currency, 0) + bill.refund_due_minor
    context = {
        "now": now,
        "owing": [_owing(site, bill, read, now) for bill in owing],
        "wrong": [_owing(site, bill, read, now) for bill in wrong],
        "sums": [(minor, currency) for currency, minor in sums.items()],
        "left_off": len(owing) == ROWS,
        "unclaimed_days": round(settings.UNCLAIMED_AFTER_SECONDS / 86400),
    }
    return site.show(request, "portals/hospital/refunds.html", context, title=gettext("Refunds due"))


def _owing(site: PortalSite, bill: Bill, read: Locked, now: datetime) -> Owing:
    row = _carrier(bill, read)
    link = act_link(site, row, "refunded", back=site.address("refunds"))
    return Owing(bill, read.terms(bill.pk), row, link, unclaimed(bill, now=now))


def _carrier(bill: Bill, read: Locked) -> Transaction:
    """The wish on which a bill's refund is reported: what is settled now, else the last one that cash was told for."""
    rows = [row for row in read.rows.values() if row.bill_id == bill.pk and row.operation_class == OperationClass.MOVES]
    live = [row for row in rows if row.state == TransactionState.SUCCEEDED]
    paid = [row for row in rows if read.paid.get(row.pk)]
    return (live or paid or rows)[-1]
