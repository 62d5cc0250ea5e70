"""The insurer's portal: who enters, its menu and its pages. What people do goes through services."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import SearchResult

from accounts.states import OrganisationKind, Role
from claims.selectors.claims import claims_matching
from insurers.portal.authority import authority
from insurers.portal.claim import claim, document_page
from insurers.portal.deciding import act, waiting
from insurers.portal.messages import messages
from insurers.portal.onboarding import onboarding
from insurers.portal.queue import queue
from portal.acting import reader
from portal.labels import label
from portal.site import SEARCH_RESULTS, WRITING, MenuItem, PortalSite


class InsurerSite(PortalSite):
    settings_name = "UNFOLD_INSURER"
    roles = (Role.INSURER_CLERK, Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR, Role.AUDITOR)
    kinds = (OrganisationKind.INSURER,)
    title = _("Insurer")
    symbol = "shield_with_heart"
    primary: ClassVar[dict[str, str]] = {
        "50": "oklch(97% .014 254.604)",
        "100": "oklch(93.2% .032 255.585)",
        "200": "oklch(88.2% .059 254.128)",
        "300": "oklch(80.9% .105 251.813)",
        "400": "oklch(70.7% .165 254.624)",
        "500": "oklch(62.3% .214 259.815)",
        "600": "oklch(54.6% .245 262.881)",
        "700": "oklch(48.8% .243 264.376)",
        "800": "oklch(42.4% .199 265.638)",
        "900": "oklch(37.9% .146 265.522)",
        "950": "oklch(28.2% .091 267.935)",
    }
    menu = (
        MenuItem(_("Review queue"), "index", "fact_check"),
        MenuItem(_("Authority"), "authority", "rule"),
        MenuItem(_("Messages from your system"), "messages", "swap_horiz"),
        MenuItem(_("Onboarding"), "onboarding", "handshake"),
    )

    def pages(self) -> list[URLPattern]:
        return [
            self.page_path("", queue, "index"),
            self.page_path("claims/<uuid:claim_id>/", claim, "claim", methods=WRITING),
            self.page_path("claims/<uuid:claim_id>/<slug:act>/", act, "act", methods=WRITING),
            self.page_path(
                "claims/<uuid:claim_id>/documents/<uuid:document_id>/<int:number>/", document_page, "document_page"
            ),
            self.page_path("waiting/<uuid:waiting_id>/", waiting, "waiting", methods=WRITING),
            self.page_path("authority/", authority, "authority", methods=WRITING),
            self.page_path("messages/", messages, "messages"),
            self.page_path("onboarding/", onboarding, "onboarding", methods=WRITING),
        ]

    def search_results(self, request: HttpRequest, term: str) -> list[SearchResult]:
        rows = claims_matching(user=reader(request), term=term)[:SEARCH_RESULTS]
        return [
            SearchResult(
                title=row.claim_no,
                description=f"{row.policy.policy_no} · {label('claim_state', row.state)}",
                link=reverse(f"{self.name}:claim", args=[row.pk]),
                icon="fact_check",
            )
            for row in rows
        ]


site = InsurerSite(name="insurer")
