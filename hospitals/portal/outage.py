"""The outage list: bills that were paid in cash because no settlement came, to be settled anew, one or many."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from exchange.selectors.outage import outage_list
from exchange.services.desk import resettle_at_desk
from hospitals.portal.acting import refused, told
from hospitals.portal.tills import shift_of, shift_remember
from portal.acting import address_with, reader
from portal.selectors import organisations_of
from portal.site import PortalSite, term_of

CURSOR_CHARACTERS = 120


def outage(site: PortalSite, request: HttpRequest) -> HttpResponse:
    """The list; a POST settles anew what was ticked, and says what became of each."""
    if request.method == "POST":
        return _resettle(site, request)
    cursor = request.GET.get("before", "")[:CURSOR_CHARACTERS]
    now = database_now()
    page = outage_list(organisations=organisations_of(reader(request)), now=now, cursor=cursor)
    context = {
        "now": now,
        "rows": page.rows,
        "sums": [(minor, currency) for currency, minor in page.paid_minor.items()],
        "ready": sum(not row.needs for row in page.rows),
        "older": address_with({}, before=page.next_cursor) if page.next_cursor else "",
        "newest": site.address("outage") if cursor else "",
        "shift_no": shift_of(request),
    }
    return site.show(request, "portals/hospital/outage.html", context, title=gettext("Outage list"))


def _resettle(site: PortalSite, request: HttpRequest) -> HttpResponse:
    his_nos = list(dict.fromkeys(term_of(one) for one in request.POST.getlist("his_no")))
    trace_id, user = new_trace_id(), reader(request)
    try:
        results = resettle_at_desk(
            his_nos=his_nos, shift_no=shift_remember(request), user=user, trace_id=trace_id, now=database_now()
        )
    except Problem as problem:
        return refused(site, request, problem, row=None, back=site.address("outage"), trace_id=trace_id)
    context = {
        "results": [(one, told(one.problem) if one.problem else None) for one in results],
        "sent": sum(one.problem is None for one in results),
        "trace_id": trace_id,
    }
    status = 200 if results else 422
    return site.show(request, "portals/hospital/resettled.html", context, title=gettext("Settled anew"), status=status)
