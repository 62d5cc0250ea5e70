"""The numbers of a report are sums over the facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.checker import Difference
from chaos.figures import bound, figures, own_doubts, percentile, stretches
from chaos.plan import fault_of
from chaos.report import broken_visits
from tests.chaos.day import good_day, ours, with_row


def test_each_stretch_of_doubt_and_reversal_is_timed_to_its_end() -> None:
    moves = [
        *(("RECEIVED", "SENDING", 1.0), ("SENDING", "IN_DOUBT", 4.0), ("IN_DOUBT", "REVERSING", 8.0)),
        *(("REVERSING", "REVERSED", 8.5), ("REVERSED", "REVERSING", 20.0), ("REVERSING", "REVERSED", 21.0)),
    ]
    assert list(stretches(ours("1", "REVERSED", moves=moves))) == [4.5, 1.0]


def test_a_doubt_without_a_fault_is_the_machines_own() -> None:
    sent = [("SENDING", "IN_DOUBT", 4.0)]
    numbers = [f"C-{number}" for number in range(200)]
    rows = {his_no: ours(his_no, "REVERSED", moves=sent) for his_no in numbers}
    faultless = sum(
        fault_of(3, "SANDBOX-A", his_no=his_no) in (None, "reorder", "refuse", "duplicate_delivery", "commit_running")
        for his_no in numbers
    )
    assert 0 < faultless < 200
    assert own_doubts(replace(good_day(), ours=rows), seed=3, share=0.3) == faultless


def test_those_with_a_person_are_counted_by_reason() -> None:
    day = with_row(good_day(), "4", state="NEEDS_HUMAN", reason_code="reversal_refused:E7")
    numbers = figures(day, seed=1, share=0.3)
    assert numbers["with_a_person"] == {"reversal_refused": 1}
    assert numbers["with_a_person_share"] == round(1 / 6, 4)
    assert (numbers["cash_taken_minor"], numbers["cash_given_back_minor"]) == (10000, 8000)


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, 0.0), ([3.0, 1.0, 2.0], 0.5, 2.0), ([5.0], 0.99, 5.0)]
)
def test_percentiles_are_values_that_occurred(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_no_failure_in_n_is_stated_as_three_in_n() -> None:
    assert bound(0, 5000) == "0 failures in 5000: at most 6.00e-04 at 95 %"
    assert bound(2, 5000) == "2 failures in 5000"


def test_one_wrong_fee_counts_once_however_many_promises_it_breaks() -> None:
    subjects = ["C-003854-1", "HOSP-B/V-003854/B-003854", "B-003854: 58869", "C-000007-1~2", ""]
    assert broken_visits([Difference("books agree", subject, "") for subject in subjects]) == 3
