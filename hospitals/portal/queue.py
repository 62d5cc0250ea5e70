"""Unknown and reversals, oldest first: every case that has not ended, with what people may do about it."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.models import User
from core.clock import database_now
from exchange.selectors.desk import acts_waiting, rulings_waiting
from exchange.states import OperationClass
from hospitals.portal.cases import cases_of
from hospitals.portal.reading import UNCERTAIN, transactions_of
from portal.acting import address_with, reader
from portal.labels import label
from portal.selectors import scoped
from portal.site import PortalSite

QUEUE_ROWS = 50


def queue(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    wanted = request.GET.get("state", "")
    wanted = wanted if wanted in UNCERTAIN else ""
    open_rows = transactions_of(user=user).exclude(operation_class=OperationClass.READS).filter(state__in=UNCERTAIN)
    counts = dict(open_rows.order_by().values_list("state").annotate(Count("pk")))
    rows = open_rows.filter(state=wanted) if wanted else open_rows
    found = list(rows.order_by("state_at", "pk")[:QUEUE_ROWS])
    context = {
        "now": now,
        "cases": cases_of(site, found, back=request.get_full_path()),
        "left_off": max(0, (counts.get(wanted, 0) if wanted else sum(counts.values())) - len(found)),
        "tabs": [
            (name, address_with({"state": state}), count, state == wanted)
            for state, name, count in (
                ("", gettext("All"), sum(counts.values())),
                *((state, label("state", state), counts.get(state, 0)) for state in UNCERTAIN),
            )
        ],
        "waiting": waiting_of(user),
        "here": request.get_full_path(),
        "reader": user,
    }
    return site.show(request, "portals/hospital/queue.html", context, title=gettext("Unknown and reversals"))


def waiting_of(user: User) -> list[tuple[str, object]]:
    """What waits for its second name: (kind, ruling or act), oldest first."""
    rulings = [("rulings", one) for one in scoped(rulings_waiting(), user=user)[:QUEUE_ROWS]]
    acts = [("acts", one) for one in scoped(acts_waiting(), user=user)[:QUEUE_ROWS]]
    return sorted([*rulings, *acts], key=lambda one: one[1].proposed_at)  # type: ignore[attr-defined]
