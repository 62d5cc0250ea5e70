"""The dialogs behind the buttons: what is entered, the check that nobody was faster, and the refusal in plain words."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from exchange.bills import BillTerms
from exchange.models import DeskAct, Ruling, Transaction
from exchange.selectors.bills import bills_read
from exchange.selectors.desk import acts_waiting, four_eyes_minor_of, rulings_waiting
from exchange.selectors.transactions import evidence_of
from exchange.services.desk import (
    BY_TWO,
    OPERATOR_CHARACTERS,
    DeskDraft,
    act_enter,
    act_second,
    act_withdraw,
    query_again,
)
from exchange.services.rulings import ruling_propose, ruling_second, ruling_withdraw
from exchange.states import Decision
from hospitals.portal.forms import FORMS, ActForm, RuleForm
from hospitals.portal.reading import transactions_of
from hospitals.portal.tills import shift_of, shift_remember
from portal.acting import back_of, done_or_refused, problem_told, reader, version_of
from portal.acting import refused as page_refused
from portal.advice import REFUSALS
from portal.labels import Text, label
from portal.selectors import scoped, state_history
from portal.site import PortalSite

CHANGES_SHOWN = 5


def act(site: PortalSite, request: HttpRequest, transaction_id: UUID, act: str) -> HttpResponse:
    """The dialog of an act, and what it does when it is sent."""
    row = transactions_of(user=reader(request)).filter(pk=transaction_id).first()
    if row is None or act not in FORMS:
        return site.missing(request, gettext("Your hospital has no transaction of this address."))
    terms = _terms(row)
    if request.method == "POST":
        form = FORMS[act](request.POST, row=row, terms=terms)
        return _entered(site, request, row, act, form) if form.is_valid() else _dialog(site, request, row, act, form)
    asked = {"version": row.version, "token": uuid4(), "back": request.GET.get("back", "")}
    asked["shift_no"] = shift_of(request)
    return _dialog(site, request, row, act, FORMS[act](initial=asked, row=row, terms=terms))


def _page_of(site: PortalSite, row: Transaction) -> str:
    return reverse(f"{site.name}:transaction", args=[row.pk])


def _terms(row: Transaction) -> BillTerms:
    return BillTerms() if row.bill_id is None else bills_read([row.bill_id]).terms(row.bill_id)


def _dialog(site: PortalSite, request: HttpRequest, row: Transaction, act: str, form: ActForm) -> HttpResponse:
    limit_minor = four_eyes_minor_of(row.organisation_id)
    back = form["back"].value()
    context = {
        "row": row,
        "act": act,
        "form": form,
        "terms": form.terms,
        "by_two": act in BY_TWO,
        "limit_minor": limit_minor,
        "back": back_of(site, str(back or ""), _page_of(site, row)),
        "now": database_now(),
    }
    status = 422 if form.is_bound else 200
    return site.show(
        request, "portals/hospital/act.html", context, title=f"{label('act', act)}: {row.his_no}", status=status
    )


def _entered(site: PortalSite, request: HttpRequest, row: Transaction, act: str, form: ActForm) -> HttpResponse:
    trace_id = new_trace_id()
    back = back_of(site, form.cleaned_data["back"], _page_of(site, row))

    def enter() -> str:
        user, version = reader(request), form.cleaned_data["version"]
        if act == "query-again":
            query_again(transaction_id=row.pk, user=user, trace_id=trace_id, now=database_now())
            return gettext("The insurer is being asked now. Look again in a moment.")
        if isinstance(form, RuleForm):
            ruling_propose(
                transaction_id=row.pk,
                version=version,
                decision=Decision(form.cleaned_data["decision"]),
                reason=form.cleaned_data["reason"],
                amounts=form.amounts(),
                user=user,
                trace_id=trace_id,
                now=database_now(),
            )
            return gettext("Proposed. It counts once a colleague has confirmed it.")
        values = form.values()
        if "shift_no" in form.fields:
            shift_remember(request)
            values["operator_no"] = user.username[:OPERATOR_CHARACTERS]
        entered = act_enter(
            draft=DeskDraft(
                transaction_id=row.pk,
                version=version,
                act=act,
                values=values,
                token=form.cleaned_data["token"],
                user=user,
                trace_id=trace_id,
            ),
            now=database_now(),
        )
        if entered.problem is not None:
            return " ".join(str(part) for part in told(entered.problem))
        if entered.waiting is not None:
            return gettext("Entered. From this amount on it counts once a colleague has confirmed it.")
        return gettext("Saved.")

    def refuse(problem: Problem) -> HttpResponse:
        return refused(site, request, problem, row=row, back=back, trace_id=trace_id)

    return done_or_refused(site, request, enter, back=back, trace_id=trace_id, refuse=refuse)


def waiting(site: PortalSite, request: HttpRequest, kind: str, waiting_id: UUID) -> HttpResponse:
    """What waits for its second name: looked at, confirmed or withdrawn."""
    user = reader(request)
    found: Ruling | DeskAct | None = None
    if kind == "rulings":
        found = scoped(rulings_waiting(), user=user).filter(pk=waiting_id).first()
    elif kind == "acts":
        found = scoped(acts_waiting(), user=user).filter(pk=waiting_id).first()
    if found is None:
        return site.missing(request, gettext("It was confirmed or withdrawn already, or is not your hospital's."))
    row = transactions_of(user=user).get(pk=found.transaction_id)
    if request.method == "POST":
        return _decided(site, request, kind, found, row)
    context = {
        "kind": kind,
        "found": found,
        "row": row,
        "own": found.proposed_by == user.username,
        "terms": _terms(row),
        "back": back_of(site, request.GET.get("back", ""), _page_of(site, row)),
        "now": database_now(),
    }
    return site.show(request, "portals/hospital/waiting.html", context, title=gettext("Waits for a second name"))


def _decided(
    site: PortalSite, request: HttpRequest, kind: str, found: Ruling | DeskAct, row: Transaction
) -> HttpResponse:
    user, trace_id = reader(request), new_trace_id()
    back = back_of(site, request.POST.get("back", ""), _page_of(site, row))
    seen = version_of(request.POST)
    withdraw = request.POST.get("decision") == "withdraw"

    def decide() -> str:
        now = database_now()
        if withdraw and kind == "rulings":
            ruling_withdraw(ruling_id=found.pk, user=user, trace_id=trace_id, now=now)
        elif withdraw:
            act_withdraw(act_id=found.pk, user=user, trace_id=trace_id, now=now)
        elif kind == "rulings":
            ruling_second(ruling_id=found.pk, version=seen, user=user, trace_id=trace_id, now=now)
        else:
            act_second(act_id=found.pk, version=seen, user=user, trace_id=trace_id, now=now)
        return gettext("Withdrawn. Nothing was changed.") if withdraw else gettext("Confirmed: it counts from now on.")

    def refuse(problem: Problem) -> HttpResponse:
        return refused(site, request, problem, row=row, back=back, trace_id=trace_id)

    return done_or_refused(site, request, decide, back=back, trace_id=trace_id, refuse=refuse)


def refused(
    site: PortalSite, request: HttpRequest, problem: Problem, *, row: Transaction | None, back: str, trace_id: str
) -> HttpResponse:
    context: dict[str, Any] = {"trace_id": trace_id, "row": row, "back": back}
    if row is not None:
        fresh = transactions_of(user=reader(request)).filter(pk=row.pk).first() or row
        seen = problem.extra.get("seen_version")
        steps = state_history(entity=Transaction._meta.db_table, entity_id=row.pk, user=reader(request))
        context |= {
            "row": fresh,
            "changes": list(steps.filter(version__gt=seen))[-CHANGES_SHOWN:] if seen is not None else [],
            "facts": list(evidence_of(fresh))[-CHANGES_SHOWN:] if seen is not None else [],
            "now": database_now(),
        }
    return page_refused(site, request, told(problem), problem.status, context, template="portals/hospital/refused.html")


def told(problem: Problem) -> tuple[Text, Text]:
    """Cause and remedy in the words of the hospital's people."""
    return REFUSALS.get(problem.code) or problem_told(problem)
