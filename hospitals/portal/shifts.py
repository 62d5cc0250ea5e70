"""The cashier's shift: what it came to, its close, and the report to print and sign."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from accounts.services import audit_write
from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from exchange.selectors.shifts import shift_closes, shift_report
from exchange.services.shifts import ShiftDraft, shift_close
from hospitals.portal.acting import refused
from hospitals.portal.forms import ShiftForm
from hospitals.portal.tills import SHIFT_CHARACTERS, shift_of
from portal.acting import address_with, reader
from portal.selectors import scoped
from portal.site import PortalSite, term_of

CURRENCY = "CNY"
CLOSES_SHOWN = 20


def shifts(site: PortalSite, request: HttpRequest) -> HttpResponse:
    """The report of the shift that is asked for, or was worked in last; a POST closes it."""
    user = reader(request)
    asked = request.POST.get("shift_no") or request.GET.get("shift") or shift_of(request)
    shift_no = term_of(asked)[:SHIFT_CHARACTERS]
    form = ShiftForm(request.POST if request.method == "POST" else None, currency=CURRENCY)
    if request.method == "POST" and form.is_valid():
        return _close(site, request, form)
    if not form.is_bound:
        form = ShiftForm(initial={"token": uuid4(), "shift_no": shift_no}, currency=CURRENCY)
    closes = scoped(shift_closes(), user=user)
    closed = closes.filter(shift_no=shift_no).first() if shift_no else None
    report = closed.result if closed else _report(user.organisation_id, shift_no)
    context = {
        "now": database_now(),
        "shift_no": shift_no,
        "closed": closed,
        "report": report,
        "parts": _parts(report) if report else [],
        "empty": report is not None and not closed and not _anything(report),
        "form": form,
        "closes": closes[:CLOSES_SHOWN],
        "hospital": user.organisation,
    }
    title = f"{gettext('Shift')} {shift_no}" if shift_no else gettext("Shifts")
    status = 422 if form.is_bound else 200
    return site.show(request, "portals/hospital/shifts.html", context, title=title, status=status)


def _report(organisation_id: int, shift_no: str) -> dict[str, Any] | None:
    if not shift_no:
        return None
    return shift_report(organisation_id=organisation_id, shift_no=shift_no, currency=CURRENCY)


def _anything(report: dict[str, Any]) -> bool:
    counted = ("settled", "refused", "not_sent", "reversed", "cancelled", "unknown")
    return any(report[name]["count"] for name in counted) or bool(report["tenders"] or report["till_minor"])


def _parts(report: dict[str, Any]) -> list[tuple[str, int, int]]:
    """(what, how many, minor units) of what the shift's fees came to."""
    named = (
        (gettext("Settled"), "settled"),
        (gettext("Refused"), "refused"),
        (gettext("Not sent"), "not_sent"),
        (gettext("Reversed"), "reversed"),
        (gettext("Cancelled"), "cancelled"),
        (gettext("Unknown"), "unknown"),
    )
    return [(words, report[name]["count"], report[name]["total_minor"]) for words, name in named]


def _close(site: PortalSite, request: HttpRequest, form: ShiftForm) -> HttpResponse:
    user, now, trace_id = reader(request), database_now(), new_trace_id()
    shift_no, totals = term_of(form.cleaned_data["shift_no"]), form.totals()
    content = json.dumps([shift_no, totals], sort_keys=True).encode()
    back = site.address("shifts") + address_with({"shift": shift_no})
    draft = ShiftDraft(
        organisation_id=user.organisation_id,
        by=user.username,
        idempotency_key=f"desk-{form.cleaned_data['token']}",
        digest=hashlib.sha256(content).digest(),
        shift_no=shift_no,
        totals=totals,
        currency=CURRENCY,
    )
    try:
        closed = shift_close(draft=draft, now=now)
    except Problem as problem:
        return refused(site, request, problem, row=None, back=back, trace_id=trace_id)
    if not closed.replayed:
        audit_write(
            actor=user.username,
            organisation_id=user.organisation_id,
            action="shift.closed",
            subject=shift_no,
            details={"difference_minor": closed.result["difference_minor"]},
            now=now,
            trace_id=trace_id,
        )
    return HttpResponseRedirect(back)
