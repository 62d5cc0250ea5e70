"""Authorisations and prescriptions: cycles, supply with charity boxes, validity; the same paper once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from core.errors import NotFound
from core.ids import new_trace_id, uuid7
from core.models import Transition
from registry.models import Authorisation, Prescription
from registry.selectors.authorisations import (
    authorisation_fault,
    authorisation_running,
    cycle_is_charity,
    re_evaluation_due,
    refill_from,
    supplied_until,
)
from registry.services.authorisations import (
    AuthorisationInvalid,
    AuthorisationNotOpen,
    AuthorisationRuns,
    authorisation_end,
    authorisation_resume,
    authorisation_suspend,
    cycle_used,
    supply_recorded,
)
from registry.services.prescriptions import (
    PrescriptionInvalid,
    PrescriptionKnown,
    PrescriptionSpent,
    prescription_fault,
    prescription_filled,
)
from tests.exchange.meetings import meet
from tests.registry.house import (
    NOW,
    TODAY,
    Shelf,
    authorisation_of,
    drug_of,
    person_of,
    policy_of,
    prescription_of,
)
from tests.roles import refused, rows


def granted(shelf: Shelf, **changes: Any) -> Authorisation:
    return authorisation_of(shelf.policy, shelf.person, shelf.drug, **changes)


def used(row: Authorisation, cycle_no: int) -> Authorisation:
    return cycle_used(authorisation_id=row.pk, cycle_no=cycle_no, by="claims", now=NOW, trace_id=new_trace_id())


def supplied(row: Authorisation, on: date, days: int) -> Authorisation:
    return supply_recorded(authorisation_id=row.pk, on=on, days=days, now=NOW)


# Authorisations ----------------------------------------------------------------------------------------


def test_a_person_has_one_running_authorisation_per_policy_and_drug(shelf: Shelf) -> None:
    first = granted(shelf)
    with pytest.raises(AuthorisationRuns):
        granted(shelf)
    authorisation_of(shelf.policy, shelf.person, shelf.other_drug)
    authorisation_end(authorisation_id=first.pk, reason="drug_changed", by="r", now=NOW, trace_id=new_trace_id())
    again = granted(shelf)
    found = authorisation_running(policy=shelf.policy, person_id=shelf.person.pk, drug_code=shelf.drug.pk)
    assert found == again


@pytest.mark.parametrize(
    "changes",
    [
        {"cycles": 0},
        {"quantity_per_cycle": 0},
        {"days_per_cycle": 0},
        {"re_evaluate_after_cycles": 0},
        {"icd10": " "},
        {"regimen": ""},
        {"valid_until": date(2025, 12, 31)},
        {"charity_paid_cycles": 3},
        {"charity_free_cycles": 3},
        {"drug_code": "NEVER"},
    ],
)
def test_what_cannot_be_authorised(shelf: Shelf, changes: dict[str, Any]) -> None:
    with pytest.raises(AuthorisationInvalid):
        granted(shelf, **changes)


def test_a_stranger_to_the_policy_gets_none(shelf: Shelf) -> None:
    with pytest.raises(AuthorisationInvalid):
        authorisation_of(shelf.policy, person_of(), shelf.drug)
    with pytest.raises(NotFound):
        granted(shelf, policy_id=uuid7(NOW))


def test_cycles_are_used_in_turn_and_the_last_one_ends_it(shelf: Shelf) -> None:
    row = granted(shelf, cycles=3, re_evaluate_after_cycles=2)
    due = []
    for cycle_no in (1, 2, 2, 1):
        row = used(row, cycle_no)
        due.append((row.cycles_used, re_evaluation_due(authorisation=row)))
    assert due == [(1, False), (2, True), (2, True), (2, True)]
    for cycle_no in (4, 0):
        with pytest.raises(AuthorisationNotOpen):
            used(row, cycle_no)
    row = used(row, 3)
    assert (row.state, row.state_reason, row.cycles_used) == ("ENDED", "used_up", 3)
    with pytest.raises(AuthorisationNotOpen):
        used(row, 4)
    history = Transition.objects.filter(entity_id=str(row.pk))
    assert [(one.from_state, one.to_state) for one in history] == [("ACTIVE", "ENDED")]


MOVES = {"suspend": authorisation_suspend, "resume": authorisation_resume, "end": authorisation_end}
ALLOWED = {"ACTIVE": {"suspend", "end"}, "SUSPENDED": {"resume", "end"}, "ENDED": set()}


@pytest.mark.parametrize("act", sorted(MOVES))
@pytest.mark.parametrize("state", sorted(ALLOWED))
def test_each_move_is_allowed_or_refused(shelf: Shelf, state: str, act: str) -> None:
    row = granted(shelf)
    told: dict[str, Any] = {"authorisation_id": row.pk, "by": "r", "now": NOW, "trace_id": new_trace_id()}
    if state != "ACTIVE":
        MOVES["suspend" if state == "SUSPENDED" else "end"](reason="x", **told)
    if act in ALLOWED[state]:
        MOVES[act](reason="x", **told)
        return
    with pytest.raises(AuthorisationNotOpen):
        MOVES[act](reason="x", **told)


@pytest.mark.parametrize(
    ("changes", "on", "quantity", "fault"),
    [
        ({}, date(2025, 12, 31), 1, "not_begun"),
        ({}, date(2026, 1, 1), 1, None),
        ({}, date(2026, 12, 31), 1, None),
        ({}, date(2027, 1, 1), 1, "expired"),
        ({}, TODAY, 2, "dose_changed"),
        ({"quantity_per_cycle": 4, "dose_change_basis_points": 2_500}, TODAY, 5, None),
        ({"quantity_per_cycle": 4, "dose_change_basis_points": 2_500}, TODAY, 3, None),
        ({"quantity_per_cycle": 4, "dose_change_basis_points": 2_500}, TODAY, 6, "dose_changed"),
        ({"quantity_per_cycle": 4, "dose_change_basis_points": 2_499}, TODAY, 5, "dose_changed"),
    ],
)
def test_an_authorisation_allows_a_day_and_a_dose(
    shelf: Shelf, changes: dict[str, Any], on: date, quantity: int, fault: str | None
) -> None:
    row = granted(shelf, **changes)
    assert authorisation_fault(authorisation=row, on=on, quantity=quantity) == fault


def test_a_suspended_one_allows_nothing(shelf: Shelf) -> None:
    row = granted(shelf)
    row = authorisation_suspend(authorisation_id=row.pk, reason="recovery", by="r", now=NOW, trace_id=new_trace_id())
    assert authorisation_fault(authorisation=row, on=TODAY, quantity=1) == "suspended"


JUNE = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("supplies", "until", "refill"),
    [
        ([], None, None),
        ([(JUNE, 21)], date(2026, 6, 22), date(2026, 6, 17)),
        ([(JUNE, 21), (date(2026, 6, 22), 21)], date(2026, 7, 13), date(2026, 7, 8)),
        ([(JUNE, 21), (date(2026, 6, 17), 21)], date(2026, 7, 13), date(2026, 7, 8)),
        ([(JUNE, 21), (JUNE, 21)], date(2026, 7, 13), date(2026, 7, 8)),
        ([(JUNE, 21), (date(2026, 7, 1), 21)], date(2026, 7, 22), date(2026, 7, 17)),
        ([(JUNE, 21), (JUNE, 21), (JUNE, 21)], date(2026, 8, 3), date(2026, 7, 29)),
    ],
    ids=["none", "one", "in time", "early", "a charity box with it", "late", "two charity boxes with it"],
)
def test_a_refill_waits_for_all_boxes_charity_included(
    shelf: Shelf, supplies: list[tuple[date, int]], until: date | None, refill: date | None
) -> None:
    row = granted(shelf)
    for on, days in supplies:
        row = supplied(row, on, days)
    assert supplied_until(authorisation=row) == until
    assert refill_from(authorisation=row, early_refill_days=5) == refill


def test_a_supply_is_not_of_the_past_nor_of_nothing(shelf: Shelf) -> None:
    row = supplied(granted(shelf), JUNE, 21)
    for on, days in ((JUNE - timedelta(days=1), 21), (JUNE, 0)):
        with pytest.raises(AuthorisationInvalid):
            supplied(row, on, days)


def test_of_paid_three_free_two_the_free_ones_come_after_the_paid_ones(shelf: Shelf) -> None:
    row = granted(shelf, charity_paid_cycles=3, charity_free_cycles=2)
    assert [cycle_is_charity(authorisation=row, cycle_no=number) for number in range(1, 9)] == [
        *(False, False, False),
        *(True, True),
        *(False, False, False),
    ]
    assert not cycle_is_charity(
        authorisation=authorisation_of(shelf.policy, shelf.person, shelf.other_drug), cycle_no=4
    )


def test_a_cycle_is_used_once_by_two_at_once(committed_shelf: Shelf) -> None:
    row = granted(committed_shelf)
    first, second = meet(lambda: used(row, 1), lambda: used(row, 1), after="FOR UPDATE")
    assert [one.cycles_used for one in (first, second)] == [1, 1]
    assert Authorisation.objects.get(pk=row.pk).version == 1


def test_the_database_knows_the_last_cycle_and_keeps_the_row(shelf: Shelf) -> None:
    row = granted(shelf)
    with refused("no_cycle_beyond_the_last"):
        Authorisation.objects.filter(pk=row.pk).update(cycles_used=9, version=1)
    with refused("never deleted"):
        rows("DELETE FROM registry_authorisation WHERE id = %s", [row.pk])


# Prescriptions -----------------------------------------------------------------------------------------


def test_the_same_paper_is_stored_once_however_it_is_typed(shelf: Shelf) -> None:
    prescription_of(shelf.person, shelf.drug, number="RX 1-a", source="Hosp A")
    for person in (shelf.person, person_of()):
        with pytest.raises(PrescriptionKnown):
            prescription_of(person, shelf.drug, number=" rx1-A", source="HOSPA")
    prescription_of(shelf.person, shelf.drug, number="RX1-A", source="HOSP-B")
    assert Prescription.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": " "}, "source"),
        ({"number": "x" * 61}, "number"),
        ({"doctor": ""}, "doctor"),
        ({"icd10": "C50.9123456"}, "icd10"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1001}, "quantity"),
        ({"days_of_supply": 0}, "days_of_supply"),
        ({"repeats": -1}, "repeats"),
        ({"minimum_interval_days": -1}, "minimum_interval_days"),
        ({"issued_on": TODAY + timedelta(days=2), "valid_until": TODAY + timedelta(days=9)}, "issued_on"),
        ({"valid_until": TODAY - timedelta(days=1)}, "valid_until"),
        ({"drug_code": "NEVER"}, "drug"),
    ],
)
def test_a_prescription_that_cannot_be_taken(shelf: Shelf, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(PrescriptionInvalid) as caught:
        prescription_of(shelf.person, shelf.drug, **changes)
    assert caught.value.fields["field"] == field
    assert not Prescription.objects.exists()


ISSUED, LAST = date(2026, 6, 1), date(2026, 6, 30)


@pytest.mark.parametrize(
    ("changes", "fillings", "on", "fault"),
    [
        ({}, [], ISSUED - timedelta(days=1), "not_yet_issued"),
        ({}, [], ISSUED, None),
        ({}, [], LAST, None),
        ({}, [], LAST + timedelta(days=1), "expired"),
        ({}, [ISSUED], LAST, "filled_up"),
        ({"repeats": 1}, [ISSUED], ISSUED, None),
        ({"repeats": 1}, [ISSUED, ISSUED], ISSUED, "filled_up"),
        ({"repeats": 1, "minimum_interval_days": 21}, [ISSUED], date(2026, 6, 21), "too_soon"),
        ({"repeats": 1, "minimum_interval_days": 21}, [ISSUED], date(2026, 6, 22), None),
        ({"repeats": 1, "minimum_interval_days": 30}, [ISSUED], LAST + timedelta(days=1), "expired"),
    ],
)
def test_a_prescription_is_valid_by_day_filling_and_interval(
    shelf: Shelf, changes: dict[str, Any], fillings: list[date], on: date, fault: str | None
) -> None:
    row = prescription_of(shelf.person, shelf.drug, issued_on=ISSUED, valid_until=LAST, **changes)
    for day in fillings:
        row = prescription_filled(prescription_id=row.pk, on=day, now=NOW)
    assert prescription_fault(prescription=row, drug=shelf.drug, on=on) == fault
    assert prescription_fault(prescription=row, drug=drug_of("ANOTHER-1"), on=on) == "other_drug"
    if fault is not None:
        with pytest.raises(PrescriptionSpent):
            prescription_filled(prescription_id=row.pk, on=on, now=NOW)


def test_a_paper_without_repeats_is_filled_once_by_two_at_once(committed_shelf: Shelf) -> None:
    row = prescription_of(committed_shelf.person, committed_shelf.drug)

    def fill() -> Prescription:
        return prescription_filled(prescription_id=row.pk, on=TODAY, now=NOW)

    first, second = meet(fill, fill, after="FOR UPDATE")
    assert (first.filled, type(second).__name__) == (1, "PrescriptionSpent")


def test_policies_of_others_do_not_lend_their_authorisation(shelf: Shelf) -> None:
    other = person_of()
    policy = policy_of(shelf.product, other)
    row = authorisation_of(policy, other, shelf.drug)
    assert authorisation_running(policy=policy, person_id=other.pk, drug_code=shelf.drug.pk) == row
    assert authorisation_running(policy=shelf.policy, person_id=shelf.person.pk, drug_code=shelf.drug.pk) is None
