"""One transaction: facts, split, the message path HIS -> listener -> worker -> insurer -> back, and every record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.clock import database_now
from exchange.models import Transaction, Verdict
from exchange.selectors.messages import MessagePath, message_path
from exchange.selectors.transactions import evidence_of, verdicts_of
from exchange.states import OPEN
from hospitals.portal.reading import reader, transactions_of
from ledger.selectors import postings_of
from portal.labels import OK, PLAIN, WAIT, label, tone
from portal.selectors import organisations_of, state_history
from portal.site import PortalSite

PAYER_SHADES = 4


@dataclass(frozen=True, slots=True)
class Station:
    """A stop on the way. `told` is said in one line; `tone` colours it."""

    name: str
    icon: str
    at: datetime | None
    told: str
    tone: str


def transaction(site: PortalSite, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
    user = reader(request)
    row = transactions_of(user=user).filter(pk=transaction_id).first()
    if row is None:
        return site.missing(request, gettext("Your hospital has no transaction of this address."))
    seen = organisations_of(user)
    path = message_path(transaction=row, organisations=seen)
    verdicts = list(verdicts_of(row))
    context = {
        "row": row,
        "now": database_now(),
        "is_open": row.state in OPEN,
        "parts": _parts(row),
        "stations": _stations(row, path, verdicts),
        "path": path,
        "verdicts": verdicts,
        "evidence": evidence_of(row),
        "history": state_history(entity=Transaction._meta.db_table, entity_id=row.pk, user=user),
        "postings": postings_of(cause_kind="exchange.transaction", cause_ids=[row.pk], organisations=seen),
    }
    return site.show(request, "portals/hospital/transaction.html", context, title=row.his_no)


def _parts(row: Transaction) -> list[tuple[str, int, str]]:
    """How the fee was divided: (who bears it, minor units, shade), nothing where no amounts are proven."""
    if row.cash_minor is None:
        return []
    shares = [
        (str(label("payer", share["payer"])), int(share["amount_minor"]), f"payer-{number % PAYER_SHADES}")
        for number, share in enumerate(row.shares)
    ]
    hospital = [(gettext("Borne by the hospital"), row.hospital_minor or 0, "hospital")]
    return [*shares, *(hospital if row.hospital_minor else []), (gettext("Patient"), row.cash_minor, "cash")]


def _stations(row: Transaction, path: MessagePath, verdicts: Sequence[Verdict]) -> list[Station]:
    call = path.messages[0] if path.messages else None
    answer = verdicts[-1] if verdicts else None
    waiting = gettext("not yet")
    if call is None:
        moved_on = row.state not in ("RECEIVED", "SENDING")
        worker = Station(gettext("Worker"), "dns", None, gettext("sent nothing") if moved_on else waiting, PLAIN)
        insurer = Station(gettext("Insurer"), "health_and_safety", None, gettext("was not asked"), PLAIN)
    else:
        worker = Station(gettext("Worker"), "dns", call.armed_at, gettext("stored, then sent"), OK)
        outcome = call.outcome or "none"
        insurer = Station(
            gettext("Insurer"),
            "health_and_safety",
            call.outcome_at,
            str(label("outcome", outcome)),
            tone("outcome", outcome),
        )
    if answer is None:
        back = Station(gettext("Back to HIS"), "reply", None, gettext("no verdict stored yet"), WAIT)
    else:
        word = str(label("verdict", answer.verdict))
        back = Station(gettext("Back to HIS"), "reply", answer.at, word, tone("verdict", answer.verdict))
    return [
        Station("HIS", "local_hospital", row.received_at, str(label("operation", row.operation)), OK),
        Station(gettext("Listener"), "inventory", row.received_at, gettext("checked and stored"), OK),
        worker,
        insurer,
        back,
    ]
