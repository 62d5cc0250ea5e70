"""Drugs and products: what may be defined, and what stays as it is."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction

from registry.models import Drug, ProductShare
from registry.selectors.products import drugs_known, products_offered, shares_of
from registry.services.drugs import DrugInvalid
from registry.services.products import ProductInvalid, SharesFixed
from tests.registry.house import DRUG, Shelf, drug_of, insurer_of, product_of
from tests.roles import refused


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "lower case"},
        {"code": ""},
        {"code": "X" * 41},
        {"generic_name_zh": " "},
        {"reference_price_minor": 0},
        {"reference_price_minor": 1.5},
        {"reference_price_minor": True},
        {"currency": "XXX"},
        {"national_code": f"N-{DRUG}"},
    ],
)
def test_a_drug_that_cannot_stand_in_the_catalogue(shelf: Shelf, changes: dict[str, Any]) -> None:
    with pytest.raises(DrugInvalid):
        drug_of(**({"code": "NEW-1"} | changes))
    assert Drug.objects.count() == 2


def test_a_drug_defined_again_is_changed(shelf: Shelf) -> None:
    drug_of(DRUG, cold_chain=True, discontinued_on=date(2026, 7, 1))
    assert Drug.objects.get(code=DRUG).cold_chain
    assert [DRUG in {one.code for one in drugs_known(on=day)} for day in (date(2026, 6, 30), date(2026, 7, 1))] == [
        True,
        False,
    ]


@pytest.mark.parametrize("shares", [[10_000, 1], [9_999, 0], [5_000, 4_999], [12_000, -2_000]])
def test_shares_that_are_not_the_whole_are_refused(shelf: Shelf, shares: list[int]) -> None:
    told = dict(zip((shelf.insurer.pk, shelf.stranger.pk), shares, strict=True))
    with pytest.raises(ProductInvalid):
        product_of(shelf.insurer, "another", shares=told)


@pytest.mark.parametrize(
    "changes",
    [
        {"time_zone": "Mars/Olympus"},
        {"currency": "XXX"},
        {"summary_zh": ""},
        {"offered_until": date(2020, 1, 1)},
    ],
)
def test_a_product_that_cannot_be_offered(shelf: Shelf, changes: dict[str, Any]) -> None:
    with pytest.raises(ProductInvalid):
        product_of(shelf.insurer, "another", **changes)


def test_the_lead_has_a_share(shelf: Shelf) -> None:
    with pytest.raises(ProductInvalid, match="lead"):
        product_of(shelf.insurer, "another", shares={shelf.stranger.pk: 10_000})


def test_who_carries_a_product_does_not_change(shelf: Shelf) -> None:
    shares = {shelf.insurer.pk: 6_000, shelf.stranger.pk: 4_000}
    product = product_of(shelf.insurer, "shared", shares=shares)
    assert [(one.organisation_id, one.basis_points, one.leads) for one in shares_of(product=product)] == [
        (shelf.insurer.pk, 6_000, True),
        (shelf.stranger.pk, 4_000, False),
    ]
    assert product_of(shelf.insurer, "shared", shares=shares, name="Shared Care").name == "Shared Care"
    for changes in ({"shares": {shelf.insurer.pk: 10_000}}, {"shares": shares, "currency": "HKD"}):
        with pytest.raises(SharesFixed):
            product_of(shelf.insurer, "shared", **changes)


def test_the_database_counts_the_shares_too(shelf: Shelf) -> None:
    third = insurer_of("INS-THIRD")
    with refused("shares of city-care are 10001"), transaction.atomic():
        ProductShare.objects.create(product=shelf.product, organisation=third, basis_points=1)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    ("on", "offered"),
    [(date(2025, 12, 31), False), (date(2026, 1, 1), True), (date(2026, 6, 30), True), (date(2026, 7, 1), False)],
)
def test_a_product_is_offered_from_its_first_to_its_last_day(shelf: Shelf, on: date, offered: bool) -> None:
    product_of(shelf.insurer, offered_until=date(2026, 6, 30))
    assert [one.code for one in products_offered(on=on)] == (["city-care"] if offered else [])
