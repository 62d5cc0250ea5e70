"""The middleware log: every message to an insurer, by msgid, HIS number, trace id, insurer, time, kind and outcome."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.selectors import organisations_visible_to
from core.clock import database_now
from exchange.selectors.messages import MessageQuery, messages_find
from exchange.states import CallKind, CallOutcome
from hospitals.portal.reading import day_bounds, day_of, page_of
from portal.acting import address_with, reader
from portal.labels import label
from portal.selectors import organisations_of
from portal.site import PortalSite, term_of

CHOICES = ("msgid", "his_no", "trace_id", "insurer", "kind", "outcome")


def messages(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    day = day_of(request.GET.get("day"))
    since, until = day_bounds(day) if day else (None, None)
    get = request.GET.get
    kind, outcome = get("kind", ""), get("outcome", "")
    query = MessageQuery(
        msgid=term_of(get("msgid")),
        his_no=term_of(get("his_no")),
        trace_id=term_of(get("trace_id")),
        insurer=term_of(get("insurer")),
        kind=kind if kind in CallKind.values else "",
        outcome=outcome if outcome in (*CallOutcome.values, "none") else "",
        since=since,
        until=until,
    )
    calls = messages_find(organisations=organisations_of(user), query=query, now=now)
    page = page_of(calls, moment="armed_at", cursor=request.GET.get("before", ""))
    insurers = organisations_visible_to(user=user).filter(kind="insurer")
    parameters = {**{name: getattr(query, name) for name in CHOICES}, "day": day.isoformat() if day else ""}
    context = {
        "query": query,
        "day": parameters["day"],
        "rows": page.rows,
        "older": address_with(parameters, before=page.older) if page.older else "",
        "newest": address_with(parameters) if request.GET.get("before") else "",
        "filtered": any(parameters.values()),
        "insurers": sorted(insurers.values_list("code", flat=True)),
        "kinds": [(value, label("call", value)) for value in CallKind.values],
        "outcomes": [("none", label("outcome", "none"))]
        + [(value, label("outcome", value)) for value in CallOutcome.values],
    }
    return site.show(request, "portals/hospital/messages.html", context, title=gettext("Messages"))
