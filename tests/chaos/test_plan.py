"""The seed decides who comes, how people behave and which faults happen; the insurer draws the same ones by itself."""

from __future__ import annotations

from collections import Counter

from chaos.plan import ACTS, HABITS, INSURERS, NEEDS, fault_of, mix_of, visit_of
from insurers.sandbox.faults import FAULTS


def test_a_seed_gives_the_same_visits_again_and_another_seed_others() -> None:
    assert [visit_of(7, number) for number in range(50)] == [visit_of(7, number) for number in range(50)]
    assert visit_of(7, 1) != visit_of(8, 1)


def test_every_habit_insurer_and_hospital_turns_up_in_a_few_thousand_visits() -> None:
    visits = [visit_of(1, number) for number in range(3000)]
    for occasion, shares in HABITS.items():
        assert sum(shares.values()) == 100
        assert {visit.habits[occasion] for visit in visits} == set(shares)
    assert {visit.insurer for visit in visits} == {code for code, *_ in INSURERS}
    assert len({visit.hospital for visit in visits}) == 2


def test_what_is_left_out_is_done_by_nobody() -> None:
    visits = [visit_of(1, number, without=ACTS) for number in range(500)]
    for occasion, shares in HABITS.items():
        assert {visit.habits[occasion] for visit in visits} <= set(shares) - set(NEEDS)


def test_the_mix_holds_every_fault_and_about_three_calls_in_ten_draw_one() -> None:
    mix = mix_of(5, "SANDBOX-A")["mix"]
    assert set(mix) == set(FAULTS)
    drawn = Counter(fault_of(5, "SANDBOX-A", his_no=f"C-{number}") for number in range(4000))
    assert set(drawn) == {None, *FAULTS}
    assert 0.27 < 1 - drawn[None] / 4000 < 0.33


def test_insurers_draw_independently_of_each_other() -> None:
    drawn = [[fault_of(5, code, his_no=f"C-{number}") for number in range(200)] for code in ("SANDBOX-A", "SANDBOX-B")]
    assert drawn[0] != drawn[1]
