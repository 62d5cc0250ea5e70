"""What the registry is told of boxes that were picked up, and how it is taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pharmacies.models import Order
from pharmacies.services.codes import latest_end
from pharmacies.services.handovers import handover_undo
from registry.models import Authorisation, Prescription
from registry.services.prescriptions import PrescriptionSpent, prescription_filled
from tests.claims.house import TRACE
from tests.pharmacies.house import (
    BY,
    Town,
    accepted,
    box,
    claim_of,
    finished,
    fresh,
    handed,
    offered,
    opened,
    ready,
    record,
    shelf_of,
    shown,
    stocked,
)
from tests.registry.house import NOW, TODAY, authorisation_of, prescription_of

pytestmark = pytest.mark.django_db


def prescribed(town: Town) -> Order:
    """A ready order of a claim with prescription and authorisation: two boxes for 21 days."""
    shelf = town.shelf
    paper = prescription_of(shelf.person, shelf.drug, quantity=2)
    running = authorisation_of(shelf.policy, shelf.person, shelf.drug, quantity_per_cycle=2)
    stocked(town.near)
    return ready(accepted(offered(claim_of(town, prescription_id=paper.pk, authorisation_id=running.pk))))


def told(order: Order) -> tuple[object, ...]:
    """Fillings, and the supply's day and days."""
    claim = order.claim
    assert claim.prescription_id is not None
    assert claim.authorisation_id is not None
    paper = Prescription.objects.get(pk=claim.prescription_id)
    running = Authorisation.objects.get(pk=claim.authorisation_id)
    return paper.filled, paper.last_filled_on, running.last_supply_on, running.last_supply_days


def test_while_it_is_pending_the_registry_is_told_nothing(town: Town) -> None:
    order = prescribed(town)
    opened(shown(order))
    assert told(order) == (0, None, None, 0)


def test_two_parts_are_one_filling_and_all_its_days(town: Town) -> None:
    order = prescribed(town)
    handed(order, record(box(1)))
    assert told(order) == (1, TODAY, TODAY, 10)
    handed(order, record(box(1)))
    assert told(order) == (1, TODAY, TODAY, 21)


def test_undone_the_registry_says_what_it_said_before(town: Town) -> None:
    order = prescribed(town)
    handover = handed(order)
    assert told(order) == (1, TODAY, TODAY, 21)
    handover_undo(handover_id=handover.pk, reason="wrong_box", by=BY, now=NOW, trace_id=TRACE)
    assert told(order) == (0, None, None, 0)
    handed(order)
    assert told(order) == (1, TODAY, TODAY, 21)


def test_a_prescription_filled_elsewhere_hands_nothing_over(town: Town) -> None:
    order = prescribed(town)
    handover = opened(shown(order))
    assert order.claim.prescription_id is not None
    prescription_filled(prescription_id=order.claim.prescription_id, on=TODAY, now=NOW)
    with pytest.raises(PrescriptionSpent):
        finished(handover)
    assert shelf_of(town.near) == (2, 2, 0)


def test_the_code_ends_with_the_prescription(town: Town) -> None:
    order = prescribed(town)
    Prescription.objects.update(valid_until=TODAY)
    assert order.fetch_by is not None
    end, why = latest_end(order=fresh(order))
    assert why == "prescription"
    assert end - NOW == timedelta(hours=14)  # Midnight in Shanghai.
