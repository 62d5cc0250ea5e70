"""Whatever comes in, is matched, netted and undone, in whatever order: no minor unit is lost, and every book foots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts.models import Organisation
from core.errors import Problem
from core.ids import new_trace_id
from ledger.services import prove
from settlement.models import Allocation, BankEntry, SettlementLeg, SuspenseItem
from settlement.selectors.statement_lines import Party
from settlement.selectors.statements import statement_lines
from settlement.services.collections import allocate, allocation_undo
from settlement.services.contracts import pharmacy_exposure_set
from settlement.services.fees import fees_charge
from settlement.services.remittances import AdviceDraft, AdvisedLine, advice_take
from settlement.services.statements import statement_make
from settlement.states import CounterpartyRole
from tests.ledger.cast import constraints_now
from tests.registry.house import NOW, insurer_of
from tests.settlement.house import DESK, LINE, TRACE, Desk, line_of, make_desk
from tests.settlement.incoming import matched, owed, sums, transfer

DECEMBER = datetime(2026, 12, 3, 2, 0, tzinfo=UTC)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["transfer", "transfer", "netted", "hand", "undo", "fees"]),
        st.integers(0, 3),
        st.integers(1, 500_000),
    ),
    min_size=1,
    max_size=10,
)


@dataclass
class Play:
    """A lead insurer with a co-insurer, legs of three claims, and what was told to the bank."""

    desk: Desk
    sharer: Organisation
    legs: list[SettlementLeg]
    advices: int = 0
    entries: list[BankEntry] = field(default_factory=list)

    def leg(self, number: int) -> SettlementLeg:
        return SettlementLeg.objects.get(pk=self.legs[number % len(self.legs)].pk)


def begin() -> Play:
    desk = make_desk()
    line_of(desk, 10 * LINE)
    pharmacy_exposure_set(organisation_id=desk.chain.pk, amount_minor=10 * LINE, reason="room", by=DESK, now=NOW)
    sharer = insurer_of("INS-CO")
    shares = {desk.insurer.pk: 240_001, sharer.pk: 159_999}
    return Play(desk, sharer, [*owed(desk, 400_000, shares=shares), *owed(desk, 250_000), *owed(desk, 1)])


def step(play: Play, what: str, number: int, minor: int) -> None:
    leg = play.leg(number)
    if what == "transfer":
        others = " ".join(one.leg_no for one in play.legs[:number])
        play.entries.append(matched(transfer(play.desk, minor, f"{leg.leg_no} {others}")))
    elif what == "netted":
        netted(play, leg, number, minor)
    elif what == "hand" and play.entries:
        entry = play.entries[number % len(play.entries)]
        allocate(entry_id=entry.pk, leg_no=leg.leg_no, amount_minor=minor, reason="x", by=DESK, now=NOW, trace_id=TRACE)
    elif what == "undo":
        standing = list(Allocation.objects.filter(undoes__isnull=True, undone_by__isnull=True).order_by("pk"))
        if standing:
            one = standing[number % len(standing)]
            allocation_undo(allocation_id=one.pk, reason="x", by=DESK, now=NOW, trace_id=TRACE)
    elif what == "fees":
        fees_charge(since=NOW, by="beat", now=NOW)


def netted(play: Play, leg: SettlementLeg, number: int, minor: int) -> None:
    """An advice pays what is open of one leg and takes back some of what was paid for another."""
    other = play.leg(number + 1)
    lines = [AdvisedLine(leg.leg_no, max(1, leg.amount_minor - leg.settled_minor))]
    if other.settled_minor:
        lines.append(AdvisedLine(other.leg_no, -min(other.settled_minor, minor)))
    play.advices += 1
    total = sum(line.amount_minor for line in lines)
    draft = AdviceDraft(f"ADV-{play.advices}", "", "CNY", total, lines)
    advice_take(organisation_id=leg.organisation_id, draft=draft, by="clerk", now=NOW)
    play.entries.append(matched(transfer(play.desk, total, draft.advice_no)))


def nothing_is_lost(play: Play) -> None:
    constraints_now()
    ours = sums(play.desk.insurer)
    # What does not fit lies in the book of whoever sent it: the lead's, the co-insurer's, or ours if nobody knows.
    books = (ours, sums(play.sharer), sums(play.desk.platform))
    came = sum(entry.amount_minor for entry in play.entries)
    assert sum(book.get("cash", 0) for book in books) == came
    rest = SuspenseItem.objects.aggregate(total=Sum("rest_minor"))["total"] or 0
    assert sum(book.get("suspense", 0) for book in books) == -rest
    legs = [SettlementLeg.objects.select_related("advance").get(pk=leg.pk) for leg in play.legs]
    assert ours.get("receivable", 0) == sum(leg.amount_minor - leg.settled_minor for leg in legs)
    for advance in {leg.advance for leg in legs if leg.advance is not None}:
        paid = sum(leg.settled_minor for leg in legs if leg.advance_id == advance.pk)
        assert advance.collected_minor - advance.clawed_back_minor == paid
        assert advance.receivable_minor == advance.drawn_minor - paid
    for leg in legs:
        assert 0 <= leg.settled_minor <= leg.amount_minor


@pytest.mark.django_db
@settings(
    max_examples=5,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(moves=MOVES)
def test_no_minor_unit_is_lost_and_statements_foot(moves: list[tuple[str, int, int]]) -> None:
    point = transaction.savepoint()
    try:
        play = begin()
        for what, number, minor in moves:
            try:
                with transaction.atomic():
                    step(play, what, number, minor)
            except Problem:
                # Refused: then nothing of it is there, which the sums below would show.
                play.entries = list(BankEntry.objects.order_by("bank_reference"))
            nothing_is_lost(play)
        assert prove().holds
        open_minor = sum(stated(play, organisation) for organisation in (play.desk.insurer, play.sharer))
        ours = sums(play.desk.insurer)
        owed_in_fees = sum(minor for account, minor in ours.items() if account.startswith("fees_receivable:"))
        assert open_minor == ours.get("receivable", 0) + owed_in_fees
    finally:
        transaction.savepoint_rollback(point)


def stated(play: Play, organisation: Organisation) -> int:
    party = Party(CounterpartyRole.INSURER, organisation.pk, play.desk.insurer.pk, "CNY")
    statement = statement_make(party=party, month=date(2026, 11, 1), by=DESK, now=DECEMBER, trace_id=new_trace_id())
    constraints_now()
    assert sum(line.amount_minor for line in statement_lines(statement=statement)) == statement.closing_minor
    return statement.closing_minor
