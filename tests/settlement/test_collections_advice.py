"""Remittance advices: taken once, whole or not at all; netted lines take back; what does not fit is named."""

from __future__ import annotations

from typing import Any

import pytest

from registry.policy_files import FileRefused
from settlement.models import RemittanceAdvice, SuspenseItem
from settlement.services.remittances import (
    AdviceDraft,
    AdviceInvalid,
    AdviceTaken,
    AdvisedLine,
    advice_file_read,
)
from tests.registry.house import insurer_of
from tests.settlement.house import Desk
from tests.settlement.incoming import advice, fresh, matched, owed, proven, room, state_of, sums, transfer

__all__ = ["room"]
pytestmark = pytest.mark.usefixtures("room")


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
