"""Statements: what was booked in a month, line by line, to the cent of what the ledger says; or none at all."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ids import new_trace_id
from core.row_security import EVERYTHING, seen_by
from settlement.models import SettlementLeg, Statement, StatementLine
from settlement.selectors.books import balances_until, fees_account, payable_account
from settlement.selectors.statement_lines import LineDraft, Party, foot
from settlement.selectors.statements import statement_lines, statements_visible
from settlement.services.fees import fees_charge
from settlement.services.statements import MonthNotOver, NothingToState, StatementDoesNotFoot, statement_make
from settlement.states import CounterpartyRole, StatementLineKind
from tests.ledger.cast import constraints_now
from tests.roles import as_role, refused, rows
from tests.settlement.books import (
    IN_DECEMBER,
    IN_NOVEMBER,
    IN_OCTOBER,
    NOVEMBER,
    OCTOBER,
    Trade,
    first_leg,
    make_trade,
    paid_out,
    post,
    second_leg,
    taken_back,
    trade,
)

__all__ = ["trade"]
INSURER, PHARMACY = CounterpartyRole.INSURER, CounterpartyRole.PHARMACY


def made(party: Party, month: date = NOVEMBER) -> Statement:
    with as_role("app"):
        return statement_make(party=party, month=month, by="li", now=IN_DECEMBER, trace_id=new_trace_id())


def lines_of(statement: Statement) -> list[tuple[str, int]]:
    return [(line.kind, line.amount_minor) for line in statement_lines(statement=statement)]


def fees() -> None:
    fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=IN_NOVEMBER)


def test_a_pharmacy_is_told_gross_fee_net_and_what_was_paid(trade: Trade) -> None:
    second_leg(trade, 400_000, at=IN_NOVEMBER)
    back = second_leg(trade, 100_000, at=IN_NOVEMBER)
    fees()
    taken_back(trade, back, at=IN_NOVEMBER)
    fees()
    paid_out(trade, 150_000, at=IN_NOVEMBER)
    statement = made(trade.party(PHARMACY))
    assert (statement.gross_minor, statement.fee_minor, statement.vat_minor) == (400_000, -6_000, -360)
    assert (statement.net_minor, statement.paid_minor) == (393_640, -150_000)
    assert (statement.opening_minor, statement.closing_minor) == (0, 243_640)
    assert sorted(lines_of(statement)) == [
        ("FEE", -6_000),
        ("FEE", -1_500),
        ("FEE", 1_500),
        ("LEG", 100_000),
        ("LEG", 400_000),
        ("LEG_BACK", -100_000),
        ("PAYMENT", -150_000),
        ("VAT", -360),
        ("VAT", -90),
        ("VAT", 90),
    ]


def test_insurers_who_share_a_book_get_each_its_own(trade: Trade) -> None:
    first_leg(trade, 300_000, at=IN_NOVEMBER)
    gone = first_leg(trade, 100_000, at=IN_NOVEMBER, of=trade.co_insurer)
    kept = first_leg(trade, 50_000, at=IN_NOVEMBER, of=trade.co_insurer)
    taken_back(trade, gone, at=IN_NOVEMBER)
    fees()
    lead = made(trade.party(INSURER))
    assert (lead.gross_minor, lead.fee_minor, lead.vat_minor, lead.closing_minor) == (300_000, 53_000, 3_180, 356_180)
    shared = made(trade.party(INSURER, trade.co_insurer))
    assert (shared.gross_minor, shared.fee_minor, shared.closing_minor) == (50_000, 0, 50_000)
    assert {line.leg_id for line in statement_lines(statement=shared)} == {gone.pk, kept.pk}


def test_a_month_opens_with_what_the_last_one_left(trade: Trade) -> None:
    second_leg(trade, 70_000, at=IN_OCTOBER)
    second_leg(trade, 30_000, at=IN_NOVEMBER)
    october, november = made(trade.party(PHARMACY), OCTOBER), made(trade.party(PHARMACY))
    assert (october.opening_minor, october.closing_minor) == (0, 70_000)
    assert (november.opening_minor, november.closing_minor) == (70_000, 100_000)
    assert (november.first_day, november.last_day) == (date(2026, 11, 1), date(2026, 11, 30))


def test_made_again_it_is_the_same(trade: Trade) -> None:
    second_leg(trade, 70_000, at=IN_NOVEMBER)
    assert made(trade.party(PHARMACY)) == made(trade.party(PHARMACY))
    assert Statement.objects.count() == 1


def test_days_go_by_the_platforms_calendar(trade: Trade) -> None:
    # 00:30 on 1 November in Shanghai is October in Greenwich.
    second_leg(trade, 70_000, at=IN_OCTOBER.replace(day=31, hour=16, minute=30))
    assert made(trade.party(PHARMACY)).gross_minor == 70_000
    with pytest.raises(NothingToState):
        made(trade.party(PHARMACY), OCTOBER)


def test_a_month_that_runs_cannot_be_stated(trade: Trade) -> None:
    second_leg(trade, 70_000, at=IN_DECEMBER)
    with pytest.raises(MonthNotOver):
        made(trade.party(PHARMACY), IN_DECEMBER.date())


def test_without_lines_and_without_a_rest_there_is_nothing_to_state(trade: Trade) -> None:
    with pytest.raises(NothingToState):
        made(trade.party(PHARMACY))
    assert not Statement.objects.exists()


@pytest.mark.parametrize("role", [INSURER, PHARMACY])
def test_what_the_ledger_says_otherwise_is_not_stated(trade: Trade, role: CounterpartyRole) -> None:
    first_leg(trade, 300_000, at=IN_NOVEMBER)
    second_leg(trade, 300_000, at=IN_NOVEMBER)
    # Somebody posts a fee, or what is owed, and there is no row for it.
    account = "receivable" if role == INSURER else f"fees_receivable:o{trade.chain.pk}"
    post(trade, trade.claim.pk, "stray", account, "funding", 1, IN_NOVEMBER)
    with pytest.raises(StatementDoesNotFoot):
        made(trade.party(role))
    assert not Statement.objects.exists()


def test_nobody_writes_a_statement_that_is_not_the_sum_of_its_lines(trade: Trade) -> None:
    second_leg(trade, 70_000, at=IN_NOVEMBER)
    statement = made(trade.party(PHARMACY))
    constraints_now()
    line = statement_lines(statement=statement)[0]
    with refused("what a line says does not change"):
        StatementLine.objects.filter(pk=line.pk).update(amount_minor=69_999)
    with refused("what is stated does not change"):
        rows("UPDATE settlement_statement SET closing_minor = 69999, version = version + 1")
    line.pk, line.line_no = trade.claim.pk, 2
    line.save(force_insert=True)
    with pytest.raises(DatabaseError, match="the sum of its lines"):
        constraints_now()


def test_a_statement_is_never_deleted(trade: Trade) -> None:
    second_leg(trade, 70_000, at=IN_NOVEMBER)
    statement = made(trade.party(PHARMACY))
    with refused("never deleted"):
        rows("DELETE FROM settlement_statementline WHERE statement_id = %s", [statement.pk])


def test_strangers_see_no_statement_by_either_fence(trade: Trade) -> None:
    second_leg(trade, 70_000, at=IN_NOVEMBER)
    made(trade.party(PHARMACY))
    with as_role("app"):
        for organisation, count in ((trade.chain, 1), (trade.stranger, 0), (trade.insurer, 0), (trade.platform, 0)):
            with seen_by([organisation.pk]):
                assert statements_visible(seen=[organisation.pk]).count() == count
                assert statements_visible(seen=EVERYTHING).count() == count
                assert StatementLine.objects.count() == count
    assert statements_visible(seen=[trade.stranger.pk]).count() == 0


# Whatever happened, in whatever order: it foots.

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["first", "shared", "second", "back", "paid", "fees"]),
        st.integers(1, 5_000_000),
        st.sampled_from([IN_OCTOBER, IN_NOVEMBER]),
    ),
    max_size=12,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=EVENTS)
def test_whatever_happened_statements_foot_month_by_month(db: None, events: list[tuple[str, int, datetime]]) -> None:
    point = transaction.savepoint()
    try:
        play(events)
    finally:
        transaction.savepoint_rollback(point)


def play(events: list[tuple[str, int, datetime]]) -> None:
    trade = make_trade()
    legs: list[SettlementLeg] = []
    for what, minor, at in sorted(events, key=lambda event: event[2]):
        happen(trade, legs, what, minor, at)
    closings = [stated(party) for party in (trade.party(INSURER), trade.party(INSURER, trade.co_insurer))]
    ledger = balances_until(insurer_id=trade.insurer.pk, currency="CNY", until=IN_DECEMBER.date())
    fees_of = {one.pk: ledger.get(fees_account(one.pk), 0) for one in (trade.insurer, trade.co_insurer, trade.chain)}
    owed = ledger.get("receivable", 0) + fees_of[trade.insurer.pk] + fees_of[trade.co_insurer.pk]
    assert sum(closings) == owed
    payable = -ledger.get(payable_account(trade.chain.pk), 0)
    assert stated(trade.party(PHARMACY)) == payable - fees_of[trade.chain.pk]


def happen(trade: Trade, legs: list[SettlementLeg], what: str, minor: int, at: datetime) -> None:
    if what == "first":
        legs.append(first_leg(trade, minor, at=at))
    elif what == "shared":
        legs.append(first_leg(trade, minor, at=at, of=trade.co_insurer))
    elif what == "second":
        legs.append(second_leg(trade, minor, at=at))
    elif what == "back" and legs:
        taken_back(trade, legs.pop(), at=at)
    elif what == "paid":
        paid_out(trade, minor, at=at)
    elif what == "fees":
        fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=at)


def stated(party: Party) -> int:
    """The closing after both months, each of which goes on from where the one before ended."""
    closing = 0
    for month in (OCTOBER, NOVEMBER):
        try:
            statement = made(party, month)
        except NothingToState:
            continue
        constraints_now()
        assert statement.opening_minor == closing
        lines = [line.amount_minor for line in statement_lines(statement=statement)]
        closing = statement.closing_minor
        assert statement.opening_minor + sum(lines) == closing
    return closing


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.tuples(st.sampled_from(list(StatementLineKind)), st.integers(-(10**12), 10**12)), max_size=50),
)
def test_the_closing_is_the_opening_with_every_line_whatever_its_kind(
    opening: int, lines: list[tuple[StatementLineKind, int]]
) -> None:
    drafts = [LineDraft(kind, NOVEMBER, "x", minor) for kind, minor in lines]
    footing = foot(opening, drafts)
    assert footing.closing_minor == opening + sum(minor for _, minor in lines)
    fee = sum(minor for kind, minor in lines if kind in (StatementLineKind.FEE, StatementLineKind.VAT))
    assert footing.net_minor - footing.gross_minor == fee
