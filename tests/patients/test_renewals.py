"""A refill in one step: the next cycle with nothing but the new prescription, all of it or nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from claims.models import Claim
from claims.services.drafts import ClaimNotReady
from claims.states import ClaimState
from core.errors import NotFound, Problem
from patients.selectors.consents import ConsentMissing
from patients.selectors.standing import NotYours, Standing
from patients.services.consents import consent_withdraw
from patients.services.renewals import CycleBeforeOpen, NewPrescription, application_renew
from patients.states import ConsentCode, HelperScope
from registry.models import Authorisation, Prescription
from registry.states import ClaimKind
from tests.claims import papers
from tests.claims.house import approving, begun, decided, declining, fresh, in_confirmation, passed
from tests.patients.house import TRACE, Family, agreed, helper_of, known, request_of
from tests.registry.house import NOW, TODAY, authorisation_of

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(seconds=1)
PAPER = NewPrescription(
    source="Hospital East",
    number="RX-2026-778",
    doctor="王医生",
    issued_on=TODAY,
    valid_until=TODAY + timedelta(days=30),
    content=papers.photo(papers.picture(60, 40, "#336699")),
    file_name="rx.jpg",
)


@pytest.fixture
def patient(family: Family) -> Standing:
    standing = known(family.patient)
    agreed(standing)
    return standing


@pytest.fixture
def running(family: Family) -> Authorisation:
    """Of a first claim that was confirmed."""
    row = decided(in_confirmation(family.shelf), approving()).authorisation
    assert row is not None
    return row


def renew(standing: Standing, row: Authorisation, **changes: Any) -> Claim:
    brought = NewPrescription(**{name: getattr(PAPER, name) for name in PAPER.__slots__} | changes)
    with request_of(standing):
        return application_renew(standing=standing, authorisation_id=row.pk, brought=brought, now=NOW, trace_id=TRACE)


def test_the_next_cycle_is_filed_with_the_prescription_alone(patient: Standing, running: Authorisation) -> None:
    claim = renew(patient, running)
    before = Claim.objects.get(authorisation=running, cycle_no=1)
    assert (claim.state, claim.kind, claim.cycle_no) == (ClaimState.SUBMITTED, ClaimKind.RENEWAL, 2)
    assert (claim.total_minor, claim.basic_minor, claim.payable_minor) == (
        before.total_minor,
        before.basic_minor,
        before.payable_minor,
    )
    assert claim.prescription is not None
    assert claim.prescription.number == "RX-2026-778"
    assert claim.documents.count() == 1


def test_confirmed_it_is_the_authorisations_second_cycle_and_the_third_follows(
    patient: Standing, running: Authorisation
) -> None:
    decided(passed(begun(renew(patient, running))), approving())
    assert Authorisation.objects.get(pk=running.pk).cycles_used == 2
    assert renew(patient, running, number="RX-2026-779").cycle_no == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"issued_on": TODAY - timedelta(days=60), "valid_until": TODAY - timedelta(days=30)},
        {"content": b"no picture of anything"},
    ],
)
def test_a_paper_that_will_not_do_leaves_nothing_behind(
    patient: Standing, running: Authorisation, changes: dict[str, Any]
) -> None:
    with pytest.raises(Problem):
        renew(patient, running, **changes)
    assert Claim.objects.filter(authorisation=running).count() == 1
    assert not Prescription.objects.exists()


def test_the_same_prescription_does_not_fetch_two_cycles(patient: Standing, running: Authorisation) -> None:
    decided(passed(begun(renew(patient, running))), approving())
    with pytest.raises(Problem):
        renew(patient, running)
    assert Claim.objects.filter(authorisation=running).count() == 2


def test_while_the_second_cycle_is_under_review_it_is_not_filed_twice(
    patient: Standing, running: Authorisation
) -> None:
    renew(patient, running)
    with pytest.raises(Problem) as refusal:
        renew(patient, running, number="RX-2026-779")
    assert refusal.value.code == "cycle_claimed"


def test_without_a_confirmed_cycle_before_it_a_first_claim_is_needed(patient: Standing, family: Family) -> None:
    row = authorisation_of(family.shelf.policy, family.patient, family.shelf.drug)
    with pytest.raises(CycleBeforeOpen):
        renew(patient, row)


def test_after_a_refusal_the_cycle_may_be_asked_for_again(patient: Standing, running: Authorisation) -> None:
    refused = decided(passed(begun(renew(patient, running))), declining())
    assert fresh(refused).state == ClaimState.DECLINED
    assert renew(patient, running, number="RX-2026-780").cycle_no == 2


def test_a_helper_who_may_only_look_does_not_refill(patient: Standing, running: Authorisation) -> None:
    daughter = helper_of(patient, HelperScope.SEE)
    with pytest.raises(NotYours):
        renew(daughter, running)


def test_a_stranger_finds_no_such_authorisation(family: Family, running: Authorisation) -> None:
    stranger = known(family.stranger)
    agreed(stranger)
    with pytest.raises(NotFound):
        renew(stranger, running)


def test_without_consent_nothing_is_filed(patient: Standing, running: Authorisation) -> None:
    assert patient.person_id is not None
    with request_of(patient):
        consent_withdraw(standing=patient, person_id=patient.person_id, code=ConsentCode.HEALTH_DATA, now=LATER)
    with pytest.raises((ConsentMissing, ClaimNotReady)):
        renew(patient, running)
    assert Claim.objects.filter(authorisation=running).count() == 1
