"""The machines of goods and money stand twice, in Python and in PostgreSQL: both tables are the same."""

from __future__ import annotations

import pytest
from django.db import models

from pharmacies.models import Entry, Order
from settlement.models import Advance, Payment, PayoutBatch, Recovery, SettlementLeg
from tests.roles import rows

pytestmark = pytest.mark.django_db
MACHINES = (Order, Entry, Advance, SettlementLeg, Recovery, PayoutBatch, Payment)


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model.__name__)
def test_the_trigger_lets_through_what_the_flow_lets_through(model: type[models.Model]) -> None:
    found = rows(
        "SELECT tgargs FROM pg_trigger WHERE tgname = 'state_guard' AND tgrelid = %s::regclass", [model._meta.db_table]
    )
    moves, birth = bytes(found[0][0]).decode().split("\0")[:2]
    field = model._meta.get_field("state")
    drawn = {
        f"{transition.source}>{transition.target}"
        for transition in field.get_all_transitions(model)  # type: ignore[union-attr]
    }
    assert set(moves.split(",")) == drawn
    assert birth == field.default  # type: ignore[union-attr]


def test_an_advance_keeps_the_sum_of_its_parts() -> None:
    # No row is needed: PostgreSQL says it of every row there will ever be.
    [(definition,)] = rows(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'an_advance_is_conserved'"
    )
    for part in ("unconfirmed", "receivable", "collected", "clawed_back", "in_recovery", "recovered", "returned"):
        assert f"{part}_minor" in definition


@pytest.mark.parametrize("role", ["medisettle_app", "medisettle_worker"])
@pytest.mark.parametrize(
    "table", ["settlement_advancemove", "pharmacies_stockmove", "settlement_mandate", "settlement_bankstatement"]
)
def test_nobody_may_change_what_happened(table: str, role: str) -> None:
    for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
        assert rows("SELECT has_table_privilege(%s, %s, %s)", [role, table, privilege]) == [(False,)]
