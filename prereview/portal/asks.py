"""Second requests: each waits until a supervisor has read it and lets it out under both names."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.states import Role
from core.clock import database_now
from core.ids import new_trace_id
from portal.acting import back_of, in_chinese, reader
from portal.labels import label
from portal.site import PortalSite
from prereview.portal.acting import done_or_shown
from prereview.portal.reading import claim_shown, page_of
from prereview.selectors.desk import ask_waiting, asks_waiting
from prereview.services.bench import ask_let_out, ask_refuse

ASKS_SHOWN = 50


def asks(site: PortalSite, request: HttpRequest) -> HttpResponse:
    context = {"asks": list(asks_waiting()[:ASKS_SHOWN]), "now": database_now(), "reader": reader(request)}
    return site.show(request, "portals/review/asks.html", context, title=gettext("Second requests"))


def ask(site: PortalSite, request: HttpRequest, ask_id: UUID) -> HttpResponse:
    user = reader(request)
    found = ask_waiting(ask_id=ask_id)
    row = claim_shown(user=user, claim_id=found.claim_id) if found else None
    if found is None or row is None:
        return site.missing(request, gettext("It was let out or taken back already."))
    if request.method == "POST":
        trace_id, now = new_trace_id(), database_now()

        def decide() -> str:
            if request.POST.get("decision") == "refuse":
                ask_refuse(ask_id=ask_id, note=request.POST.get("note", "")[:500], user=user, now=now)
                return gettext("It does not go out. The claim is as it was.")
            ask_let_out(ask_id=ask_id, user=user, now=now, trace_id=trace_id)
            return gettext("Sent. The clock stands still until the patient answers.")

        back = back_of(site, request.POST.get("back", ""), page_of(site, row))
        return done_or_shown(site, request, decide, row=row, back=back, trace_id=trace_id)
    own = found.proposed_by == user.username
    context = {
        "ask": found,
        "row": row,
        "own": own,
        "may": user.has_role(Role.REVIEW_SUPERVISOR) and not own,
        "items": [
            (label("document", item["kind"]), item["reason_zh" if in_chinese() else "reason"]) for item in found.items
        ],
        "back": back_of(site, request.GET.get("back", ""), page_of(site, row)),
        "now": database_now(),
    }
    return site.show(request, "portals/review/ask.html", context, title=gettext("Second request"))
