"""Fees: what the contract says, once, with VAT, in accounts of their own; undone with their leg."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import LARGEST_MINOR
from settlement.models import FeeCharge
from settlement.selectors.books import balances_until
from settlement.services.fees import fees_charge, part_of
from settlement.states import FeeKind
from tests.roles import as_role, refused, rows
from tests.settlement.books import (
    IN_DECEMBER,
    IN_NOVEMBER,
    IN_OCTOBER,
    Trade,
    fee,
    first_leg,
    ledger_holds,
    make_trade,
    second_leg,
    taken_back,
    trade,
)

__all__ = ["trade"]


def charged(at: Any = IN_NOVEMBER) -> int:
    with as_role("worker"):
        return fees_charge(since=IN_OCTOBER - timedelta(days=1), by="beat", now=at)


def balances(trade: Trade) -> dict[str, int]:
    return balances_until(insurer_id=trade.insurer.pk, currency="CNY", until=IN_DECEMBER.date())


def told(trade: Trade) -> set[tuple[str, str, int, int]]:
    rows = FeeCharge.objects.select_related("organisation")
    return {(row.organisation.code, row.kind, row.net_minor, row.vat_minor) for row in rows}


def test_each_party_owes_what_the_contract_says_with_vat(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    second_leg(trade, 433_333, at=IN_NOVEMBER)
    assert charged() == 3
    assert told(trade) == {
        ("INS-LIFE", "PER_CLAIM", 3_000, 180),
        ("INS-LIFE", "PER_MONTH", 50_000, 3_000),
        # 1.5 % of 4,333.33 is 64.99995 and 6 % of that 3.90: both rounded half up.
        ("CHAIN-A", "PER_CENT", 6_500, 390),
    }
    ours = balances(trade)
    assert ours[f"fees_receivable:o{trade.insurer.pk}"] == 56_180
    assert ours[f"fees_receivable:o{trade.chain.pk}"] == 6_890
    assert (ours["fee_income"], ours["vat_payable"]) == (-59_500, -3_570)
    # The advance itself knows nothing of it.
    assert (ours["receivable"], ours["advance_unconfirmed"]) == (400_000, 433_333 - 400_000)
    assert ledger_holds()


def test_charged_again_nothing_is_owed_twice(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    assert charged() == 2
    before = balances(trade)
    assert charged() == 0
    assert balances(trade) == before
    # A new month has begun.
    assert charged(IN_DECEMBER) == 1


def test_a_fee_per_claim_is_the_lead_insurers_alone(trade: Trade) -> None:
    first_leg(trade, 300_000, at=IN_NOVEMBER)
    first_leg(trade, 100_000, at=IN_NOVEMBER, of=trade.co_insurer)
    charged()
    assert {code for code, *_ in told(trade)} == {"INS-LIFE"}


def test_a_leg_that_is_owed_no_more_costs_nothing(trade: Trade) -> None:
    leg, never = second_leg(trade, 200_000, at=IN_NOVEMBER), second_leg(trade, 300_000, at=IN_NOVEMBER)
    taken_back(trade, never, at=IN_NOVEMBER)
    charged()
    taken_back(trade, leg, at=IN_NOVEMBER)
    assert charged() == 1
    assert charged() == 0
    assert {(row.kind, row.net_minor) for row in FeeCharge.objects.filter(leg=leg)} == {
        ("PER_CENT", 3_000),
        ("PER_CENT", -3_000),
    }
    assert not FeeCharge.objects.filter(leg=never).exists()
    assert balances(trade)[f"fees_receivable:o{trade.chain.pk}"] == 0
    assert ledger_holds()


def test_without_a_contract_or_a_fee_in_it_nothing_is_charged(db: None) -> None:
    trade = make_trade(fees=())
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    assert charged() == 0


def test_a_fee_that_comes_to_nothing_is_none(db: None) -> None:
    trade = make_trade(fees=[fee("PHARMACY", "PER_CENT", basis_points=1)])
    second_leg(trade, 4_999, at=IN_NOVEMBER)
    assert charged() == 0


def test_a_charge_is_never_changed_nor_doubled_by_anybody(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    charged()
    row = FeeCharge.objects.get(kind=FeeKind.PER_CLAIM)
    with refused("one_fee_per_leg_and_rule"):
        FeeCharge.objects.create(**{**values_of(row), "id": trade.claim.pk})
    for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
        assert rows("SELECT has_table_privilege('medisettle_app', 'settlement_feecharge', %s)", [privilege]) == [
            (False,)
        ]


def values_of(row: FeeCharge) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in FeeCharge._meta.concrete_fields}


@given(minor=st.integers(0, LARGEST_MINOR // 10_000), basis_points=st.integers(0, 10_000))
def test_a_part_is_rounded_half_up_and_never_more_than_the_whole(minor: int, basis_points: int) -> None:
    part = part_of(minor, basis_points, "CNY")
    assert 0 <= part <= minor
    assert abs(part * 10_000 - minor * basis_points) <= 5_000


@pytest.mark.parametrize(("minor", "part"), [(49, 0), (50, 1), (149, 1), (150, 2)])
def test_halves_go_up(minor: int, part: int) -> None:
    assert part_of(minor, 100, "CNY") == part
