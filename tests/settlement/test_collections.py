"""Money that comes in: matched to what is owed and never beyond it; everything else in suspense, with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from accounts.models import Organisation
from core.errors import NotFound, Problem
from core.row_security import EVERYTHING, seen_by
from settlement.models import Allocation, RemittanceAdvice, SuspenseItem
from settlement.selectors.collections import advices_visible, suspense_open
from settlement.selectors.statement_lines import Party
from settlement.services.bank_files import StatementTaken, statement_take
from settlement.services.collections import (
    HandNeedsReason,
    MoreThanCame,
    MoreThanOpen,
    OtherCurrency,
    UndoneAlready,
    allocate,
    allocation_undo,
)
from settlement.services.fees import fees_charge
from settlement.services.legs import leg_dispute
from settlement.services.matching import entries_match, entry_match
from settlement.services.statements import statement_make
from settlement.services.suspense import NotACollection, suspense_take
from settlement.states import CounterpartyRole, StatementFormat
from tests.ledger.cast import constraints_now
from tests.registry.house import NOW, TODAY, insurer_of
from tests.roles import as_role, rows
from tests.settlement.house import DESK, TRACE, Desk
from tests.settlement.incoming import advice, fresh, matched, owed, proven, room, state_of, sums, transfer, unknown
from tests.settlement.payout_house import bank_account
from tests.settlement.test_bank_files import csv_of, line

__all__ = ["room"]
pytestmark = pytest.mark.usefixtures("room")
DECEMBER = datetime(2026, 12, 3, 2, 0, tzinfo=UTC)


def by_hand(entry: Any, leg_no: str, minor: int, reason: str = "the payer said so") -> Allocation:
    with as_role("worker"):
        return allocate(
            entry_id=entry.pk, leg_no=leg_no, amount_minor=minor, reason=reason, by=DESK, now=NOW, trace_id=TRACE
        )


def undone(allocation: Allocation, reason: str = "another's money") -> Allocation:
    with as_role("worker"):
        return allocation_undo(allocation_id=allocation.pk, reason=reason, by=DESK, now=NOW, trace_id=TRACE)


# By the numbers in the transfer's own text.


def test_one_transfer_for_many_legs_is_matched_to_each(desk: Desk) -> None:
    (one,), (two,) = owed(desk, 400_000), owed(desk, 250_000)
    entry = matched(transfer(desk, 650_000, f"claims {one.leg_no}, {two.leg_no}"))
    assert state_of(one) == ("PAID", 400_000, "COLLECTED")
    assert state_of(two) == ("PAID", 250_000, "COLLECTED")
    assert (entry.outcome, entry.allocated_minor, entry.suspense.closed_at is not None) == ("ALLOCATED", 650_000, True)
    assert {key: value for key, value in sums(desk.insurer).items() if key in ("cash", "suspense", "receivable")} == {
        "cash": 650_000
    }
    proven(desk)


def test_a_short_transfer_leaves_a_rest_that_ages(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    matched(transfer(desk, 390_000, leg.leg_no))
    assert state_of(leg) == ("DUE", 390_000, "PARTLY_COLLECTED")
    matched(transfer(desk, 10_000, leg.leg_no))
    assert state_of(leg) == ("PAID", 400_000, "COLLECTED")
    proven(desk)


def test_what_is_paid_too_much_stays_in_suspense(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    entry = matched(transfer(desk, 400_700, leg.leg_no))
    assert (entry.outcome, entry.suspense.reason, entry.suspense.rest_minor) == ("SUSPENSE", "over_paid", 700)
    assert sums(desk.insurer)["suspense"] == -700
    proven(desk)


def test_paid_twice_the_second_money_is_nobodys_yet(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    matched(transfer(desk, 400_000, leg.leg_no))
    entry = matched(transfer(desk, 400_000, leg.leg_no))
    assert (entry.allocated_minor, entry.suspense.reason, entry.suspense.rest_minor) == (0, "nothing_open", 400_000)
    assert fresh(leg).settled_minor == 400_000
    proven(desk)


@pytest.mark.parametrize("text", ["", "for October", "F261125-ZZZZZZZZ", "ST202611-999999"])
def test_what_names_nothing_that_we_know_is_in_suspense_of_the_platform(desk: Desk, text: str) -> None:
    entry = matched(transfer(desk, 5_000, text))
    assert (entry.outcome, entry.suspense.reason) == ("SUSPENSE", "unknown_reference")
    assert sums(desk.platform) == {"cash": 5_000, "suspense": -5_000}
    proven(desk)


def test_a_known_payers_money_lies_in_his_book(desk: Desk) -> None:
    matched(transfer(desk, 5_000, "thanks", counterparty_name=desk.insurer.name_zh))
    assert sums(desk.insurer)["suspense"] == -5_000


def test_another_currency_pays_nothing(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    entry = matched(transfer(desk, 400_000, leg.leg_no, currency="HKD"))
    assert (entry.allocated_minor, entry.suspense.reason) == (0, "allocation_in_other_currency")
    assert fresh(leg).settled_minor == 0
    with pytest.raises(OtherCurrency):
        by_hand(entry, leg.leg_no, 400_000)
    proven(desk)


def test_a_disputed_leg_is_not_paid_by_a_machine(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    leg_dispute(leg_id=leg.pk, reason="wrong dose", by="clerk", now=NOW, trace_id=TRACE)
    entry = matched(transfer(desk, 400_000, leg.leg_no))
    assert (entry.allocated_minor, entry.suspense.reason) == (0, "nothing_open")
    with pytest.raises(MoreThanOpen):
        by_hand(entry, leg.leg_no, 400_000)


def test_each_transfer_is_looked_at_once(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    first = transfer(desk, 100_000, leg.leg_no)
    transfer(desk, 5_000, "?")
    with as_role("worker"):
        assert entries_match(now=NOW) == 2
        assert entries_match(now=NOW) == 0
    assert not entry_match(entry_id=first.pk, now=NOW)
    assert fresh(leg).settled_minor == 100_000


def test_co_insurers_pay_their_own_shares_of_one_advance(desk: Desk) -> None:
    other = insurer_of("INS-CO")
    lead, shared = owed(desk, 400_000, shares={desk.insurer.pk: 280_000, other.pk: 120_000})
    matched(transfer(desk, 120_000, shared.leg_no, counterparty_name=other.name_zh))
    assert (state_of(shared), state_of(lead)) == (
        ("PAID", 120_000, "PARTLY_COLLECTED"),
        ("DUE", 0, "PARTLY_COLLECTED"),
    )
    matched(transfer(desk, 280_000, lead.leg_no))
    assert state_of(lead) == ("PAID", 280_000, "COLLECTED")
    proven(desk)


def test_the_banks_own_file_pays_what_it_names_and_the_same_file_again_pays_nothing(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    account = bank_account(rail="iso20022_file")
    credited = line("C", "4000.00", name=desk.insurer.name_zh, note=f"claim {leg.leg_no}")
    stray = line("C", "12.34", reference="R-2", note="thank you")
    raw = csv_of(credited, stray, closing="4112.34")
    statement_take(account_id=account.pk, raw=raw, format=StatementFormat.CSV, by=DESK, now=NOW)
    with as_role("worker"):
        assert entries_match(now=NOW) == 2
    with pytest.raises(StatementTaken):
        statement_take(account_id=account.pk, raw=raw, format=StatementFormat.CSV, by=DESK, now=NOW)
    with as_role("worker"):
        assert entries_match(now=NOW) == 0
    assert state_of(leg) == ("PAID", 400_000, "COLLECTED")
    [item] = SuspenseItem.objects.filter(closed_at__isnull=True)
    assert (item.rest_minor, item.reason) == (1_234, "unknown_reference")
    proven(desk)


# By hand.


def test_a_person_matches_with_a_reason_and_undoes_with_a_reason(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    entry = matched(transfer(desk, 500_000, "who knows"))
    made = by_hand(entry, leg.leg_no, 400_000)
    assert state_of(leg) == ("PAID", 400_000, "COLLECTED")
    assert SuspenseItem.objects.get(entry=entry).rest_minor == 100_000
    undone(made)
    assert (fresh(leg).state, fresh(leg).settled_minor) == ("DUE", 0)
    item = SuspenseItem.objects.get(entry=entry)
    assert (item.rest_minor, item.reason, item.closed_at) == (500_000, "undone", None)
    assert sums(desk.platform) == {"cash": 500_000, "suspense": -500_000}
    assert sums(desk.insurer)["receivable"] == 400_000
    with pytest.raises(UndoneAlready):
        undone(made)
    by_hand(entry, leg.leg_no, 400_000)
    assert fresh(leg).settled_minor == 400_000
    proven(desk)


def test_what_was_netted_is_undone_together(desk: Desk) -> None:
    (old,), (new,) = owed(desk, 300_000), owed(desk, 400_000)
    matched(transfer(desk, 300_000, old.leg_no))
    advice(desk, (new.leg_no, 400_000), (old.leg_no, -100_000))
    entry = matched(transfer(desk, 300_000, "A-1"))
    undone(Allocation.objects.get(entry=entry, kind="COLLECT"))
    with pytest.raises(UndoneAlready):
        undone(Allocation.objects.get(entry=entry, kind="CLAW_BACK", undoes__isnull=True))
    assert (fresh(old).settled_minor, fresh(new).settled_minor) == (300_000, 0)
    assert SuspenseItem.objects.get(entry=entry).rest_minor == 300_000
    proven(desk)


@pytest.mark.parametrize(
    ("minor", "reason", "problem"),
    [
        (400_001, "x", MoreThanOpen),
        (0, "x", MoreThanOpen),
        (500_001, "x", MoreThanCame),
        (400_000, " ", HandNeedsReason),
        (400_000, "x" * 301, HandNeedsReason),
        (-1, "x", MoreThanCame),
    ],
)
def test_what_cannot_be_matched_changes_nothing(desk: Desk, minor: int, reason: str, problem: type[Problem]) -> None:
    (leg,) = owed(desk, 400_000)
    entry = matched(transfer(desk, 500_000, "who knows"))
    before = (sums(desk.insurer), sums(desk.platform))
    with pytest.raises(problem):
        by_hand(entry, leg.leg_no, minor, reason)
    assert (sums(desk.insurer), sums(desk.platform)) == before
    assert (fresh(leg).settled_minor, Allocation.objects.count()) == (0, 0)


def test_only_money_that_came_in_is_matched(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    with pytest.raises(NotACollection):
        by_hand(transfer(desk, 400_000, "x", direction="DEBIT"), leg.leg_no, 400_000)
    with pytest.raises(NotACollection):
        by_hand(transfer(desk, 400_000, "x", outcome="RETURN"), leg.leg_no, 400_000)
    entry = matched(transfer(desk, 400_000, "x"))
    with pytest.raises(NotFound):
        by_hand(entry, "F261125-ZZZZZZZZ", 400_000)
    with pytest.raises(NotFound):
        allocate(entry_id=unknown(), leg_no=leg.leg_no, amount_minor=1, reason="x", by=DESK, now=NOW, trace_id=TRACE)


def test_somebody_owns_what_is_in_suspense(desk: Desk) -> None:
    entry = matched(transfer(desk, 400_000, "x"))
    assert suspense_take(entry_id=entry.pk, owner="li", by="li", now=NOW).owner == "li"
    with pytest.raises(NotFound):
        suspense_take(entry_id=unknown(), owner="li", by="li", now=NOW)


def test_what_is_in_suspense_is_told_with_owner_and_age_to_the_platform_alone(desk: Desk) -> None:
    entry = matched(transfer(desk, 400_000, "x"))
    suspense_take(entry_id=entry.pk, owner="li", by="li", now=NOW)
    with as_role("app"):
        with seen_by(EVERYTHING):
            [item] = suspense_open(seen=EVERYTHING, now=NOW + timedelta(days=9, hours=5))
        with seen_by([desk.insurer.pk]):
            assert suspense_open(seen=[desk.insurer.pk], now=NOW) == []
            assert suspense_open(seen=EVERYTHING, now=NOW) == []
    assert (item.bank_reference, item.reason, item.rest_minor) == (entry.bank_reference, "unknown_reference", 400_000)
    assert (item.owner, item.age_days, item.book) == ("li", 9, "MEDISETTLE")


def test_an_insurer_sees_its_own_advices(desk: Desk) -> None:
    advice(desk, ("F261125-AAAAAAAA", 5))
    assert [one.advice_no for one in advices_visible(seen=[desk.insurer.pk])] == ["A-1"]
    assert not advices_visible(seen=[desk.shelf.stranger.pk])


def test_nobody_books_around_the_allocations(desk: Desk) -> None:
    entry = matched(transfer(desk, 400_000, "x"))
    constraints_now()
    rows("UPDATE settlement_suspenseitem SET rest_minor = 1 WHERE entry_id = %s", [entry.pk])
    with pytest.raises(DatabaseError, match="what is matched and what lies in suspense"):
        constraints_now()


def test_strangers_see_no_advice_and_nothing_in_suspense(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    advice(desk, (leg.leg_no, 400_000))
    matched(transfer(desk, 400_000, "A-1"))
    stranger: Organisation = desk.shelf.stranger
    with as_role("app"):
        for organisation, count in ((desk.insurer, 1), (stranger, 0), (desk.chain, 0)):
            with seen_by([organisation.pk]):
                assert RemittanceAdvice.objects.count() == count
                assert Allocation.objects.count() == count
                assert SuspenseItem.objects.count() == 0


def test_a_statement_that_is_named_is_paid_with_its_fees_and_the_next_one_shows_it(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    fees_charge(since=NOW, by="beat", now=NOW)
    party = Party(CounterpartyRole.INSURER, desk.insurer.pk, desk.insurer.pk, "CNY")
    november = statement_make(party=party, month=TODAY, by=DESK, now=DECEMBER, trace_id=TRACE)
    # 1.5 % and 6 % VAT.
    assert (november.gross_minor, november.fee_minor, november.vat_minor) == (400_000, 6_000, 360)
    entry = matched(transfer(desk, november.closing_minor, november.statement_no), now=DECEMBER)
    assert (entry.outcome, state_of(leg)) == ("ALLOCATED", ("PAID", 400_000, "COLLECTED"))
    december = statement_make(
        party=party, month=DECEMBER.date(), by=DESK, now=DECEMBER + timedelta(days=40), trace_id=TRACE
    )
    assert (december.opening_minor, december.paid_minor, december.closing_minor) == (406_360, -406_360, 0)
    proven(desk)
