"""The dialogs behind the buttons: what is entered, the check that nobody was faster, and the refusal in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from claims.models import Claim
from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from portal.acting import back_of, done_or_refused, problem_told, reader, refused
from portal.labels import label
from portal.site import PortalSite
from prereview.portal.forms import (
    FORMS,
    AskForm,
    ClauseForm,
    DeclineForm,
    LookForm,
    PassForm,
    ReviewForm,
    WordingForm,
)
from prereview.portal.reading import claim_shown, page_of
from prereview.selectors.runs import run_latest
from prereview.services.bench import (
    review_appeal,
    review_ask,
    review_decline,
    review_give_back,
    review_investigate,
    review_investigated,
    review_paper,
    review_pass,
    review_take,
)
from prereview.services.looks import second_look


def act(site: PortalSite, request: HttpRequest, claim_id: UUID, act: str) -> HttpResponse:
    """The dialog of an act, and what it does when it is sent."""
    row = claim_shown(user=reader(request), claim_id=claim_id)
    if row is None or act not in FORMS:
        return site.missing(request, gettext("There is no claim at this address that has been filed."))
    known: dict[str, Any] = {"row": row, "run": run_latest(claim_id=claim_id), "now": database_now()}
    if request.method != "POST":
        asked = {"version": row.version, "back": request.GET.get("back", "")}
        return _dialog(site, request, row, act, FORMS[act](initial=asked, **known))
    if act == "ask":
        return _composed(site, request, row, known)
    form = FORMS[act](request.POST, **known)
    return _entered(site, request, row, act, form) if form.is_valid() else _dialog(site, request, row, act, form)


def holding(site: PortalSite, request: HttpRequest, claim_id: UUID) -> HttpResponse:
    """Take the claim, or give it back."""
    user = reader(request)
    row = claim_shown(user=user, claim_id=claim_id)
    if row is None:
        return site.missing(request, gettext("There is no claim at this address that has been filed."))

    def hold() -> str:
        if request.POST.get("hold") == "give_back":
            review_give_back(claim_id=claim_id, user=user)
            return gettext("Given back: others may take it.")
        review_take(claim_id=claim_id, user=user, now=database_now())
        return gettext("It is yours for twenty minutes; looking at it again prolongs that.")

    back = back_of(site, request.POST.get("back", ""), page_of(site, row))
    return done_or_shown(site, request, hold, row=row, back=back, trace_id=new_trace_id())


def _composed(site: PortalSite, request: HttpRequest, row: Claim, known: dict[str, Any]) -> HttpResponse:
    """First what is needed, then the wording to look at, then out."""
    if "message" in request.POST:
        sent = WordingForm(request.POST, **known)
        return (
            _entered(site, request, row, "ask", sent) if sent.is_valid() else _dialog(site, request, row, "ask", sent)
        )
    form = AskForm(request.POST, **known)
    if not form.is_valid():
        return _dialog(site, request, row, "ask", form)
    english, chinese = form.wording()
    shown = {**request.POST.dict(), "message": english, "message_zh": chinese}
    return _dialog(site, request, row, "ask", WordingForm(initial=shown, **known))


def _dialog(site: PortalSite, request: HttpRequest, row: Claim, act: str, form: ReviewForm) -> HttpResponse:
    context = {
        "row": row,
        "act": act,
        "form": form,
        "second": act == "ask" and row.materials_asked > 0,
        "back": back_of(site, str(form["back"].value() or ""), page_of(site, row)),
    }
    title = f"{label('review_act', act)}: {row.claim_no}"
    return site.show(request, "portals/review/act.html", context, title=title, status=422 if form.errors else 200)


def _entered(site: PortalSite, request: HttpRequest, row: Claim, act: str, form: ReviewForm) -> HttpResponse:
    trace_id = new_trace_id()
    asked = {
        "claim_id": row.pk,
        "version": form.cleaned_data["version"],
        "user": reader(request),
        "now": database_now(),
        "trace_id": trace_id,
    }
    back = back_of(site, form.cleaned_data["back"], page_of(site, row))
    return done_or_shown(site, request, lambda: _done(act, form, asked), row=row, back=back, trace_id=trace_id)


def _done(act: str, form: ReviewForm, asked: dict[str, Any]) -> str:
    values = form.cleaned_data
    if isinstance(form, ClauseForm):
        asked["clause"], asked["clause_zh"] = form.clause()
        asked["explanation"] = values["explanation"]
    if isinstance(form, PassForm):
        review_pass(amounts_minor=form.amounts(), risk=values["risk"], **asked)
        return gettext("Recommended. It goes on by the product's own way.")
    if isinstance(form, DeclineForm):
        review_decline(reason_code=values["reason_code"], **asked)
        return gettext("Declined. The patient is told the clause and until when he may appeal.")
    if isinstance(form, WordingForm):
        return _asked(form, asked)
    if isinstance(form, LookForm):
        del asked["version"], asked["trace_id"]
        second_look(agrees=values["agrees"] == "yes", note=values["note"], **asked)
        return gettext("Saved.")
    if act == "paper":
        review_paper(courier_no=values["courier_no"], **asked)
        return gettext("Noted: the paper originals have come.")
    if act == "investigate":
        review_investigate(reason=values["reason"], **asked)
        return gettext("It is being looked into.")
    if act == "investigated":
        review_investigated(finding=values["finding"], **asked)
        return gettext("Back before the pre-review; its rules run again in a moment.")
    if act == "reopen":
        review_appeal(uphold=False, clause="", clause_zh="", explanation=values["explanation"], **asked)
        return gettext("The appeal has won: the claim is in the queue again.")
    review_appeal(uphold=True, **asked)
    return gettext("The decision stands. The patient is told.")


def _asked(form: WordingForm, asked: dict[str, Any]) -> str:
    values = form.cleaned_data
    result = review_ask(
        items=form.items(),
        message=values["message"],
        message_zh=values["message_zh"],
        answer_by=values["answer_by"],
        why_not_before=values.get("why_not_before", ""),
        **asked,
    )
    if hasattr(result, "proposed_by"):
        return gettext("A second request: it goes out once a supervisor has let it.")
    return gettext("Sent. The clock stands still until the patient answers.")


def done_or_shown(
    site: PortalSite, request: HttpRequest, do: Callable[[], str], *, row: Claim, back: str, trace_id: str
) -> HttpResponse:
    """As everywhere; a refusal leads to the claim as it is now."""

    def refuse(problem: Problem) -> HttpResponse:
        context = {"back": page_of(site, row), "trace_id": trace_id}
        told = problem_told(problem)
        return refused(site, request, told, problem.status, context, template="portals/review/refused.html")

    return done_or_refused(site, request, do, back=back, trace_id=trace_id, refuse=refuse)
