"""Money that comes in: matched to what is owed and never beyond it; everything else in suspense, with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from accounts.models import Organisation
from core.errors import NotFound, Problem
from core.row_security import EVERYTHING, seen_by
from ledger.services import prove
from registry.policy_files import FileRefused
from settlement.models import Allocation, RemittanceAdvice, SuspenseItem
from settlement.selectors.collections import advices_visible, suspense_open
from settlement.selectors.statement_lines import Party
from settlement.services.collections import (
    HandNeedsReason,
    MoreThanCame,
    MoreThanOpen,
    OtherCurrency,
    UndoneAlready,
    allocate,
    allocation_undo,
)
from settlement.services.contracts import pharmacy_exposure_set
from settlement.services.fees import fees_charge
from settlement.services.legs import leg_dispute
from settlement.services.matching import entries_match, entry_match
from settlement.services.remittances import (
    AdviceDraft,
    AdviceInvalid,
    AdviceTaken,
    AdvisedLine,
    advice_file_read,
    advice_take,
)
from settlement.services.statements import statement_make
from settlement.services.suspense import NotACollection, suspense_take
from settlement.states import CounterpartyRole
from tests.ledger.cast import constraints_now
from tests.registry.house import NOW, TODAY, insurer_of
from tests.roles import as_role, rows
from tests.settlement.house import DESK, LINE, TRACE, Desk, line_of
from tests.settlement.incoming import fresh, matched, owed, state_of, sums, transfer, unknown

DECEMBER = datetime(2026, 12, 3, 2, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def room(desk: Desk) -> None:
    line_of(desk, 10 * LINE)
    pharmacy_exposure_set(organisation_id=desk.chain.pk, amount_minor=10 * LINE, reason="room", by=DESK, now=NOW)


def advice(desk: Desk, *lines: tuple[str, int], number: str = "A-1", **changes: Any) -> RemittanceAdvice:
    values: dict[str, Any] = {
        "advice_no": number,
        "reference": "",
        "currency": "CNY",
        "total_minor": sum(minor for _, minor in lines),
        "lines": [AdvisedLine(*line) for line in lines],
    }
    draft = AdviceDraft(**(values | changes))
    return advice_take(organisation_id=desk.insurer.pk, draft=draft, by="clerk", now=NOW)


def by_hand(entry: Any, leg_no: str, minor: int, reason: str = "the payer said so") -> Allocation:
    with as_role("worker"):
        return allocate(
            entry_id=entry.pk, leg_no=leg_no, amount_minor=minor, reason=reason, by=DESK, now=NOW, trace_id=TRACE
        )


def undone(allocation: Allocation, reason: str = "another's money") -> Allocation:
    with as_role("worker"):
        return allocation_undo(allocation_id=allocation.pk, reason=reason, by=DESK, now=NOW, trace_id=TRACE)


def proven(desk: Desk) -> None:
    """Everything that is checked at a commit, and the ledger's own rules."""
    constraints_now()
    assert prove().holds


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


# By an advice.


def test_an_advice_before_the_transfer_divides_it(desk: Desk) -> None:
    (one,), (two,) = owed(desk, 400_000), owed(desk, 250_000)
    advice(desk, (one.leg_no, 400_000), (two.leg_no, 200_000))
    entry = matched(transfer(desk, 600_000, "our advice A-1"))
    assert (state_of(one)[0], fresh(two).settled_minor, entry.outcome) == ("PAID", 200_000, "ALLOCATED")
    proven(desk)


def test_an_advice_after_the_transfer_takes_it_out_of_suspense(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    entry = matched(transfer(desk, 400_000, "batch 7"))
    assert entry.suspense.reason == "unknown_reference"
    advice(desk, (leg.leg_no, 400_000), reference=entry.bank_reference)
    assert state_of(leg) == ("PAID", 400_000, "COLLECTED")
    # The money lay in the platform's own book and moved to the insurer's.
    assert (sums(desk.platform), sums(desk.insurer)["cash"]) == ({}, 400_000)
    assert SuspenseItem.objects.get(entry=entry).closed_at is not None
    proven(desk)


def test_a_netted_transfer_takes_back_what_was_paid_before(desk: Desk) -> None:
    (old,), (new,) = owed(desk, 300_000), owed(desk, 400_000)
    matched(transfer(desk, 300_000, old.leg_no))
    advice(desk, (new.leg_no, 400_000), (old.leg_no, -100_000))
    matched(transfer(desk, 300_000, "A-1"))
    assert state_of(new) == ("PAID", 400_000, "COLLECTED")
    assert state_of(old) == ("DUE", 200_000, "CLAWED_BACK")
    assert (sums(desk.insurer)["cash"], sums(desk.insurer)["receivable"]) == (600_000, 100_000)
    assert "suspense" not in sums(desk.insurer)
    proven(desk)


def test_another_sum_than_advised_is_for_a_person(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    advice(desk, (leg.leg_no, 400_000))
    entry = matched(transfer(desk, 399_999, "A-1"))
    assert (entry.allocated_minor, entry.suspense.reason) == (0, "advice_differs")
    assert fresh(leg).settled_minor == 0


def test_a_line_that_does_not_fit_is_named_and_the_rest_is_matched(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    other = insurer_of("INS-CO")
    _, foreign = owed(desk, 200_000, shares={desk.insurer.pk: 100_000, other.pk: 100_000})
    taken = advice(desk, (leg.leg_no, 400_000), ("F261125-ZZZZZZZZ", 1_000), (foreign.leg_no, 100_000))
    entry = matched(transfer(desk, 501_000, "A-1"))
    assert [line.fault for line in taken.lines.order_by("line_no")] == ["", "unknown_reference", "unknown_reference"]
    assert (entry.allocated_minor, entry.suspense.reason, entry.suspense.rest_minor) == (
        400_000,
        "advice_line_faulty",
        101_000,
    )
    proven(desk)


def test_more_than_is_open_is_never_matched_by_an_advice(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    taken = advice(desk, (leg.leg_no, 400_001))
    entry = matched(transfer(desk, 400_001, "A-1"))
    assert (taken.lines.get().fault, entry.allocated_minor) == ("allocation_exceeds_leg", 0)
    assert fresh(leg).settled_minor == 0


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"total_minor": 399_999}, "total"),
        ({"currency": "XYZ"}, "currency"),
        ({"advice_no": "=1+1"}, "advice_no"),
        ({"lines": []}, "lines"),
        ({"lines": [AdvisedLine("F1", 0)], "total_minor": 0}, "line 1"),
        ({"lines": [AdvisedLine("F1", -5)], "total_minor": -5}, "total"),
        ({"lines": [AdvisedLine("F1", 5), AdvisedLine("F1", 5)], "total_minor": 10}, "lines"),
        ({"lines": [AdvisedLine("<script>", 5)], "total_minor": 5}, "line 1"),
    ],
)
def test_an_advice_that_cannot_be_right_is_not_stored(desk: Desk, changes: dict[str, Any], place: str) -> None:
    with pytest.raises(AdviceInvalid) as caught:
        advice(desk, ("F261125-AAAAAAAA", 400_000), **changes)
    assert caught.value.fields["place"] == place
    assert not RemittanceAdvice.objects.exists()


def test_an_advice_is_taken_once_by_number_and_by_content(desk: Desk) -> None:
    (leg,) = owed(desk, 400_000)
    advice(desk, (leg.leg_no, 400_000))
    with pytest.raises(AdviceTaken):
        advice(desk, (leg.leg_no, 400_000))
    with pytest.raises(AdviceTaken):
        advice(desk, (leg.leg_no, 300_000))
    assert RemittanceAdvice.objects.count() == 1


FILE = "advice_no,reference,currency,total,leg_no,amount\n"


def test_a_file_is_read_to_the_cent(desk: Desk) -> None:
    body = FILE + "A-9,BR-1,CNY,3000.10,F1,4000.10\nA-9,BR-1,CNY,3000.10,F2,-1000\n"
    draft = advice_file_read(file_name="advice.csv", content=body.encode())
    assert draft == AdviceDraft(
        "A-9", "BR-1", "CNY", 300_010, [AdvisedLine("F1", 400_010), AdvisedLine("F2", -100_000)]
    )


@pytest.mark.parametrize(
    "rows_of_file",
    [
        "A-9,BR-1,CNY,10.001,F1,10.001\n",
        "A-9,BR-1,CNY,ten,F1,10\n",
        "A-9,BR-1,CNY,NaN,F1,10\n",
        "A-9,BR-1,XYZ,10,F1,10\n",
        "A-9,BR-1,CNY,10,F1,=10\n",
        "A-9,BR-1,CNY,20,F1,10\nA-8,BR-1,CNY,20,F2,10\n",
    ],
)
def test_a_file_that_cannot_be_right_is_refused(rows_of_file: str) -> None:
    with pytest.raises(AdviceInvalid):
        advice_file_read(file_name="advice.csv", content=(FILE + rows_of_file).encode())


@pytest.mark.parametrize(("name", "content"), [("a.xlsx", b"no workbook"), ("a.csv", b""), ("a.pdf", b"%PDF")])
def test_what_is_no_table_is_refused(name: str, content: bytes) -> None:
    with pytest.raises(FileRefused):
        advice_file_read(file_name=name, content=content)


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
