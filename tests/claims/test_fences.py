"""What a patient's own database session may not do to his claim, whatever code runs in it: PostgreSQL refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction

from claims.models import Claim
from core.row_security import persons_see
from tests.claims.house import declined_in_prereview, fresh, in_confirmation, in_prereview
from tests.registry.house import Shelf
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db


@contextmanager
def his_own_session(claim: Claim) -> Iterator[None]:
    with as_role("app"), transaction.atomic():
        persons_see([claim.person_id])
        yield


def attack(claim: Claim, change: str) -> None:
    with his_own_session(claim), refused("patient"):
        rows(f"UPDATE claims_claim SET {change}, version = version + 1 WHERE id = %s", [claim.pk])


@pytest.mark.parametrize("state", ["CONFIRMED", "PARTLY_CONFIRMED", "DECLINED", "INVESTIGATION"])
def test_he_does_not_decide_on_his_claim(shelf: Shelf, state: str) -> None:
    claim = in_confirmation(shelf)
    attack(claim, f"state = '{state}', confirmed_minor = payable_minor, state_by = 'insurer:INS-LIFE'")
    assert fresh(claim).state == "IN_CONFIRMATION"


@pytest.mark.parametrize("state", ["PREREVIEW_PASSED", "PREREVIEW_DECLINED"])
def test_he_does_not_recommend_it(shelf: Shelf, state: str) -> None:
    attack(in_prereview(shelf), f"state = '{state}'")


def test_he_does_not_win_his_own_appeal(shelf: Shelf) -> None:
    claim = declined_in_prereview(in_prereview(shelf))
    with his_own_session(claim):
        rows("UPDATE claims_claim SET state = 'APPEALED', version = version + 1 WHERE id = %s", [claim.pk])
    attack(claim, "state = 'REOPENED'")


@pytest.mark.parametrize(
    "change",
    [
        "confirmed_minor = payable_minor",
        "recommended_minor = payable_minor + 1",
        "handed_over_at = now()",
        "re_review = NOT re_review",
        "risk = 'MEDIUM'",
        "paper = 'RECEIVED'",
    ],
)
def test_he_does_not_change_what_others_say_of_it(shelf: Shelf, change: str) -> None:
    claim = in_confirmation(shelf)
    attack(claim, change)
    assert fresh(claim).version == claim.version


@pytest.mark.parametrize("column", ["used_minor", "held_minor"])
def test_nobody_but_a_move_changes_what_was_drawn_on_a_benefit(shelf: Shelf, column: str) -> None:
    claim = in_confirmation(shelf)
    with his_own_session(claim), refused("permission denied"):
        rows(f"UPDATE registry_benefitaccount SET {column} = 0 WHERE person_id = %s", [claim.person_id])
