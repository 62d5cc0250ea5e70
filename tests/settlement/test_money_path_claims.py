"""Ask the money of job B: from the hand-over to the insurer's transfer, through the lens of whoever asks."""

from __future__ import annotations

import pytest

from accounts.models import Organisation, User
from accounts.states import OrganisationKind, Role
from core.errors import NotFound
from settlement.models import SettlementLeg
from settlement.selectors.money_path import MoneyPath, money_path
from settlement.services.collections import allocation_undo
from settlement.services.contracts import pharmacy_exposure_set
from tests.registry.house import NOW
from tests.roles import as_role
from tests.settlement.house import DESK, LINE, TRACE, Desk, line_of
from tests.settlement.incoming import matched, owed, transfer
from tests.world import person


@pytest.fixture
def leg(desk: Desk) -> SettlementLeg:
    """Handed over, confirmed, and collected by one transfer."""
    line_of(desk, 10 * LINE)
    pharmacy_exposure_set(organisation_id=desk.chain.pk, amount_minor=10 * LINE, reason="room", by=DESK, now=NOW)
    (leg,) = owed(desk, 400_000)
    matched(transfer(desk, 400_000, leg.leg_no, bank_reference="BR-CLAIM"))
    return leg


def user_of(home: Organisation, role: Role) -> User:
    return person(f"u-{home.code.lower()}", "用户", home, [role], now=NOW)


def asked(home: Organisation, role: Role, kind: str, key: str) -> MoneyPath:
    user = user_of(home, role)
    with as_role("app"):
        return money_path(kind=kind, key=key, user=user)


def lines(path: MoneyPath, kind: str) -> set[tuple[str, str, int]]:
    return {
        (line.account, line.side, line.amount_minor) for step in path.steps if step.kind == kind for line in step.lines
    }


def test_the_platform_sees_every_step_of_a_claim(desk: Desk, leg: SettlementLeg) -> None:
    path = asked(desk.platform, Role.OPERATOR, "claim", leg.claim.claim_no)
    kinds = {step.kind for step in path.steps}
    assert kinds == {"DRAW", "COUNTER_DRAW", "CONFIRM", "COUNTER_CONFIRM", "COLLECT"}
    assert path.foots
    assert lines(path, "CONFIRM") == {("receivable", "D", 400_000), ("advance_unconfirmed", "C", 400_000)}
    assert {("suspense", "D", 400_000), ("receivable", "C", 400_000)} <= lines(path, "COLLECT")
    assert {one.account: one.amount_minor for one in path.sums if one.amount_minor} == {
        f"payable:p{desk.chain.pk}": -400_000,
        "suspense": 400_000,
    }
    assert {hold.state for hold in path.holds} == {"POSTED"}
    [collected] = [step for step in path.steps if step.kind == "COLLECT"]
    assert collected.evidence is not None
    assert collected.evidence.message is not None
    assert (collected.evidence.message.msgid, collected.evidence.message.counterparty) == ("BR-CLAIM", "MAIN-CNY")


def test_an_insurer_sees_its_receivable_and_nothing_of_the_pharmacys_price(desk: Desk, leg: SettlementLeg) -> None:
    path = asked(desk.insurer, Role.INSURER_CLERK, "leg", leg.leg_no)
    assert lines(path, "CONFIRM") == {("receivable", "D", 400_000), ("platform", "C", 400_000)}
    assert lines(path, "COLLECT") == {("receivable", "C", 400_000), ("platform", "D", 400_000)}
    assert {line.account for step in path.steps for line in step.lines} == {"receivable", "platform"}
    assert (path.foots, path.holds) == (True, ())


def test_a_transfer_shows_what_it_was_for_and_what_was_undone(desk: Desk, leg: SettlementLeg) -> None:
    allocation = leg.allocations.get()
    allocation_undo(allocation_id=allocation.pk, reason="another's", by=DESK, now=NOW, trace_id=TRACE)
    path = asked(desk.platform, Role.OPERATOR, "bank_entry", "BR-CLAIM")
    assert {"received", "COLLECT", "UNCOLLECT"} <= {step.kind for step in path.steps}
    assert lines(path, "received") == {("cash", "D", 400_000), ("suspense", "C", 400_000)}
    assert all(step.evidence is not None for step in path.steps if not step.kind.startswith("COUNTER"))
    assert path.foots


@pytest.mark.parametrize("kind", ["claim", "leg", "advance", "bank_entry", "payment", "statement"])
def test_strangers_are_told_that_there_is_none(desk: Desk, leg: SettlementLeg, kind: str) -> None:
    keys = {"claim": leg.claim.claim_no, "leg": leg.leg_no, "advance": str(leg.advance_id), "bank_entry": "BR-CLAIM"}
    stranger = user_of(desk.shelf.stranger, Role.INSURER_CLERK)
    with as_role("app"), pytest.raises(NotFound):
        money_path(kind=kind, key=keys.get(kind, "X-1"), user=stranger)


def test_a_pharmacy_that_is_no_party_sees_nothing_and_the_bank_is_the_platforms(desk: Desk, leg: SettlementLeg) -> None:
    chain = user_of(desk.chain, Role.PHARMACIST)
    with as_role("app"):
        for kind, key in (("leg", leg.leg_no), ("advance", str(leg.advance_id)), ("bank_entry", "BR-CLAIM")):
            with pytest.raises(NotFound):
                money_path(kind=kind, key=key, user=chain)
    assert desk.chain.kind == OrganisationKind.PHARMACY_CHAIN
