"""The list of transactions: by day, state and operation, or found by a number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from core.clock import database_now
from exchange.models import Transaction
from exchange.states import OPEN, OPERATION_CLASSES, OperationClass, TransactionState
from hospitals.portal.reading import (
    UNBOOKED,
    UNCERTAIN,
    day_bounds,
    day_of,
    page_of,
    transactions_matching,
    transactions_of,
    unbooked,
)
from portal.acting import address_with, reader
from portal.labels import label
from portal.site import PortalSite, term_of

# Choices of the state filter beside the states themselves.
NOT_FINAL, UNCERTAIN_CHOICE, ANSWERED = "open", "uncertain", "answered"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters of the address, nonsense left out."""

    term: str
    day: date | None
    state: str
    operation: str

    @classmethod
    def of(cls, request: HttpRequest) -> Wanted:
        state, operation = request.GET.get("state", ""), request.GET.get("operation", "")
        return cls(
            term=term_of(request.GET.get("q")),
            day=day_of(request.GET.get("day")),
            state=state if state in (*TransactionState.values, NOT_FINAL, UNCERTAIN_CHOICE, ANSWERED, UNBOOKED) else "",
            operation=operation if operation in OPERATION_CLASSES else "",
        )

    def parameters(self) -> dict[str, str]:
        day = self.day.isoformat() if self.day else ""
        return {"q": self.term, "day": day, "state": self.state, "operation": self.operation}

    def rows(self, user: User) -> QuerySet[Transaction]:
        rows = transactions_matching(user=user, term=self.term) if self.term else transactions_of(user=user)
        if self.day is not None:
            begin, end = day_bounds(self.day)
            rows = rows.filter(received_at__gte=begin, received_at__lt=end)
        if self.state == UNBOOKED:
            rows = unbooked(rows)
        elif self.state:
            rows = rows.filter(_in_state(self.state))
        return rows.filter(operation=self.operation) if self.operation else rows


def _in_state(choice: str) -> Q:
    """The rows of a choice. A question that succeeded counts as answered, as its badge says, not as settled."""
    if choice in (ANSWERED, TransactionState.SUCCEEDED):
        question = Q(operation_class=OperationClass.READS)
        return Q(state=TransactionState.SUCCEEDED) & (question if choice == ANSWERED else ~question)
    return Q(state__in={NOT_FINAL: OPEN, UNCERTAIN_CHOICE: UNCERTAIN}.get(choice, (choice,)))


def transactions(site: PortalSite, request: HttpRequest) -> HttpResponse:
    wanted, now = Wanted.of(request), database_now()
    today = timezone.localtime(now).date()
    page = page_of(wanted.rows(reader(request)), moment="received_at", cursor=request.GET.get("before", ""))
    parameters = wanted.parameters()
    days = [(gettext("Today"), today), (gettext("Yesterday"), today - timedelta(days=1))]
    context = {
        "now": now,
        "wanted": wanted,
        "day": parameters["day"],
        "rows": page.rows,
        "older": address_with(parameters, before=page.older) if page.older else "",
        "newest": address_with(parameters) if request.GET.get("before") else "",
        "filtered": any(parameters.values()),
        "days": [
            *((title, address_with(parameters, day=day.isoformat()), wanted.day == day) for title, day in days),
            (gettext("All days"), address_with(parameters, day=""), wanted.day is None),
        ],
        "states": [
            (NOT_FINAL, gettext("Not final (all kinds)")),
            (UNCERTAIN_CHOICE, gettext("In doubt, being reversed or with a person")),
            *((value, label("state", value)) for value in TransactionState.values),
            (UNBOOKED, gettext("Settled, but not booked by the HIS")),
            (ANSWERED, label("answered", TransactionState.SUCCEEDED)),
        ],
        "operations": [(value, label("operation", value)) for value in OPERATION_CLASSES],
    }
    return site.show(request, "portals/hospital/transactions.html", context, title=gettext("Transactions"))
