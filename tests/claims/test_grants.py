"""用药授权: the first confirmed claim of a drug authorises the cycles after it, once, by the terms of its day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from claims.models import Claim
from registry.models import Authorisation
from registry.states import AuthorisationState
from tests.claims.house import (
    approving,
    approving_part,
    decided,
    declining,
    fresh,
    in_confirmation,
    in_prereview,
    passed,
    reopened,
)
from tests.registry.house import LAST_DAY, TODAY, Shelf, authorisation_of, make_shelf

pytestmark = pytest.mark.django_db


def granted(claim: Claim) -> Authorisation:
    row = fresh(claim).authorisation
    assert row is not None
    return row


def test_a_confirmed_first_claim_authorises_its_regimen_for_the_cycles_of_the_terms(shelf: Shelf) -> None:
    claim = decided(in_confirmation(shelf), approving())
    row = granted(claim)
    assert (row.cycles, row.cycles_used, row.quantity_per_cycle, row.days_per_cycle) == (6, 1, 2, 21)
    assert (row.policy_id, row.person_id, row.drug_id, row.icd10) == (
        shelf.policy.pk,
        shelf.person.pk,
        shelf.drug.pk,
        "C50.9",
    )
    assert (row.valid_from, row.re_evaluate_after_cycles, row.state) == (TODAY, 3, AuthorisationState.ACTIVE)


def test_it_is_not_valid_beyond_the_policy_and_its_grace(shelf: Shelf) -> None:
    assert granted(decided(in_confirmation(shelf), approving())).valid_until == LAST_DAY + timedelta(days=60)


def test_it_ends_with_the_days_of_the_terms_where_the_policy_runs_longer(db: None) -> None:
    shelf = make_shelf(authorisation_days=20)
    assert granted(decided(in_confirmation(shelf), approving())).valid_until == date(2026, 12, 15)


def test_a_part_authorises_too_and_a_refusal_does_not(shelf: Shelf) -> None:
    claim = decided(in_confirmation(shelf), declining())
    assert fresh(claim).authorisation_id is None
    assert not Authorisation.objects.exists()
    assert granted(decided(in_confirmation(shelf), approving_part())).cycles_used == 1


def test_a_delegated_confirmation_authorises_as_well(db: None) -> None:
    shelf = make_shelf(confirmation_mode="DELEGATED")
    assert granted(passed(in_prereview(shelf))).state_by == "rev-1"


def test_looked_at_anew_and_confirmed_again_it_is_the_same_authorisation(shelf: Shelf) -> None:
    claim = decided(in_confirmation(shelf), approving())
    again = decided(reopened(claim), approving())
    assert granted(again).pk == granted(claim).pk
    assert Authorisation.objects.count() == 1
    assert granted(again).cycles_used == 1


def test_where_one_runs_already_the_claim_stands_alone(shelf: Shelf) -> None:
    running = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    claim = decided(in_confirmation(shelf), approving())
    assert fresh(claim).authorisation_id is None
    assert Authorisation.objects.get().cycles_used == running.cycles_used


def test_terms_without_cycles_authorise_nothing(db: None) -> None:
    claim = decided(in_confirmation(make_shelf(authorisation_cycles_most=0)), approving())
    assert fresh(claim).authorisation_id is None
