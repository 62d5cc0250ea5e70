"""The pre-review's portal: who enters, its menu and its pages. What people do goes through services."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import SearchResult

from accounts.states import OrganisationKind, Role
from claims.selectors.claims import claims_matching
from portal.acting import reader
from portal.labels import label
from portal.site import SEARCH_RESULTS, WRITING, MenuItem, PortalSite
from prereview.portal.acting import act, holding
from prereview.portal.asks import ask, asks
from prereview.portal.claim import claim, page_image
from prereview.portal.queue import queue, take_next
from prereview.portal.rules import rules


class ReviewSite(PortalSite):
    settings_name = "UNFOLD_REVIEW"
    roles = (Role.REVIEWER, Role.REVIEW_SUPERVISOR)
    kinds = (OrganisationKind.PLATFORM,)
    title = _("Pre-review")
    symbol = "fact_check"
    primary: ClassVar[dict[str, str]] = {
        "50": "oklch(96.2% .018 272.314)",
        "100": "oklch(93% .034 272.788)",
        "200": "oklch(87% .065 274.039)",
        "300": "oklch(78.5% .115 274.713)",
        "400": "oklch(67.3% .182 276.935)",
        "500": "oklch(58.5% .233 277.117)",
        "600": "oklch(51.1% .262 276.966)",
        "700": "oklch(45.7% .24 277.023)",
        "800": "oklch(39.8% .195 277.366)",
        "900": "oklch(35.9% .144 278.697)",
        "950": "oklch(25.7% .09 281.288)",
    }
    menu = (
        MenuItem(_("Queue"), "index", "inbox"),
        MenuItem(_("Second requests"), "asks", "group"),
        MenuItem(_("Rule packs"), "rules", "rule"),
    )

    def pages(self) -> list[URLPattern]:
        return [
            self.page_path("", queue, "index"),
            self.page_path("next/", take_next, "next", methods=("POST",)),
            self.page_path("claims/<uuid:claim_id>/", claim, "claim"),
            self.page_path("claims/<uuid:claim_id>/hold/", holding, "hold", methods=("POST",)),
            self.page_path("claims/<uuid:claim_id>/pages/<uuid:document_id>/<int:number>/", page_image, "page"),
            self.page_path("claims/<uuid:claim_id>/<slug:act>/", act, "act", methods=WRITING),
            self.page_path("asks/", asks, "asks"),
            self.page_path("asks/<uuid:ask_id>/", ask, "ask", methods=WRITING),
            self.page_path("rules/", rules, "rules"),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["styles"] = [*context["styles"], static("portal/bench.css")]
        context["scripts"] = [*context["scripts"], static("portal/bench.js")]
        return context

    def search_results(self, request: HttpRequest, term: str) -> list[SearchResult]:
        return [
            SearchResult(
                title=row.claim_no,
                description=f"{label('claim_state', row.state)} · {row.policy.policy_no}",
                link=reverse(f"{self.name}:claim", args=[row.pk]),
                icon="description",
            )
            for row in claims_matching(user=reader(request), term=term)[:SEARCH_RESULTS]
        ]


site = ReviewSite(name="review")
