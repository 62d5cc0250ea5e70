"""The dialogs behind the buttons of a claim, and what waits for its second name."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from claims.models import Claim
from core.clock import database_now
from core.ids import new_trace_id
from insurers.models import WaitingDecision
from insurers.portal.claim import ACTS, titles
from insurers.portal.forms import (
    FORMS,
    AppealForm,
    ApproveForm,
    ApprovePartlyForm,
    AskForm,
    ClaimActForm,
    DeclineForm,
    InvestigateForm,
    ReopenForm,
)
from insurers.portal.reading import claim_shown, decides
from insurers.selectors.authority import authority_of, waiting_visible_to
from insurers.services.confirming import decision_enter, materials_ask, waiting_second, waiting_withdraw
from insurers.services.desk import stake_minor
from insurers.services.reopening import appeal_answer, decided_reopen, investigation_begin, investigation_close
from insurers.states import WaitingOutcome
from portal.acting import done_or_refused, in_chinese, reader
from portal.site import PortalSite

# Decisions that wait for a second name above their maker's own authority.
BY_TWO = ("approve", "approve-partly", "decline")


def act(site: PortalSite, request: HttpRequest, claim_id: UUID, act: str) -> HttpResponse:
    """The dialog of an act, and what it does when it is sent."""
    user = reader(request)
    row = claim_shown(user=user, claim_id=claim_id)
    if row is None or act not in FORMS or not decides(user, row):
        return site.missing(request, gettext("There is no such claim that you may decide."))
    if request.method == "POST":
        form = FORMS[act](request.POST, row=row)
        if form.is_valid():
            return _entered(site, request, row, form)
        return _dialog(site, request, row, act, form)
    return _dialog(site, request, row, act, FORMS[act](initial={"version": row.version}, row=row))


def _dialog(site: PortalSite, request: HttpRequest, row: Claim, act: str, form: ClaimActForm) -> HttpResponse:
    user = reader(request)
    line = authority_of(user_id=user.pk, product_code=row.product_id, drug_code=row.drug_id, currency=row.currency)
    context = {
        "row": row,
        "act": act,
        "title_of_act": titles()[act],
        "form": form,
        "possible": row.state in ACTS[act],
        "stake_minor": stake_minor(row),
        "authority": line,
        "by_two": act in BY_TWO and line is not None and stake_minor(row) > line.alone_minor,
        "back": reverse(f"{site.name}:claim", args=[row.pk]),
    }
    title = f"{titles()[act]}: {row.claim_no}"
    status = 422 if form.is_bound else 200
    return site.show(request, "portals/insurer/act.html", context, title=title, status=status)


def _entered(site: PortalSite, request: HttpRequest, row: Claim, form: ClaimActForm) -> HttpResponse:
    trace_id = new_trace_id()
    back = reverse(f"{site.name}:claim", args=[row.pk])
    return done_or_refused(site, request, lambda: _do(request, row, form, trace_id), back=back, trace_id=trace_id)


def _do(request: HttpRequest, row: Claim, form: ClaimActForm, trace_id: str) -> str:
    """Carry the act out; returns the word for it. Raises what the services raise."""
    user, now, entered = reader(request), database_now(), form.cleaned_data
    version = entered["version"]
    waits = gettext("Proposed. It counts once a colleague has confirmed it.")
    match form:
        case ApproveForm() | ApprovePartlyForm() | DeclineForm():
            waiting = decision_enter(
                claim_id=row.pk, version=version, wanted=form.decision(), user=user, now=now, trace_id=trace_id
            )
            return gettext("Decided.") if waiting is None else waits
        case AskForm():
            waiting = materials_ask(
                claim_id=row.pk, version=version, asked=form.asked(), user=user, now=now, trace_id=trace_id
            )
            return gettext("The patient was asked.") if waiting is None else waits
        case AppealForm():
            appeal_answer(
                claim_id=row.pk,
                version=version,
                uphold=entered["verdict"] == "uphold",
                explanation=entered["explanation"],
                user=user,
                now=now,
                trace_id=trace_id,
            )
        case ReopenForm():
            decided_reopen(
                claim_id=row.pk, version=version, reason=entered["reason"], user=user, now=now, trace_id=trace_id
            )
        case InvestigateForm():
            investigation_begin(
                claim_id=row.pk, version=version, reason=entered["reason"], user=user, now=now, trace_id=trace_id
            )
        case _:
            investigation_close(
                claim_id=row.pk, version=version, finding=entered["reason"], user=user, now=now, trace_id=trace_id
            )
    return gettext("Saved.")


def waiting(site: PortalSite, request: HttpRequest, waiting_id: UUID) -> HttpResponse:
    """What waits for its second name: looked at, confirmed or withdrawn."""
    user = reader(request)
    found = waiting_visible_to(user=user).filter(pk=waiting_id).first()
    if found is None:
        return site.missing(request, gettext("It was confirmed or withdrawn already, or is not your company's."))
    row = claim_shown(user=user, claim_id=found.claim_id)
    if row is None:
        return site.missing(request, gettext("Your company has no claim of this address."))
    if request.method == "POST":
        trace_id, back = new_trace_id(), reverse(f"{site.name}:claim", args=[row.pk])
        withdraw = request.POST.get("decision") == "withdraw"
        return done_or_refused(
            site, request, lambda: _second(request, found, trace_id, withdraw), back=back, trace_id=trace_id
        )
    line = authority_of(user_id=user.pk, product_code=row.product_id, drug_code=row.drug_id, currency=row.currency)
    context = {
        "found": found,
        "row": row,
        "own": found.proposed_by == user.username,
        "words_shown": _words(found),
        "moved": found.claim_version != row.version,
        "enough": line is not None and line.second_minor >= found.stake_minor,
        "may_decide": decides(user, row),
        "back": reverse(f"{site.name}:claim", args=[row.pk]),
        "now": database_now(),
    }
    return site.show(request, "portals/insurer/waiting.html", context, title=gettext("Waits for a second name"))


def _words(found: WaitingDecision) -> list[str]:
    """What the patient would be told, and why only now, where it is he who is asked again."""
    wanted = ("message_zh" if in_chinese() else "message", "why_not_before")
    return [found.details[name] for name in wanted if found.details.get(name)]


def _second(request: HttpRequest, found: WaitingDecision, trace_id: str, withdraw: bool) -> str:
    user, now = reader(request), database_now()
    if withdraw:
        waiting_withdraw(waiting_id=found.pk, user=user, now=now)
        return gettext("Withdrawn. Nothing was changed.")
    closed = waiting_second(waiting_id=found.pk, user=user, now=now, trace_id=trace_id)
    if closed.outcome == WaitingOutcome.OVERTAKEN:
        return gettext("The claim had moved meanwhile: the proposal is closed and nothing was decided.")
    return gettext("Confirmed: it counts from now on.")
