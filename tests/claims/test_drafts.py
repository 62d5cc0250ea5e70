"""What stands against filing is told all at once; at the edges of days, lists and amounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from claims.models import Claim
from claims.payable import AmountsContradict
from claims.services.desk import ClaimMoved, ClaimStateRefuses, CycleClaimed
from claims.services.drafts import (
    ClaimNotReady,
    DraftInvalid,
    LineDraft,
    claim_change,
    claim_draft,
    claim_submit,
)
from claims.services.ends import claim_withdraw
from claims.services.readiness import checklist_of, faults_of
from core.errors import NotFound, Problem
from registry.states import ClaimKind, DocumentKind
from tests.claims.house import (
    PATIENT,
    TRACE,
    appealed,
    declined_in_prereview,
    draft_of,
    drafted,
    filed,
    fresh,
    held_and_used,
    in_prereview,
    uploaded,
)
from tests.registry.house import (
    NOW,
    OTHER_DRUG,
    TODAY,
    Shelf,
    authorisation_of,
    make_shelf,
    person_of,
    policy_of,
    prescription_of,
    terms_of,
)

LONG = timedelta(days=400)


def codes(claim: Claim, *, now: datetime = NOW) -> list[str]:
    return [fault.code for fault in faults_of(claim=fresh(claim), now=now)]


def test_a_complete_draft_has_no_fault(shelf: Shelf) -> None:
    assert codes(drafted(shelf)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"service_on": TODAY + timedelta(days=1)}, "service_in_future"),
        ({"diagnosed_on": None}, "diagnosis_date_missing"),
        ({"diagnosed_on": TODAY + timedelta(days=1)}, "diagnosis_in_future"),
        ({"diagnosed_on": date(2023, 11, 24)}, "diagnosis_too_old"),
        ({"drug_code": OTHER_DRUG, "icd10": "C50.9"}, "not_indicated"),
        ({"icd10": ""}, "diagnosis_missing"),
        ({"icd10": "C34.1"}, "not_indicated"),
        ({"lines": ()}, "nothing_claimed"),
        ({"days_of_supply": 0}, "days_of_supply"),
        ({"days_of_supply": 32}, "days_of_supply"),
        ({"kind": ClaimKind.RENEWAL}, "authorisation_missing"),
        ({"service_on": date(2019, 5, 1), "diagnosed_on": date(2019, 4, 1)}, "no_terms"),
    ],
)
def test_each_fault_is_told(shelf: Shelf, changes: dict[str, Any], code: str) -> None:
    assert code in codes(drafted(shelf, **changes))


@pytest.mark.parametrize(
    "changes", [{"diagnosed_on": date(2023, 11, 25)}, {"diagnosed_on": TODAY}, {"days_of_supply": 31}, {"icd10": "c50"}]
)
def test_at_the_very_edge_it_is_fine(shelf: Shelf, changes: dict[str, Any]) -> None:
    assert codes(drafted(shelf, **changes)) == []


def test_everything_is_asked_for_at_once(shelf: Shelf) -> None:
    claim = drafted(shelf, complete=False, icd10="", diagnosed_on=None)
    with pytest.raises(ClaimNotReady) as refused:
        claim_submit(claim_id=claim.pk, by=PATIENT, now=NOW, trace_id=TRACE)
    faults = refused.value.body(trace_id=TRACE)["faults"]
    assert [(fault["code"], fault["field"]) for fault in faults] == [
        ("diagnosis_date_missing", "diagnosed_on"),
        ("diagnosis_missing", "icd10"),
        ("document_missing", "ID_CARD"),
        ("document_missing", "PRESCRIPTION"),
    ]
    assert all(fault["text"] and fault["text_zh"] for fault in faults)
    assert fresh(claim).state == "DRAFT"
    assert held_and_used(shelf.policy, shelf.person) == {}


def test_the_checklist_is_shown_before_anything_was_handed_in(shelf: Shelf) -> None:
    claim = drafted(shelf, complete=False)
    uploaded(claim, DocumentKind.ID_CARD)
    items = checklist_of(claim=claim, now=NOW)
    assert [(item.material.kind, item.there) for item in items] == [("ID_CARD", True), ("PRESCRIPTION", False)]


@pytest.mark.parametrize(
    ("age", "found"), [(0, []), (30, []), (31, ["document_too_old"]), (None, ["document_too_old"])]
)
def test_a_paper_is_young_enough_through_its_last_day(shelf: Shelf, age: int | None, found: list[str]) -> None:
    claim = drafted(shelf, complete=False)
    uploaded(claim, DocumentKind.ID_CARD)
    issued_on = None if age is None else TODAY - timedelta(days=age)
    uploaded(claim, DocumentKind.PRESCRIPTION, issued_on=issued_on)
    assert codes(claim) == found


@pytest.mark.parametrize(
    ("now", "found"),
    [
        # Thirty waiting days from 1 January: 30 January is the last, by the product's calendar in Shanghai.
        pytest.param(datetime(2026, 1, 30, 15, 59, tzinfo=UTC), ["waiting"], id="23:59 of the last waiting day"),
        pytest.param(datetime(2026, 1, 30, 16, 0, tzinfo=UTC), [], id="midnight after it"),
        # Sixty days of grace after 31 December: 1 March is the last.
        pytest.param(datetime(2027, 3, 1, 15, 59, tzinfo=UTC), [], id="23:59 of the last day of grace"),
        pytest.param(datetime(2027, 3, 1, 16, 0, tzinfo=UTC), ["policy_not_in_force"], id="midnight after that"),
    ],
)
def test_days_end_at_midnight_of_the_products_time_zone(shelf: Shelf, now: datetime, found: list[str]) -> None:
    claim = drafted(shelf, complete=False, now=now, diagnosed_on=date(2026, 1, 1))
    assert [code for code in codes(claim, now=now) if not code.startswith("document")] == found


def delist(shelf: Shelf, running: str, **changes: Any) -> None:
    """From tomorrow on the drug is off the list."""
    kept = [drug for drug in shelf.terms.body["drugs"] if drug["drug"] != shelf.drug.pk]
    terms_of(shelf.product, TODAY + timedelta(days=1), drugs=kept, running_on_delisting=running, **changes)


@pytest.mark.parametrize(
    ("days", "running", "found"),
    [
        pytest.param(0, "end", [], id="the day before"),
        pytest.param(1, "end", ["not_listed"], id="on the day, without a running authorisation that counts"),
        pytest.param(1, "continue", [], id="on the day, where running authorisations continue"),
    ],
)
def test_a_list_changes_on_its_date(shelf: Shelf, days: int, running: str, found: list[str]) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    delist(shelf, running)
    now = NOW + timedelta(days=days)
    claim = drafted(shelf, now=now, authorisation_id=authorisation.pk)
    assert codes(claim, now=now) == found
    if not found:
        assert claim_submit(claim_id=claim.pk, by=PATIENT, now=now, trace_id=TRACE).payable_minor == 400_000


def test_the_prescriptions_list_counts_where_the_terms_say_so(db: None) -> None:
    shelf = make_shelf(list_date="prescription")
    delist(shelf, "end", list_date="prescription")
    tomorrow = NOW + timedelta(days=1)
    prescription = prescription_of(shelf.person, shelf.drug)
    assert codes(drafted(shelf, now=tomorrow, prescription_id=prescription.pk), now=tomorrow) == []
    assert codes(drafted(shelf, now=tomorrow), now=tomorrow) == ["not_listed"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"valid_until": TODAY - timedelta(days=1), "issued_on": TODAY - timedelta(days=9)}, "prescription_expired"),
        ({"drug_code": OTHER_DRUG}, "prescription_other_drug"),
    ],
)
def test_a_prescription_that_cannot_be_filled(shelf: Shelf, changes: dict[str, Any], code: str) -> None:
    prescription = prescription_of(shelf.person, shelf.drug, **changes)
    assert codes(drafted(shelf, prescription_id=prescription.pk)) == [code]


def test_the_prescription_of_somebody_else(shelf: Shelf) -> None:
    prescription = prescription_of(person_of(), shelf.drug)
    assert codes(drafted(shelf, prescription_id=prescription.pk)) == ["prescription_foreign"]


@pytest.mark.parametrize(
    ("authorised", "cycle_no", "found"),
    [
        ({}, 1, []),
        ({}, 8, []),
        ({}, 9, ["cycle"]),
        ({}, 0, ["cycle"]),
        ({"valid_until": TODAY - timedelta(days=1)}, 1, ["authorisation_not_valid"]),
        ({"valid_until": TODAY}, 1, []),
    ],
)
def test_a_renewal_is_a_cycle_of_its_authorisation(
    shelf: Shelf, authorised: dict[str, Any], cycle_no: int, found: list[str]
) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug, **authorised)
    claim = drafted(shelf, kind=ClaimKind.RENEWAL, authorisation_id=authorisation.pk, cycle_no=cycle_no)
    assert codes(claim) == found


def test_the_authorisation_of_somebody_else(shelf: Shelf) -> None:
    other = person_of()
    foreign = authorisation_of(policy_of(shelf.product, other), other, shelf.drug)
    assert codes(drafted(shelf, authorisation_id=foreign.pk)) == ["authorisation_foreign"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(lambda shelf: {"policy_id": policy_of(shelf.product, person_of()).pk}, id="another's policy"),
        pytest.param(lambda shelf: {"policy_id": uuid4()}, id="no policy"),
        pytest.param(lambda shelf: {"drug_code": "NO-SUCH-DRUG"}, id="no drug"),
        pytest.param(lambda shelf: {"prescription_id": uuid4()}, id="no prescription"),
        pytest.param(lambda shelf: {"authorisation_id": uuid4()}, id="no authorisation"),
    ],
)
def test_what_could_never_be_filed_is_not_stored(shelf: Shelf, changes: Callable[[Shelf], dict[str, Any]]) -> None:
    with pytest.raises(NotFound):
        drafted(shelf, **changes(shelf))
    assert not Claim.objects.exists()


def line(**changes: Any) -> LineDraft:
    return LineDraft(**({"quantity": 1, "unit_price_minor": 100} | changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"lines": (line(basic_minor=60, other_minor=41),)}, AmountsContradict),
        ({"lines": (line(charity_minor=-1),)}, AmountsContradict),
        ({"lines": (line(unit_price_minor=1.5),)}, AmountsContradict),
        ({"lines": (line(basic_minor=60),), "discount_minor": 41}, AmountsContradict),
        ({"lines": (line(quantity=0),)}, DraftInvalid),
        ({"lines": (line(quantity=10_000),)}, DraftInvalid),
        ({"lines": (line(),) * 51}, DraftInvalid),
        ({"icd10": "C50.9.1234567"}, DraftInvalid),
        ({"days_of_supply": -1}, DraftInvalid),
    ],
)
def test_amounts_and_codes_that_make_no_sense(shelf: Shelf, changes: dict[str, Any], problem: type[Problem]) -> None:
    with pytest.raises(problem):
        claim_draft(draft=draft_of(shelf, **changes), by=PATIENT, now=NOW, trace_id=TRACE)


def test_a_draft_is_changed_over_the_version_that_was_seen(shelf: Shelf) -> None:
    claim = drafted(shelf)
    changed = claim_change(
        claim_id=claim.pk, draft=draft_of(shelf, lines=(line(),)), version=0, by=PATIENT, now=NOW, trace_id=TRACE
    )
    assert (changed.total_minor, changed.version, changed.lines.count()) == (100, 1, 1)
    with pytest.raises(ClaimMoved):
        claim_change(claim_id=claim.pk, draft=draft_of(shelf), version=0, by=PATIENT, now=NOW, trace_id=TRACE)


def test_a_draft_stays_its_persons(shelf: Shelf) -> None:
    other = person_of()
    draft = draft_of(shelf, person_id=other.pk, policy_id=policy_of(shelf.product, other).pk)
    with pytest.raises(NotFound):
        claim_change(claim_id=drafted(shelf).pk, draft=draft, by=PATIENT, now=NOW, trace_id=TRACE)


def test_a_claim_is_filed_once(shelf: Shelf) -> None:
    claim = filed(shelf)
    with pytest.raises(ClaimStateRefuses):
        claim_submit(claim_id=claim.pk, by=PATIENT, now=NOW, trace_id=TRACE)


def test_the_second_claim_gets_what_the_first_has_left_of_the_cap(db: None) -> None:
    shelf = make_shelf(annual_cap_minor=500_000)
    assert filed(shelf).payable_minor == 400_000
    assert filed(shelf).payable_minor == 100_000
    assert filed(shelf).payable_minor == 0


def test_the_deductible_is_eaten_once_a_year(db: None) -> None:
    shelf = make_shelf(deductible_minor=600_000)
    amounts = [(claim.deductible_minor, claim.payable_minor) for claim in (filed(shelf), filed(shelf), filed(shelf))]
    assert amounts == [(500_000, 0), (100_000, 320_000), (0, 400_000)]


def test_a_cycle_is_claimed_once_at_a_time(shelf: Shelf) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    first = drafted(shelf, authorisation_id=authorisation.pk, cycle_no=1)
    with pytest.raises(CycleClaimed, match=first.claim_no):
        drafted(shelf, authorisation_id=authorisation.pk, cycle_no=1)
    claim_withdraw(claim_id=first.pk, by=PATIENT, now=NOW, trace_id=TRACE)
    assert drafted(shelf, authorisation_id=authorisation.pk, cycle_no=1).state == "DRAFT"


def test_a_refusal_is_not_appealed_while_its_cycle_is_claimed_anew(shelf: Shelf) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    refused = declined_in_prereview(in_prereview(shelf, authorisation_id=authorisation.pk, cycle_no=1))
    drafted(shelf, authorisation_id=authorisation.pk, cycle_no=1)
    with pytest.raises(CycleClaimed):
        appealed(refused)
