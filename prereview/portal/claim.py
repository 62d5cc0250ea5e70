"""The bench: documents left, facts, rules and arithmetic right, the acts in a bar above."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import User
from claims.models import Claim
from claims.selectors.claims import decisions_of, materials_requests_of
from claims.selectors.documents import documents_visible, page_visible
from claims.selectors.timeline import clocks_of, next_step, timeline_of
from claims.services.documents import page_read
from claims.states import Audience
from core.clock import database_now
from core.errors import Problem
from portal.acting import Button, back_of, in_chinese, reader
from portal.labels import label
from portal.site import PortalSite
from prereview.portal.queue import holder_of
from prereview.portal.reading import claim_shown, finding_words
from prereview.selectors.desk import ask_of, looks_of
from prereview.selectors.moves import moves_of
from prereview.selectors.runs import run_latest
from registry.selectors.persons import person_facts

LENS = Audience.PREREVIEW


def claim(site: PortalSite, request: HttpRequest, claim_id: UUID) -> HttpResponse:
    user, now = reader(request), database_now()
    row = claim_shown(user=user, claim_id=claim_id)
    if row is None:
        return site.missing(request, gettext("There is no claim at this address that has been filed."))
    run = run_latest(claim_id=claim_id)
    holder = holder_of(row, now)
    step = next_step(claim=row, now=now)
    results = [(one, finding_words(one, row.currency)) for one in run.results.order_by("position")] if run else []
    context = {
        "row": row,
        "now": now,
        "reader": user,
        "holder": holder,
        "mine": holder is not None and holder.holder == user.username,
        "step": step,
        "step_words": step.what_zh if in_chinese() else step.what,
        "beside": [(one, one.what_zh if in_chinese() else one.what) for one in step.also],
        "documents": documents_visible(claim=row, role=LENS).filter(replaced_by__isnull=True),
        "buttons": buttons_of(site, row, user, now, back=request.get_full_path()),
        "person": _person(row, holder is not None and holder.holder == user.username),
        "run": run,
        "routed": [pair for pair in results if not pair[0].passed],
        "passed": [pair for pair in results if pair[0].passed],
        "lines": row.lines.order_by("line_no"),
        "decisions": decisions_of(claim=row),
        "requests": materials_requests_of(claim=row),
        "timeline": [(one, one.text_zh if in_chinese() else one.text) for one in timeline_of(claim=row, audience=LENS)],
        "clocks": clocks_of(claim=row, now=now),
        "ask": ask_of(claim_id=claim_id),
        "looks": looks_of(claim_id=claim_id),
        "chinese": in_chinese(),
        "back": back_of(site, request.GET.get("back", ""), site.address("index")),
    }
    return site.show(request, "portals/review/claim.html", context, title=row.claim_no)


def page_image(site: PortalSite, request: HttpRequest, claim_id: UUID, document_id: UUID, number: int) -> HttpResponse:
    """One rendered page, unsealed for this answer only."""
    row = claim_shown(user=reader(request), claim_id=claim_id)
    page = page_visible(claim=row, document_id=document_id, number=number, role=LENS) if row else None
    if page is None:
        return site.missing(request, gettext("There is no such page among the documents of this claim."))
    answer = HttpResponse(page_read(page=page), content_type="image/jpeg")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def buttons_of(site: PortalSite, row: Claim, user: User, now: datetime, *, back: str) -> Sequence[Button]:
    return [
        Button(
            act=move.act,
            title=label("review_act", move.act),
            link=reverse(f"{site.name}:act", args=[row.pk, move.act]) + "?" + urlencode({"back": back}),
            why_not=_why_not(move.why_not),
            main=move.act in ("pass", "reopen", "look") and not move.why_not,
        )
        for move in moves_of(claim=row, user=user, now=now)
    ]


def _why_not(code: str) -> str:
    return {
        "": "",
        "take_first": gettext("Take the claim first: then nobody else works on it at the same time."),
        "held": gettext("Somebody else works on it right now."),
        "own_decision": gettext("You took part in the decision: another person looks at it."),
        "waits_for_supervisor": gettext("A second request waits for a supervisor."),
    }[code]


def _person(row: Claim, mine: bool) -> dict[str, Any]:
    """Whom the papers must show. Read whole only by who has taken the claim."""
    try:
        facts = person_facts(person=row.person)
    except Problem:
        return {"erased": True}
    number = facts.id_no if mine else "*" * max(0, len(facts.id_no) - 4) + facts.id_no[-4:]
    name = facts.name if mine else facts.name[:1] + "*" * (len(facts.name) - 1)
    return {"name": name, "id_no": number, "born_on": row.person.born_on, "whole": mine}
