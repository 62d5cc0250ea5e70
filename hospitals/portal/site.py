"""The hospital's portal: who enters, its menu and its pages. What people do goes through services."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import SearchResult

from accounts.states import OrganisationKind, Role
from hospitals.portal.acting import act, waiting
from hospitals.portal.connection import connection
from hospitals.portal.days import day
from hospitals.portal.home import home
from hospitals.portal.messages import messages
from hospitals.portal.outage import outage
from hospitals.portal.queue import queue
from hospitals.portal.reading import transactions_matching
from hospitals.portal.refunds import refunds
from hospitals.portal.shifts import shifts
from hospitals.portal.transaction import transaction
from hospitals.portal.transactions import transactions
from portal.acting import reader
from portal.labels import label
from portal.site import SEARCH_RESULTS, WRITING, MenuItem, PortalSite


class HospitalSite(PortalSite):
    settings_name = "UNFOLD_HOSPITAL"
    roles = (Role.HOSPITAL_CASHIER, Role.HOSPITAL_BACK_OFFICE)
    kinds = (OrganisationKind.HOSPITAL,)
    title = _("Hospital back office")
    symbol = "local_hospital"
    primary: ClassVar[dict[str, str]] = {
        "50": "oklch(98.4% .014 180.72)",
        "100": "oklch(95.3% .051 180.801)",
        "200": "oklch(91% .096 180.426)",
        "300": "oklch(85.5% .138 181.071)",
        "400": "oklch(77.7% .152 181.912)",
        "500": "oklch(70.4% .14 182.503)",
        "600": "oklch(52% .104 184.704)",
        "700": "oklch(45% .09 186.391)",
        "800": "oklch(39% .078 188.216)",
        "900": "oklch(35% .063 188.416)",
        "950": "oklch(27.7% .046 192.524)",
    }
    menu = (
        MenuItem(_("Today"), "index", "today"),
        MenuItem(_("Unknown and reversals"), "queue", "help"),
        MenuItem(_("Outage list"), "outage", "power_off"),
        MenuItem(_("Refunds due"), "refunds", "payments"),
        MenuItem(_("Shifts"), "shifts", "point_of_sale"),
        MenuItem(_("Day reconciliation"), "days", "fact_check"),
        MenuItem(_("Transactions"), "transactions", "receipt_long"),
        MenuItem(_("Messages"), "messages", "swap_horiz"),
        MenuItem(_("Connection"), "connection", "cable"),
    )

    def pages(self) -> list[URLPattern]:
        return [
            self.page_path("", home, "index"),
            self.page_path("transactions/", transactions, "transactions"),
            self.page_path("transactions/<uuid:transaction_id>/", transaction, "transaction"),
            self.page_path("transactions/<uuid:transaction_id>/<slug:act>/", act, "act", methods=WRITING),
            self.page_path("waiting/<str:kind>/<uuid:waiting_id>/", waiting, "waiting", methods=WRITING),
            self.page_path("queue/", queue, "queue"),
            self.page_path("outage/", outage, "outage", methods=WRITING),
            self.page_path("connection/", connection, "connection", methods=WRITING),
            self.page_path("shifts/", shifts, "shifts", methods=WRITING),
            self.page_path("days/", day, "days", methods=WRITING),
            self.page_path("refunds/", refunds, "refunds"),
            self.page_path("messages/", messages, "messages"),
        ]

    def search_results(self, request: HttpRequest, term: str) -> list[SearchResult]:
        rows = transactions_matching(user=reader(request), term=term)[:SEARCH_RESULTS]
        return [
            SearchResult(
                title=row.his_no,
                description=f"{label('operation', row.operation)} · {label('state', row.state)}",
                link=reverse(f"{self.name}:transaction", args=[row.pk]),
                icon="receipt_long",
            )
            for row in rows
        ]


site = HospitalSite(name="hospital")
