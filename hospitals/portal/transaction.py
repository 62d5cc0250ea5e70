"""One transaction: facts, split, the message path HIS -> listener -> worker -> insurer -> back, and every record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from core.clock import database_now
from exchange.models import Transaction, Verdict
from exchange.selectors.bills import bills_read, cash_of
from exchange.selectors.messages import MessagePath, message_path
from exchange.selectors.transactions import evidence_of, verdicts_of
from exchange.states import OPEN, TransactionState
from hospitals.portal.cases import cases_of
from hospitals.portal.reading import transactions_of
from ledger.selectors import postings_of
from portal.acting import reader
from portal.labels import OK, PLAIN, WAIT, label, tone
from portal.selectors import Organisations, organisations_of, state_history
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
    (case,) = cases_of(site, [row], back=request.path)
    context = {
        "row": row,
        "case": case,
        "waiting": [*(("rulings", one) for one in [case.ruling] if one), *(("acts", one) for one in case.waiting)],
        "reader": user,
        "here": request.path,
        "now": database_now(),
        "is_open": row.state in OPEN,
        "notice_tone": _notice_tone(row),
        "parts": _parts(row),
        "stations": _stations(row, path, verdicts),
        "path": path,
        "verdicts": verdicts,
        "evidence": evidence_of(row),
        "history": state_history(entity=Transaction._meta.db_table, entity_id=row.pk, user=user),
        **_bill(row, seen),
    }
    return site.show(request, "portals/hospital/transaction.html", context, title=row.his_no)


def _notice_tone(row: Transaction) -> str:
    """Nobody knows yet: wait. Nothing came of it: bad. It ended as it was meant to: plain."""
    if row.state in OPEN:
        return "bad" if row.state == TransactionState.NEEDS_HUMAN else "wait"
    return "bad" if row.state in (TransactionState.REJECTED, TransactionState.NOT_SENT) else "plain"


def _bill(row: Transaction, seen: Organisations) -> dict[str, Any]:
    """The bill with its chain and cash, and everything that was posted for the transaction or its bill's cash."""
    causes = [("exchange.transaction", [row.pk])]
    found: dict[str, Any] = {}
    if row.bill_id is not None:
        read = bills_read([row.bill_id])
        payments, refunds = cash_of(list(read.rows))
        found = {
            "terms": read.terms(row.bill_id),
            "chain": [(one, *_relation(one, read.rows)) for one in read.rows.values()],
            "payments": payments,
            "refunds": refunds,
        }
        causes += [
            ("exchange.self_payment", [one.pk for one in payments if one.transaction_id == row.pk]),
            ("exchange.refund", [one.pk for one in refunds if one.transaction_id == row.pk]),
            ("exchange.bill", [row.bill_id]),
        ]
    postings = [
        posting
        for kind, ids in causes
        if ids
        for posting in postings_of(cause_kind=kind, cause_ids=ids, organisations=seen)
    ]
    return {**found, "postings": sorted(postings, key=lambda one: (one.booked_at, one.reverses_id is None))}


def _relation(one: Transaction, rows: Mapping[UUID, Transaction]) -> tuple[str, Transaction | None]:
    for word, key in (
        (gettext("replaces"), one.replaces_id),
        (gettext("tries again"), one.retry_of_id),
        (gettext("cancels"), one.of_id),
    ):
        if key is not None:
            return word, rows.get(key)
    return "", None


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
