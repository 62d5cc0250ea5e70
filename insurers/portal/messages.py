"""What came in the insurer's name: each message with what became of it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.clock import database_now
from insurers.portal.reading import PAGE_ROWS
from insurers.selectors.docking import inbound_visible_to
from portal.acting import reader
from portal.site import PortalSite


def messages(site: PortalSite, request: HttpRequest) -> HttpResponse:
    rows = list(inbound_visible_to(user=reader(request))[: PAGE_ROWS + 1])
    context = {"now": database_now(), "rows": rows[:PAGE_ROWS], "more": len(rows) > PAGE_ROWS}
    return site.show(request, "portals/insurer/messages.html", context, title=gettext("Messages from your system"))
