"""A business day: the hospital's own list held against ours, what has not ended, and the signature under it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext

from accounts.services import audit_write
from accounts.states import Role
from core.clock import database_now
from core.errors import Conflict, Forbidden, Problem
from core.ids import new_trace_id
from exchange.days import NOT_RECEIVED
from exchange.selectors.days import day_list_latest
from exchange.services.days import day_give, day_sign
from hospitals.portal.acting import refused
from hospitals.portal.reading import day_of
from portal.acting import address_with, reader
from portal.site import PortalSite

AMOUNTS = ("total_minor", "fund_minor", "account_minor", "hospital_minor", "cash_minor")


class ListChanged(Conflict):
    code = "list_changed"
    title = "Another list came meanwhile"
    detail = "Version {version} of the list of {day} is the latest one."
    detail_zh = "{day} 的最新清单为第 {version} 版。"


def day(site: PortalSite, request: HttpRequest) -> HttpResponse:
    """One day; a POST signs the list that was looked at."""
    user, now = reader(request), database_now()
    today = timezone.localtime(now).date()
    given = day_of(request.POST.get("day") or request.GET.get("day"))
    asked = given if given and date(2000, 1, 1) < given <= today else today
    if request.method == "POST":
        return _sign(site, request, asked)
    result = day_give(organisation_id=user.organisation_id, business_date=asked, now=now)
    listed = result["list"]
    context = {
        "now": now,
        "day": asked,
        "result": result,
        "listed": listed,
        "not_received": NOT_RECEIVED,
        "compared": _compared(result),
        "may_sign": user.has_role(Role.HOSPITAL_BACK_OFFICE),
        "earlier": address_with({"day": (asked - timedelta(days=1)).isoformat()}),
        "later": address_with({"day": (asked + timedelta(days=1)).isoformat()}) if asked < today else "",
        "gives_up": sum(one["kind"] == "absent" for one in result["cases"]),
        "hospital": user.organisation,
    }
    title = f"{gettext('Day reconciliation')} {asked.isoformat()}"
    return site.show(request, "portals/hospital/day.html", context, title=title)


def _compared(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Per currency: ours, the list's, and where they differ."""
    ours = {one["currency"]: one for one in result["ours"]}
    theirs = {one["currency"]: one for one in result["theirs"]}
    nothing = {"count": 0, **dict.fromkeys(AMOUNTS, 0)}
    return [
        {"currency": currency, "ours": ours.get(currency, nothing), "theirs": theirs.get(currency, nothing)}
        for currency in sorted(ours.keys() | theirs.keys())
    ]


def _sign(site: PortalSite, request: HttpRequest, asked: date) -> HttpResponse:
    user, now, trace_id = reader(request), database_now(), new_trace_id()
    back = site.address("days") + address_with({"day": asked.isoformat()})
    seen = request.POST.get("version", "")
    try:
        if not user.has_role(Role.HOSPITAL_BACK_OFFICE):
            raise Forbidden(subject="user", act="sign a day")
        latest = day_list_latest(organisation_id=user.organisation_id, business_date=asked)
        if latest is not None and str(latest.version) != seen:
            raise ListChanged(version=latest.version, day=asked)
        day_sign(
            organisation_id=user.organisation_id,
            business_date=asked,
            signed_by=user.username,
            by=user.username,
            now=now,
        )
    except Problem as problem:
        return refused(site, request, problem, row=None, back=back, trace_id=trace_id)
    audit_write(
        actor=user.username,
        organisation_id=user.organisation_id,
        action="day.signed",
        subject=asked.isoformat(),
        now=now,
        trace_id=trace_id,
    )
    messages.success(request, gettext("Signed. What the list lacks and nobody booked is being reversed."))
    return HttpResponseRedirect(back)
