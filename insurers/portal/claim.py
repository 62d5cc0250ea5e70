"""The review bench of an insurer: documents, facts, arithmetic line by line, what was recommended, and the acts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import User
from claims.models import Claim
from claims.selectors.claims import decisions_of, materials_requests_of
from claims.selectors.documents import documents_visible, page_visible
from claims.selectors.timeline import clocks_of, next_step, timeline_of
from claims.services.documents import page_read
from claims.services.leases import lease_give_back, lease_take
from claims.states import Audience, ClaimState, Stage
from core.clock import database_now
from core.errors import Problem
from insurers.models import WaitingDecision
from insurers.portal.reading import claim_shown, decides
from insurers.selectors.authority import authority_of, waiting_visible_to
from insurers.selectors.docking import pushes_of
from insurers.services.desk import stake_minor
from portal.acting import Button, in_chinese, problem_told, reader
from portal.site import PortalSite
from registry.services.persons import PersonFacts, person_facts

S = ClaimState
# Acts by the states in which they are possible, in the order of the buttons.
ACTS: dict[str, tuple[ClaimState, ...]] = {
    "approve": (S.IN_CONFIRMATION,),
    "approve-partly": (S.IN_CONFIRMATION,),
    "decline": (S.IN_CONFIRMATION,),
    "ask": (S.IN_CONFIRMATION,),
    "investigate": (S.IN_CONFIRMATION,),
    "end-investigation": (S.INVESTIGATION,),
    "appeal": (S.APPEALED,),
    "reopen": (S.CONFIRMED, S.PARTLY_CONFIRMED, S.DECLINED, S.CLOSED),
}


def claim(site: PortalSite, request: HttpRequest, claim_id: UUID) -> HttpResponse:
    """The bench. Posting takes the claim for twenty minutes, or gives it back."""
    user, now = reader(request), database_now()
    row = claim_shown(user=user, claim_id=claim_id)
    if row is None:
        return site.missing(request, gettext("Your company has no claim of this address."))
    if request.method == "POST":
        return _lease(site, request, row, user, now)
    waiting = waiting_visible_to(user=user).filter(claim=row).first()
    step = next_step(claim=row, now=now)
    lease = getattr(row, "lease", None)
    context = {
        "now": now,
        "row": row,
        "person": _masked(person_facts(person=row.person)),
        "step": step,
        "step_told": step.what_zh if in_chinese() else step.what,
        "beside": [(one, one.what_zh if in_chinese() else one.what) for one in step.also],
        "clocks": clocks_of(claim=row, now=now),
        "lines": [
            (line, line.basic_minor + line.other_minor + line.charity_minor, f"{line.ratio_basis_points / 100:g} %")
            for line in row.lines.order_by("line_no")
        ],
        "documents": list(documents_visible(claim=row, role=Audience.INSURER)),
        "decisions": decisions_of(claim=row),
        "asked": materials_requests_of(claim=row),
        "timeline": [
            (entry, entry.text_zh if in_chinese() else entry.text, sides().get(entry.who, ""))
            for entry in timeline_of(claim=row, audience=Audience.INSURER)
        ],
        "pushes": list(pushes_of(claim_id=row.pk, user=user)),
        "waiting": waiting,
        "own": waiting is not None and waiting.proposed_by == user.username,
        "lease": lease if lease is not None and lease.until > now else None,
        "buttons": buttons(site, row, user, waiting),
        "stake_minor": stake_minor(row),
        "authority": authority_of(
            user_id=user.pk, product_code=row.product_id, drug_code=row.drug_id, currency=row.currency
        ),
        "reader": user,
        "may_decide": decides(user, row),
    }
    return site.show(request, "portals/insurer/claim.html", context, title=row.claim_no)


def buttons(site: PortalSite, row: Claim, user: User, waiting: WaitingDecision | None) -> list[Button]:
    """The acts that the state allows; one that this person may not do says why."""
    if row.stage != Stage.CONFIRMATION:
        return []
    why_not = ""
    if not decides(user, row):
        why_not = gettext("Only clerks of the insurer that leads this product decide.")
    elif waiting is not None and waiting.claim_version == row.version:
        why_not = gettext("A decision waits for its second name.")
    return [
        Button(act, titles()[act], reverse(f"{site.name}:act", args=[row.pk, act]), why_not, main=act == "approve")
        for act, states in ACTS.items()
        if row.state in states
    ]


def sides() -> dict[str, str]:
    """Who did it, where the timeline names a side and not a person."""
    return {
        "patient": gettext("Patient"),
        "platform": gettext("Platform"),
        "insurer": gettext("Insurer"),
        "clock": gettext("Term"),
    }


def titles() -> dict[str, str]:
    return {
        "approve": gettext("Approve"),
        "approve-partly": gettext("Approve in part"),
        "decline": gettext("Decline"),
        "ask": gettext("Ask for more"),
        "investigate": gettext("Look into it"),
        "end-investigation": gettext("End looking into it"),
        "appeal": gettext("Answer the appeal"),
        "reopen": gettext("Reopen"),
    }


def document_page(
    site: PortalSite, request: HttpRequest, claim_id: UUID, document_id: UUID, number: int
) -> HttpResponse:
    """One page of a document as an image."""
    row = claim_shown(user=reader(request), claim_id=claim_id)
    page = None
    if row is not None and number < 32_768:
        page = page_visible(claim=row, document_id=document_id, number=number, role=Audience.INSURER)
    if page is None:
        return site.missing(request, gettext("Your company has no claim of this address."))
    return HttpResponse(page_read(page=page), content_type="image/jpeg")


def _lease(site: PortalSite, request: HttpRequest, row: Claim, user: User, now: datetime) -> HttpResponse:
    back = HttpResponseRedirect(reverse(f"{site.name}:claim", args=[row.pk]))
    if not decides(user, row):
        messages.error(request, gettext("Only clerks of the insurer that leads this product decide."))
        return back
    if request.POST.get("lease") == "give_back":
        lease_give_back(claim_id=row.pk, holder=user.username)
        return back
    try:
        lease_take(
            claim_id=row.pk,
            stage=Stage.CONFIRMATION,
            holder=user.username,
            holder_name=user.display_name,
            now=now,
        )
    except Problem as problem:
        messages.error(request, " ".join(str(part) for part in problem_told(problem)))
    return back


def _masked(facts: PersonFacts) -> dict[str, object]:
    """Who it is, with as much of the number as tells two persons apart."""
    number = facts.id_no
    return {"name": facts.name, "id_no": f"{number[:3]}···{number[-4:]}", "born_on": facts.born_on}
