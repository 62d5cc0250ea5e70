"""The abnormal list: what is on it, page by page, along its indexes only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from core.clock import database_now
from core.row_security import seen_by
from exchange.models import Transaction
from exchange.selectors.abnormal import SQL, TOP, AbnormalEntry, Place, abnormal_page, overdue_seconds
from exchange.states import TransactionState
from tests.exchange.house import House, draft, received
from tests.exchange.test_states import put, unguarded
from tests.roles import as_role, rows

MANY = 20_000
INDEXES = ("transactions_not_ended", "transactions_unacknowledged", "bills_that_are_not_right")


def reading(house: House, *, limit: int = 200, organisation_id: int | None = None) -> Iterator[AbnormalEntry]:
    """The whole list as role app that sees the house's hospital."""
    after: Place | None = None
    while True:
        with as_role("app"), seen_by([house.hospital.pk]):
            page = abnormal_page(
                organisation_id=organisation_id or house.hospital.pk, now=database_now(), after=after, limit=limit
            )
        assert len(page.entries) <= limit
        yield from page.entries
        after = page.after
        if after is None:
            return


def kinds(house: House, **how: Any) -> list[tuple[str, str]]:
    return [(str(entry.kind), entry.transaction.his_no) for entry in reading(house, **how)]


def older(row: Transaction, seconds: float) -> None:
    unguarded(f"received_at = received_at - interval '{seconds} seconds' WHERE id = '{row.pk}'")


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("RECEIVED", None),
        ("SENDING", None),
        ("SUCCEEDED", "unacknowledged"),
        ("REJECTED", None),
        ("NOT_SENT", None),
        ("IN_DOUBT", "in_doubt"),
        ("REVERSING", "reversing"),
        ("REVERSED", None),
        ("CANCELLED", None),
        ("NEEDS_HUMAN", "needs_person"),
    ],
)
def test_each_state_is_on_the_list_or_not(house: House, state: TransactionState, kind: str | None) -> None:
    (row,) = received(draft(house, "W-1"))
    put(row, state)
    assert kinds(house) == ([] if kind is None else [(kind, "W-1")])


@pytest.mark.parametrize("state", ["RECEIVED", "SENDING"])
def test_what_nobody_has_moved_for_too_long_is_overdue(house: House, state: TransactionState) -> None:
    (row,) = received(draft(house, "W-1"))
    put(row, state)
    older(row, overdue_seconds() - 2)
    assert kinds(house) == []
    older(row, 3)
    assert kinds(house) == [("overdue", "W-1")]


def test_what_is_acknowledged_or_only_reads_is_not_on_it(house: House) -> None:
    booked, trial = received(draft(house, "W-1"), draft(house, "W-2", operation="presettle"))
    put(booked, "SUCCEEDED")
    put(trial, "SUCCEEDED")
    unguarded(f"acknowledged_at = now() WHERE id = '{booked.pk}'")
    assert kinds(house) == []


def test_whoever_is_on_call_for_what_has_not_ended_is_named(house: House) -> None:
    (row,) = received(draft(house, "W-1"))
    unguarded(f"owner = 'bai', reason_code = 'ladder_used_up' WHERE id = '{row.pk}'")
    put(row, "IN_DOUBT")
    assert [entry.owner for entry in reading(house)] == ["bai"]
    put(row, "NEEDS_HUMAN")
    (entry,) = reading(house)
    told = entry.as_dict(now=database_now())
    assert (told["owner"], told["reason"]["code"], told["verdict"]) == ("bai", "ladder_used_up", "pending")


@pytest.mark.parametrize(
    ("terms", "kind", "amount_minor"),
    [
        ("refund_due_minor = 8000, refund_due_since = now()", "refund_due", 8000),
        ("cash_short_minor = 700", "cash_short", 700),
        ("unsquare_since = now()", "not_square", 10000),
        ("refund_due_minor = 1, refund_due_since = now(), unsquare_since = now()", "refund_due", 1),
    ],
)
def test_a_bill_is_on_it_once_and_its_latest_wish_speaks(
    house: House, terms: str, kind: str, amount_minor: int
) -> None:
    (first,) = received(draft(house, "W-1", visit_no="V-1"))
    put(first, "REVERSED")
    (second,) = received(draft(house, "W-2", visit_no="V-1"))
    put(second, "REVERSED")
    rows(f"UPDATE exchange_bill SET {terms} WHERE visit_no = 'V-1'")
    (entry,) = reading(house)
    told = entry.as_dict(now=database_now())
    assert (told["kind"], told["his_no"], told["amount_minor"]) == (kind, "W-2", amount_minor)
    assert (told["visit_no"], told["bill_no"], told["reason"]["code"]) == ("V-1", "B-1", kind)


def test_a_stranger_is_not_on_it_by_either_fence(house: House) -> None:
    ours, theirs = received(draft(house, "W-1"), draft(house, "W-2", hospital=house.stranger))
    put(ours, "IN_DOUBT")
    put(theirs, "IN_DOUBT")
    assert kinds(house) == [("in_doubt", "W-1")]
    assert kinds(house, organisation_id=house.stranger.pk) == []
    # The selector alone: the tests' own role passes row-level security by.
    page = abnormal_page(organisation_id=house.hospital.pk, now=database_now())
    assert [entry.transaction.his_no for entry in page.entries] == ["W-1"]


# Paging ----------------------------------------------------------------------------------------------------------


def many(house: House, count: int, *, together: int = 1) -> None:
    """Overdue wishes and bills with a refund due, `together` at the same moment, oldest first."""
    arrival = f"now() - interval '1 day' + (number / {together}) * interval '1 millisecond'"
    rows("SET CONSTRAINTS ALL IMMEDIATE")
    rows(
        "INSERT INTO exchange_bill (id, organisation_id, visit_no, bill_no, currency, requests, created_at, "
        "collected_minor, refunded_minor, refund_due_minor, cash_short_minor, recognised_fees_minor, "
        "recognised_own_minor, recognition_no) SELECT gen_random_uuid(), organisation, 'V-' || number, '', 'CNY', 1, "
        f"{arrival}, 0, 0, number %% 2, 0, 0, 0, 0 FROM generate_series(1, %s) number, "
        "unnest(%s::bigint[]) organisation",
        [count, [house.hospital.pk, house.stranger.pk]],
    )
    rows("ALTER TABLE exchange_transaction DISABLE TRIGGER USER")
    (one,) = received(draft(house, "W-0"))
    columns = [str(field.column) for field in Transaction._meta.concrete_fields]
    changed = {
        "id": "gen_random_uuid()",
        "organisation_id": "bill.organisation_id",
        "his_no": "'M-' || substr(bill.visit_no, 3)",
        "bill_id": "bill.id",
        "received_at": "bill.created_at",
    }
    values = ", ".join(changed.get(name, f"one.{name}") for name in columns)
    rows(
        f"INSERT INTO exchange_transaction ({', '.join(columns)}) SELECT {values} FROM exchange_bill bill, "
        "exchange_transaction one WHERE one.id = %s AND bill.visit_no LIKE 'V-%%' AND bill.id <> one.bill_id",
        [one.pk],
    )
    rows("ALTER TABLE exchange_transaction ENABLE TRIGGER USER")


def test_a_reading_meets_every_entry_once_in_order_of_arrival(house: House) -> None:
    many(house, 40, together=7)
    whole = list(reading(house))
    assert len(whole) == 40 + 20
    arrivals = [
        entry.bill.created_at if entry.kind == "refund_due" and entry.bill else entry.transaction.received_at
        for entry in whole
    ]
    assert arrivals == sorted(arrivals)
    for limit in (1, 7, 59, 60, 61):
        assert kinds(house, limit=limit) == [(str(entry.kind), entry.transaction.his_no) for entry in whole]


def test_what_comes_and_goes_while_somebody_reads_moves_no_other_entry(house: House) -> None:
    many(house, 20)
    before = kinds(house)
    page = abnormal_page(organisation_id=house.hospital.pk, now=database_now(), limit=10)
    unguarded("state = 'NOT_SENT' WHERE his_no = 'M-1'")
    (late,) = received(draft(house, "W-LATE"))
    put(late, "IN_DOUBT")
    rest = abnormal_page(organisation_id=house.hospital.pk, now=database_now(), after=page.after)
    met = [(str(entry.kind), entry.transaction.his_no) for entry in (*page.entries, *rest.entries)]
    assert met == [*before, ("in_doubt", "W-LATE")]


def plan(house: House, place: Place, limit: int) -> list[dict[str, Any]]:
    """Every node of the plan that role app gets, with how many rows it really touched."""
    values: dict[str, Any] = {
        "organisation": house.hospital.pk,
        "at": place.at,
        "id": place.id,
        "overdue": database_now() - timedelta(seconds=overdue_seconds()),
        "limit": limit,
    }
    with as_role("app"), seen_by([house.hospital.pk]), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {SQL}", values)
        found = cursor.fetchone()[0]
    whole = json.loads(found) if isinstance(found, str) else found

    def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from nodes(child)

    return list(nodes(whole[0]["Plan"]))


def test_a_page_costs_the_same_at_the_top_in_the_middle_and_at_the_end(house: House) -> None:
    """Counted, not timed: no page reads more rows than it shows, however long the list is."""
    many(house, MANY)
    rows("ANALYZE exchange_transaction, exchange_bill")
    limit, total = 201, MANY + MANY // 2
    for skipped in (0, total // 2, total - 300):
        place = _place(house, skipped)
        looked_at = plan(house, place, limit)
        scans = [node for node in looked_at if "Scan" in node["Node Type"] and node["Node Type"] != "CTE Scan"]
        assert {node.get("Index Name") for node in scans} >= set(INDEXES), scans
        assert all("Seq Scan" not in node["Node Type"] for node in scans), scans
        for node in scans:
            touched = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
            assert touched <= limit + 8, node


def _place(house: House, skipped: int) -> Place:
    if not skipped:
        return TOP
    found: list[tuple[datetime, UUID]] = rows(
        "SELECT at, id FROM (SELECT received_at AS at, id FROM exchange_transaction WHERE organisation_id = %s "
        "UNION ALL SELECT created_at, id FROM exchange_bill WHERE organisation_id = %s AND refund_due_minor > 0) every "
        "ORDER BY at, id OFFSET %s LIMIT 1",
        [house.hospital.pk, house.hospital.pk, skipped],
    )
    return Place(*found[0])
