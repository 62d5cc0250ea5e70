"""The letter with reasons after a refusal, whole or in part: sent once per refusal, which stops its clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from claims.models import Claim, ClaimClock, ClaimEvent, Decision
from claims.selectors.place import list_day, place_of
from claims.services.clocks import clocks_stop
from claims.services.desk import claim_lock, event_write
from claims.states import PARTLY_OR_WHOLLY_REFUSED, ClockKind, DecisionWord
from core.ids import new_trace_id
from registry.selectors.products import product_day
from registry.selectors.terms import terms_on


def letters_send_due(*, now: datetime, limit: int) -> int:
    """A chore: write the letters of refusals that have none yet, the most urgent first; returns how many.

    Each in a transaction of its own: a claim that moves meanwhile needs the letter of its next refusal instead.
    """
    waiting = ClaimClock.objects.filter(
        kind=ClockKind.REFUSAL_LETTER, stopped_at__isnull=True, claim__state__in=PARTLY_OR_WHOLLY_REFUSED
    )
    count = 0
    for claim_id in list(waiting.order_by("due_at").values_list("claim_id", flat=True)[:limit]):
        with transaction.atomic():
            claim = claim_lock(claim_id=claim_id)
            count += letter_send(claim=claim, now=now, trace_id=new_trace_id()) is not None
    return count


def letter_send(*, claim: Claim, now: datetime, trace_id: str) -> ClaimEvent | None:
    """Fix what the letter of the locked claim quotes, tell the patient, stop the clock. None where none is owed.

    The decision holds clause and explanation; the entry adds the list of the day and the last day to appeal.
    """
    owed = claim.clocks.filter(kind=ClockKind.REFUSAL_LETTER, episode=claim.episode, stopped_at__isnull=True)
    refusal = _refusal(claim)
    if refusal is None or claim.state not in PARTLY_OR_WHOLLY_REFUSED or not owed.exists():
        return None
    clocks_stop(claim=claim, kinds=(ClockKind.REFUSAL_LETTER,), now=now)
    details = {"decision": str(refusal.pk), **_list_of_the_day(claim, now), "appeal_by": _last_day(claim)}
    return event_write(claim, "letter.sent", details=details, by="clock", now=now, trace_id=trace_id)


def _refusal(claim: Claim) -> Decision | None:
    refusals = claim.decisions.filter(word__in=(DecisionWord.DECLINE, DecisionWord.APPROVE_PARTLY))
    return refusals.filter(episode=claim.episode).order_by("-at", "-id").first()


def _list_of_the_day(claim: Claim, now: datetime) -> dict[str, str | int | None]:
    on, place = list_day(claim=claim, now=now), place_of(claim=claim, now=now)
    terms = place.terms if place is not None else None
    if terms is None and on is not None:
        terms = terms_on(product_code=claim.product_id, on=on)
    return {"list_on": on.isoformat() if on else None, "list_number": terms.number if terms else None}


def _last_day(claim: Claim) -> str | None:
    clock = claim.clocks.filter(kind=ClockKind.APPEAL, episode=claim.episode, stopped_at__isnull=True).first()
    if clock is None:
        return None
    return (product_day(product=claim.product, now=clock.due_at) - timedelta(days=1)).isoformat()
