"""The queue: what is before the pre-review, urgent ones first, with what the rules found and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from claims.models import Claim, ClaimLease
from claims.selectors.claims import claims_matching
from claims.selectors.timeline import next_step
from core.clock import database_now
from portal.acting import reader
from portal.labels import label
from portal.site import PortalSite, term_of
from prereview.selectors.desk import BUCKETS, bucket, drawn
from prereview.selectors.runs import runs_latest
from prereview.services.bench import review_take

if TYPE_CHECKING:
    from claims.selectors.timeline import NextStep
    from prereview.models import RuleRun

QUEUE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Row:
    claim: Claim
    run: RuleRun | None
    step: NextStep
    holder: ClaimLease | None

    @property
    def routed(self) -> Sequence[str]:
        """Rules that sent it to a person, in words."""
        results = self.run.results.all() if self.run else []
        return [str(label("rule", one.rule)) for one in results if not one.passed]


def queue(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    term = term_of(request.GET.get("q"))
    wanted = request.GET.get("bucket", "open")
    wanted = wanted if wanted in (*BUCKETS, "mine", "drawn") else "open"
    rows = claims_matching(user=user, term=term) if term else _bucket(wanted, user.username, now)
    found = list(rows[: QUEUE_ROWS + 1])
    context = {
        "now": now,
        "rows": rows_of(found[:QUEUE_ROWS], now),
        "more": len(found) > QUEUE_ROWS,
        "tabs": [
            (name, f"?bucket={code}", _bucket(code, user.username, now).count(), code == wanted and not term)
            for code, name in (
                ("open", gettext("To review")),
                ("mine", gettext("Mine")),
                ("asked", gettext("Materials asked for")),
                ("investigation", gettext("Being looked into")),
                ("appeals", gettext("Appeals")),
                ("drawn", gettext("Second look")),
            )
        ],
        "term": term,
        "wanted": wanted,
        "reader": user,
    }
    return site.show(request, "portals/review/queue.html", context, title=gettext("Queue"))


def take_next(site: PortalSite, request: HttpRequest) -> HttpResponse:
    """The most urgent claim that nobody works on becomes this reviewer's."""
    user, now = reader(request), database_now()
    free = bucket("open").filter(state="IN_PREREVIEW").exclude(lease__until__gt=now)
    claim_id = free.values_list("pk", flat=True).first()
    if claim_id is None:
        messages.info(request, gettext("Nothing waits: every claim to review is with somebody."))
        return HttpResponseRedirect(site.address("index"))
    review_take(claim_id=claim_id, user=user, now=now)
    return HttpResponseRedirect(reverse(f"{site.name}:claim", args=[claim_id]))


def rows_of(claims: Sequence[Claim], now: datetime) -> list[Row]:
    runs = runs_latest(claim_ids=[claim.pk for claim in claims])
    return [
        Row(
            claim=claim,
            run=runs.get(claim.pk),
            step=next_step(claim=claim, now=now),
            holder=holder_of(claim, now),
        )
        for claim in claims
    ]


def holder_of(claim: Claim, now: datetime) -> ClaimLease | None:
    """Who works on it right now."""
    lease: ClaimLease | None = getattr(claim, "lease", None)
    return lease if lease is not None and lease.until > now else None


def _bucket(name: str, username: str, now: datetime) -> QuerySet[Claim]:
    if name == "drawn":
        return drawn()
    if name == "mine":
        return bucket("open").filter(lease__holder=username, lease__until__gt=now)
    return bucket(name)
