"""What comes onto the shelves, by hand and by file, and what is taken off them."""

from __future__ import annotations

import io
import zipfile
from datetime import date, timedelta
from typing import Any

import pytest

from core.errors import NotFound
from core.ids import uuid7
from core.row_security import seen_by
from pharmacies.models import StockImport, StockLot
from pharmacies.services.stock import StockInvalid, StockReserved, stock_receive, stock_write_off
from pharmacies.services.stock_import import StockFileTaken, StockRead, stock_import
from registry.policy_files import FileRefused
from tests.claims.test_races import at_once, problems
from tests.pharmacies.house import BY, LAST_GOOD, LOT, Town, ready_order, shelf_of, stocked
from tests.registry.house import DRUG, NOW, OTHER_DRUG
from tests.roles import as_role, refused, rows

HEADER = "sku,lot_no,expires_on,quantity\n"
GOOD = f"{HEADER}SKU-{DRUG},lot-a,2027-06-30,5\nSKU-{OTHER_DRUG},X1,2027-01-31,2\n"


def read(town: Town, text: str, *, dry_run: bool = False, file_name: str = "stock.csv", **changes: Any) -> StockRead:
    values: dict[str, Any] = {"content": text.encode()}
    values |= changes
    return stock_import(shop_id=town.near.pk, file_name=file_name, dry_run=dry_run, by=BY, now=NOW, **values)


@pytest.mark.django_db
def test_a_file_adds_its_boxes_to_their_lots_once(town: Town) -> None:
    stocked(town.near, 1)
    done = read(town, GOOD)
    assert (done.lines, done.units, list(done.errors)) == (2, 7, [])
    assert (shelf_of(town.near), shelf_of(town.near, "X1")) == ((6, 0, 0), (2, 0, 0))
    with pytest.raises(StockFileTaken):
        read(town, GOOD, file_name="again.csv")
    assert shelf_of(town.near) == (6, 0, 0)


@pytest.mark.django_db
def test_a_dry_run_keeps_nothing_and_chinese_headers_are_read(town: Town) -> None:
    text = GOOD.replace(HEADER, "商品编码,批号,有效期至,数量\n")
    assert read(town, text, dry_run=True, content=text.encode("gb18030")).units == 7
    assert not StockLot.objects.exists()
    assert not StockImport.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ("NOPE,B,2027-06-30,1", "sku", "unknown_sku"),
        (f"SKU-{DRUG},,2027-06-30,1", "lot_no", "unreadable"),
        (f"SKU-{DRUG},B,30/06/2027,1", "expires_on", "unreadable"),
        (f"SKU-{DRUG},B,2026-11-24,1", "expires_on", "expired"),
        (f"SKU-{DRUG},B,2027-06-30,0", "quantity", "unreadable"),
        (f"SKU-{DRUG},B,2027-06-30,1.5", "quantity", "unreadable"),
        (f"SKU-{DRUG},B,2027-06-30,-3", "quantity", "unreadable"),
        (f"SKU-{DRUG},=1+1,2027-06-30,1", "lot_no", "formula"),
        (f"SKU-{DRUG},LOT-A,2027-06-30,1", "lot_no", "twice"),
    ],
)
def test_one_bad_row_is_named_and_nothing_is_stored(town: Town, row: str, column: str, code: str) -> None:
    done = read(town, f"{GOOD}{row}\n")
    assert [(error.row, error.column, error.code) for error in done.errors] == [(4, column, code)]
    assert done.stored is None
    assert not StockLot.objects.exists()


@pytest.mark.django_db
def test_what_is_no_table_of_stock_is_refused(town: Town) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (65 * 1024 * 1024))
    for file_name, content in (
        ("stock.csv", b"sku,lot_no\nA,B\n"),
        ("stock.xlsx", b"sku,lot_no,expires_on,quantity\nA,B,C,D\n"),
        ("stock.xlsx", bomb.getvalue()),
        ("stock.csv", HEADER.encode()),
    ):
        with pytest.raises(FileRefused):
            read(town, "", file_name=file_name, content=content)


def test_one_file_twice_at_once_is_read_once(committed_town: Town) -> None:
    results = at_once(lambda: read(committed_town, GOOD), lambda: read(committed_town, GOOD))
    assert problems(results) == [StockFileTaken]
    assert shelf_of(committed_town.near) == (5, 0, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fault",
    [
        {"quantity": 0},
        {"lot_no": " "},
        {"expires_on": NOW.date() - timedelta(days=1)},
        {"drug_code": "NONE"},
        {"expires_on": date(2028, 1, 1)},
    ],
    ids=str,
)
def test_stock_that_cannot_be_is_not_taken(town: Town, fault: dict[str, Any]) -> None:
    stocked(town.near)
    values: dict[str, Any] = {"drug_code": DRUG, "lot_no": LOT, "expires_on": LAST_GOOD, "quantity": 1}
    with pytest.raises(StockInvalid):
        stock_receive(shop_id=town.near.pk, **(values | fault), by=BY, now=NOW)
    assert shelf_of(town.near) == (2, 0, 0)


@pytest.mark.django_db
def test_what_an_order_has_reserved_is_not_written_off(town: Town) -> None:
    ready_order(town)
    lot = stocked(town.near, 1)
    with pytest.raises(StockReserved):
        stock_write_off(lot_id=lot.pk, quantity=2, reason="broken", by=BY, now=NOW)
    stock_write_off(lot_id=lot.pk, quantity=1, reason="broken", by=BY, now=NOW)
    assert shelf_of(town.near) == (2, 2, 0)


@pytest.mark.django_db
def test_a_stranger_neither_sees_nor_changes_a_shelf(town: Town) -> None:
    lot = stocked(town.near)
    with as_role("app"), seen_by([town.far.organisation_id]):
        with pytest.raises(NotFound):
            stock_write_off(lot_id=lot.pk, quantity=1, reason="broken", by=BY, now=NOW)
        with refused("row-level security"):
            rows(
                "INSERT INTO pharmacies_stockmove (id, lot_id, organisation_id, kind, quantity, cause_id, episode, at, "
                "by) VALUES (%s, %s, %s, 'IN', 1, %s, 1, now(), 'x')",
                [uuid7(NOW), lot.pk, lot.organisation_id, uuid7(NOW)],
            )
    assert shelf_of(town.near) == (2, 0, 0)
