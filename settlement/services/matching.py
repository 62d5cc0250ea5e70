"""What a transfer is for, as far as it says so itself: by an advice, or by the numbers in its text.

Whatever is not certain stays in suspense with its reason, for a person: nothing is guessed by an amount alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from accounts.selectors import insurer_by_name
from core.errors import Problem
from core.ids import new_trace_id
from core.row_security import EVERYTHING, seen_by
from settlement.models import (
    AdviceLine,
    BankEntry,
    FeeCharge,
    RemittanceAdvice,
    SettlementLeg,
    Statement,
    StatementLine,
)
from settlement.services.collections import Match, fee_is_open, match_check, matches_book
from settlement.services.suspense import entry_lock, entry_receive, rest_note
from settlement.states import (
    AllocationWay,
    CounterpartyRole,
    Direction,
    EntryOutcome,
    LegKind,
    LegState,
    StatementLineKind,
)

BY = "collections"
ENTRIES_AT_ONCE = 200
LEG_NO, STATEMENT_NO = re.compile(r"[FSTW]\d{6}-[A-Z2-9]{8}"), re.compile(r"ST\d{6}-\d{6}")
NAMED_AT_MOST = 500


def entries_match(*, now: datetime, limit: int = ENTRIES_AT_ONCE) -> int:
    """Look at transfers that came in and nobody looked at yet, each in its own commit. Returns how many."""
    with seen_by(EVERYTHING):
        fresh = BankEntry.objects.filter(direction=Direction.CREDIT, outcome=EntryOutcome.NEW)
        ids = list(fresh.order_by("value_date", "pk").values_list("pk", flat=True)[:limit])
    return sum(entry_match(entry_id=entry_id, now=now) for entry_id in ids)


def entry_match(*, entry_id: UUID, now: datetime) -> bool:
    """Book one transfer and match what is certain; whether it was still to be looked at. Raises NotFound."""
    with seen_by(EVERYTHING):
        entry = entry_lock(entry_id)
        if entry.outcome != EntryOutcome.NEW:
            return False
        trace_id = new_trace_id()
        advice = _advice_for(entry)
        matches, reason = ([], "") if advice is not None else _named(entry)
        payer = advice.organisation_id if advice is not None else _payer(entry, matches)
        entry_receive(entry, insurer_id=payer, by=BY, now=now, trace_id=trace_id)
        if advice is not None:
            reason = advice_apply(advice, entry, now=now, trace_id=trace_id)
        elif matches:
            matches_book(entry, matches, way=AllocationWay.TEXT, by=BY, now=now, trace_id=trace_id)
        rest_note(entry, reason, now=now)
    return True


def advice_apply(advice: RemittanceAdvice, entry: BankEntry, *, now: datetime, trace_id: str) -> str:
    """Match a received transfer by its advice; returns why something stays in suspense, else nothing.

    A transfer of another sum than advised is not divided by a machine. Lines that do not fit keep their fault.
    """
    advice.entry = entry
    advice.save(update_fields=["entry"])
    if (advice.total_minor, advice.currency) != (entry.amount_minor, entry.currency):
        return "advice_differs"
    matches = []
    for line in AdviceLine.objects.filter(advice=advice).order_by("line_no"):
        match, fault = _line_match(line, advice, entry)
        if match is not None and not fault:
            matches.append(match)
        elif fault:
            line.fault = fault
            line.save(update_fields=["fault"])
    net = sum(match.minor for match in matches)
    if matches and 0 <= net <= entry.amount_minor:
        matches_book(entry, matches, way=AllocationWay.ADVICE, by=BY, now=now, trace_id=trace_id)
        return "" if net == entry.amount_minor else "advice_line_faulty"
    return "advice_does_not_fit"


def _line_match(line: AdviceLine, advice: RemittanceAdvice, entry: BankEntry) -> tuple[Match | None, str]:
    leg = SettlementLeg.objects.filter(leg_no=line.leg_no, kind=LegKind.FIRST).first()
    # Another insurer's leg is told as unknown: an advice is no way to learn of it.
    if leg is None or leg.organisation_id != advice.organisation_id:
        return None, "unknown_reference"
    match = Match(line.amount_minor, leg)
    try:
        match_check(entry, match)
    except Problem as problem:
        return None, problem.code
    return match, ""


def _advice_for(entry: BankEntry) -> RemittanceAdvice | None:
    """The advice of this transfer: it gave the bank's reference of it, or the transfer names its number."""
    waiting = RemittanceAdvice.objects.filter(entry__isnull=True)
    references = {entry.bank_reference, entry.end_to_end_id} - {""}
    words = set(re.findall(r"[A-Za-z0-9_.\-]{2,40}", entry.remittance))
    found = list(waiting.filter(Q(reference__in=references) | Q(advice_no__in=words)).order_by("received_at")[:2])
    return found[0] if len(found) == 1 else None


def _payer(entry: BankEntry, matches: Sequence[Match]) -> int | None:
    """In whose book the money lies: the one of what it is for, else the payer's, if we know his name."""
    if matches:
        return matches[0].insurer_id
    known = insurer_by_name(name=entry.counterparty_name) if entry.counterparty_name else None
    return known.pk if known is not None else None


def _named(entry: BankEntry) -> tuple[list[Match], str]:
    """What the text names, as far as the money goes, the oldest due first; and why something is left over."""
    owed = _owed(entry.remittance)
    if not owed:
        return [], "unknown_reference"
    in_currency = [one for one in owed if one.currency == entry.currency]
    if not in_currency:
        return [], "allocation_in_other_currency"
    left, matches = entry.amount_minor, []
    for one in in_currency:
        minor = min(one.minor, left)
        # A fee is paid whole.
        if minor > 0 and (one.fee is None or minor == one.minor):
            matches.append(Match(minor, one.leg, one.fee))
            left -= minor
    if not left:
        return matches, ""
    return matches, "over_paid" if matches else "nothing_open"


def _owed(text: str) -> list[Match]:
    """The open rests of the legs named, then those of the statements named: legs before fees."""
    legs = SettlementLeg.objects.filter(kind=LegKind.FIRST, leg_no__in=LEG_NO.findall(text)[:NAMED_AT_MOST])
    statements = Statement.objects.filter(
        role=CounterpartyRole.INSURER, statement_no__in=STATEMENT_NO.findall(text)[:NAMED_AT_MOST]
    )
    lines = StatementLine.objects.filter(statement__in=statements)
    stated = lines.filter(kind=StatementLineKind.LEG).values("leg_id")
    both = SettlementLeg.objects.filter(Q(pk__in=legs.values("pk")) | Q(pk__in=stated)).order_by("due_on", "leg_no")
    charges = FeeCharge.objects.filter(pk__in=lines.filter(kind=StatementLineKind.FEE).values("fee_id"))
    return [
        *(_rest(leg) for leg in both),
        *(
            Match(charge.net_minor + charge.vat_minor, fee=charge)
            for charge in charges.order_by("charged_at", "pk")
            if fee_is_open(charge)
        ),
    ]


def _rest(leg: SettlementLeg) -> Match:
    """What is open of the leg; nothing while it is disputed or no more owed."""
    return Match(leg.amount_minor - leg.settled_minor if leg.state == LegState.DUE else 0, leg)
