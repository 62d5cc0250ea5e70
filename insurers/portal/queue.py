"""The review queue: what this insurer's people have to decide, what waits for others, what is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.models import User
from claims.models import Claim
from claims.selectors.claims import claims_visible_to
from claims.selectors.timeline import NextStep, next_step
from claims.states import ClaimState, Stage
from core.clock import database_now
from insurers.models import WaitingDecision
from insurers.portal.reading import PAGE_ROWS
from insurers.selectors.authority import waiting_visible_to
from portal.acting import address_with, in_chinese, reader
from portal.site import PortalSite

S = ClaimState
AT_INSURER = Q(stage=Stage.CONFIRMATION)
TABS: dict[str, Q] = {
    "todo": Q(state=S.IN_CONFIRMATION),
    "mine": Q(state__in=(S.IN_CONFIRMATION, S.INVESTIGATION, S.APPEALED)),
    "others": AT_INSURER & Q(state__in=(S.MATERIALS_REQUESTED, S.INVESTIGATION)),
    "appeals": AT_INSURER & Q(state=S.APPEALED),
    "done": AT_INSURER & Q(state__in=(S.CONFIRMED, S.PARTLY_CONFIRMED, S.DECLINED, S.CLOSED)),
    "before": Q(stage=Stage.PREREVIEW) & ~Q(state__in=(S.WITHDRAWN, S.CLOSED)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A claim with whose turn it is; `holder` has it open."""

    claim: Claim
    step: NextStep
    what: str
    holder: str
    waits: WaitingDecision | None


def queue(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    wanted = request.GET.get("tab", "todo")
    wanted = wanted if wanted in TABS else "todo"
    found = list(_rows(user, wanted, now)[: PAGE_ROWS + 1])
    waiting = list(waiting_visible_to(user=user)[:PAGE_ROWS])
    by_claim = {one.claim_id: one for one in waiting}
    context = {
        "now": now,
        "tab": wanted,
        "rows": [_row(one, now, by_claim.get(one.pk)) for one in found[:PAGE_ROWS]],
        "more": len(found) > PAGE_ROWS,
        "waiting": waiting,
        "reader": user,
        "tabs": [
            (name, address_with({"tab": tab}), _rows(user, tab, now).count(), tab == wanted)
            for tab, name in _names().items()
        ],
    }
    return site.show(request, "portals/insurer/queue.html", context, title=gettext("Review queue"))


def _names() -> dict[str, str]:
    return {
        "todo": gettext("To be decided"),
        "mine": gettext("Open with me"),
        "others": gettext("Waits for others"),
        "appeals": gettext("Appeals"),
        "done": gettext("Decided already"),
        "before": gettext("Still in pre-review"),
    }


def _rows(user: User, tab: str, now: datetime) -> QuerySet[Claim]:
    rows = claims_visible_to(user=user).filter(TABS[tab])
    if tab == "mine":
        rows = rows.filter(lease__holder=user.username, lease__until__gt=now)
    order = ("-state_at", "pk") if tab == "done" else ("-urgent", "submitted_at", "pk")
    return rows.select_related("lease").order_by(*order)


def _row(claim: Claim, now: datetime, waits: WaitingDecision | None) -> Row:
    step = next_step(claim=claim, now=now)
    lease = getattr(claim, "lease", None)
    holder = lease.holder_name if lease is not None and lease.until > now else ""
    return Row(claim, step, step.what_zh if in_chinese() else step.what, holder, waits)
