"""What needs the hospital's people today: settled, refused, in doubt with age, not sent, and the links to insurers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from core.clock import database_now
from exchange.breaker import window_seconds
from exchange.models import Transaction
from exchange.selectors.desk import acts_waiting, bills_owing, bills_wrong, rulings_waiting
from exchange.selectors.lanes import LaneLink, lane_links
from exchange.selectors.outage import outage_count
from exchange.states import OperationClass, TransactionState
from hospitals.portal.reading import UNBOOKED, UNCERTAIN, day_bounds, transactions_of, unbooked
from portal.acting import address_with, reader
from portal.selectors import organisations_of, scoped
from portal.site import PortalSite

OLDEST_ROWS = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """A count that leads to its rows. `sums` are (minor units, currency); `since` is the oldest row's moment."""

    title: str
    count: int
    sums: Sequence[tuple[int, str]]
    link: str
    icon: str
    tone: str
    note: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for people. `since` is the oldest one's moment."""

    title: str
    count: int
    link: str
    icon: str
    tone: str
    sums: Sequence[tuple[int, str]] = ()
    since: datetime | None = None


def home(site: PortalSite, request: HttpRequest) -> HttpResponse:
    user, now = reader(request), database_now()
    today = timezone.localtime(now).date()
    uncertain = transactions_of(user=user).filter(state__in=UNCERTAIN)
    context = {
        "now": now,
        "today": today,
        "needs": [need for need in _needs(site, user, uncertain) if need.count],
        "tiles": _tiles(site, user, today, uncertain),
        "uncertain": uncertain.order_by("state_at", "pk")[:OLDEST_ROWS],
        "uncertain_link": site.address("queue"),
        "lanes": [(lane, _lane_state(lane)) for lane in lane_links(now=now)],
        "window_seconds": round(window_seconds()),
    }
    return site.show(request, "portals/hospital/home.html", context, title=gettext("Today"))


def _needs(site: PortalSite, user: User, uncertain: QuerySet[Transaction]) -> list[Need]:
    """What only people can do, the most urgent first."""
    page = {name: site.address(name) for name in ("queue", "refunds", "outage")}
    persons = uncertain.filter(state=TransactionState.NEEDS_HUMAN).order_by()
    person = persons.aggregate(count=Count("pk"), since=Min("state_at"))
    waiting = [
        scoped(rows, user=user).exclude(proposed_by=user.username).order_by().aggregate(Count("pk"), Min("proposed_at"))
        for rows in (rulings_waiting(), acts_waiting())
    ]
    begun = [one["proposed_at__min"] for one in waiting if one["proposed_at__min"]]
    owing = scoped(bills_owing(), user=user).order_by().values("currency")
    refunds = list(owing.annotate(Count("pk"), Sum("refund_due_minor"), Min("refund_due_since")))
    wrong = scoped(bills_wrong(), user=user).order_by().aggregate(Count("pk"), Min("unsquare_since"))
    booked = unbooked(transactions_of(user=user)).order_by().aggregate(Count("pk"), Min("state_at"))
    return [
        Need(
            gettext("Needs a person: propose a ruling"),
            person["count"],
            f"{page['queue']}?state={TransactionState.NEEDS_HUMAN}",
            "gavel",
            "bad",
            since=person["since"],
        ),
        Need(
            gettext("A colleague waits for your confirmation"),
            sum(one["pk__count"] for one in waiting),
            f"{page['queue']}#waiting",
            "group",
            "wait",
            since=min(begun, default=None),
        ),
        Need(
            gettext("Refunds due to patients"),
            sum(one["pk__count"] for one in refunds),
            page["refunds"],
            "payments",
            "wait",
            sums=[(one["refund_due_minor__sum"], one["currency"]) for one in refunds],
            since=min((one["refund_due_since__min"] for one in refunds if one["refund_due_since__min"]), default=None),
        ),
        Need(
            gettext("Bills that do not add up"),
            wrong["pk__count"],
            f"{page['refunds']}#wrong",
            "balance",
            "bad",
            since=wrong["unsquare_since__min"],
        ),
        Need(
            gettext("Bills to settle anew"),
            outage_count(organisations=organisations_of(user)),
            page["outage"],
            "power_off",
            "plain",
        ),
        Need(
            gettext("Settled, but not booked by the HIS"),
            booked["pk__count"],
            _link(site, state=UNBOOKED),
            "bookmark_remove",
            "plain",
            since=booked["state_at__min"],
        ),
    ]


def _tiles(site: PortalSite, user: User, today: date, uncertain: QuerySet[Transaction]) -> list[Tile]:
    begin, end = day_bounds(today)
    fees = Q(operation_class=OperationClass.MOVES)
    of_today = transactions_of(user=user).filter(fees, received_at__gte=begin, received_at__lt=end)
    by_state: dict[str, list[dict[str, Any]]] = {}
    for row in of_today.order_by().values("state", "currency").annotate(count=Count("pk"), sum=Sum("total_minor")):
        by_state.setdefault(row["state"], []).append(dict(row))
    doubts = uncertain.order_by().aggregate(count=Count("pk"), since=Min("state_at"))
    doubt_sums = uncertain.filter(fees).order_by().values_list("currency").annotate(Sum("total_minor"))
    day = today.isoformat()

    def tile(state: TransactionState, title: str, icon: str, tone: str, note: str) -> Tile:
        rows = by_state.get(state, [])
        return Tile(
            title=title,
            count=sum(row["count"] for row in rows),
            sums=[(row["sum"] or 0, row["currency"]) for row in rows],
            link=_link(site, state=state, day=day, operation="settle"),
            icon=icon,
            tone=tone,
            note=note,
        )

    return [
        Tile(
            title=gettext("In doubt"),
            count=doubts["count"],
            sums=[(minor or 0, currency) for currency, minor in doubt_sums],
            link=site.address("queue"),
            icon="help",
            tone="wait" if doubts["count"] else "ok",
            note=gettext("All days. Do not settle these bills again."),
            since=doubts["since"],
        ),
        tile(TransactionState.SUCCEEDED, gettext("Settled"), "task_alt", "ok", gettext("The insurer confirmed them.")),
        tile(
            TransactionState.REJECTED,
            gettext("Refused"),
            "block",
            "bad" if by_state.get(TransactionState.REJECTED) else "plain",
            gettext("The insurer holds nothing. Read its reason, then try anew."),
        ),
        tile(
            TransactionState.NOT_SENT,
            gettext("Not sent"),
            "cancel_schedule_send",
            "plain",
            gettext("Nothing left the house. Try anew, or take cash."),
        ),
    ]


def _lane_state(lane: LaneLink) -> str:
    """The lane's state; `quiet` where no recent message of this hospital says how the insurer is."""
    return "quiet" if lane.state == "open" and not lane.answered + lane.doubtful else lane.state


def _link(site: PortalSite, **parameters: str) -> str:
    return site.address("transactions") + address_with(parameters)
