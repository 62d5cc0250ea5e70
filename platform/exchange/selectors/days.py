"""What a business day came to on our side, and the lists and cases that are stored for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from accounts.selectors import organisation_time_zone
from exchange.days import AMOUNTS, NOT_RECEIVED, DaySuccess, day_bounds
from exchange.models import DayCase, DayList, Transaction
from exchange.selectors.interfaces import facts_of
from exchange.states import OPEN, OperationClass

CASES_SHOWN = 1000
UNRESOLVED_SHOWN = 1000
# How long before its success a wish of the day was received at most; what was never acknowledged is found anyway.
RECEIVED_WITHIN = timedelta(days=7)

COLUMNS = """
id, his_no, operation, operation_class, state, state_at, received_at, total_minor, fund_minor, account_minor,
hospital_minor, cash_minor, currency, shares::text, acknowledged_at IS NOT NULL, interface_id
"""
LISTED = f"SELECT {COLUMNS} FROM exchange_transaction WHERE organisation_id = %s AND his_no = ANY (%s)"  # noqa: S608
SETTLED = "operation_class = 'MOVES' AND state = 'SUCCEEDED' AND state_at >= %s AND state_at < %s"
OF_THE_DAY = f"""
SELECT {COLUMNS} FROM exchange_transaction
WHERE organisation_id = %s AND received_at >= %s AND received_at < %s AND {SETTLED}
UNION SELECT {COLUMNS} FROM exchange_transaction
WHERE organisation_id = %s AND acknowledged_at IS NULL AND {SETTLED}
"""  # noqa: S608
ELSEWHERE = """
SELECT DISTINCT listed.row->>'his_no' FROM (
    SELECT DISTINCT ON (business_date) rows FROM exchange_daylist
    WHERE organisation_id = %s AND business_date = ANY (%s) ORDER BY business_date, version DESC
) latest CROSS JOIN LATERAL jsonb_array_elements(latest.rows) AS listed (row)
WHERE listed.row->>'his_no' = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class DayRead:
    """Ours of a day. `known` are those whose names were asked for, whatever became of them."""

    begin: datetime
    end: datetime
    time_zone: str
    known: dict[str, DaySuccess]
    settled: Sequence[DaySuccess]


def day_read(*, organisation_id: int, business_date: date, his_nos: Iterable[str] = ()) -> DayRead:
    """What was settled on that day of the hospital's time zone, and what is known under `his_nos`."""
    zone = organisation_time_zone(organisation_id)
    begin, end = day_bounds(business_date, zone)
    with connection.cursor() as cursor:
        cursor.execute(LISTED, [organisation_id, list(his_nos)])
        known = {one.his_no: one for one in map(_success, cursor.fetchall())}
        span = [begin, end]
        cursor.execute(OF_THE_DAY, [organisation_id, begin - RECEIVED_WITHIN, end, *span, organisation_id, *span])
        settled = sorted(map(_success, cursor.fetchall()), key=lambda one: (one.settled_at, one.id))
    return DayRead(begin, end, zone, known, settled)


def _success(row: Any) -> DaySuccess:
    *head, total, fund, account, hospital, cash, currency, shares, acknowledged, interface_id = row
    facts = None if interface_id is None else facts_of(interface_id)
    return DaySuccess(
        **dict(
            zip(
                ("id", "his_no", "operation", "operation_class", "state", "settled_at", "received_at"),
                head,
                strict=True,
            )
        ),
        amounts=dict(zip(AMOUNTS, (total, fund, account, hospital, cash), strict=True)),
        currency=currency,
        shares=json.loads(shares),
        acknowledged=acknowledged,
        insurer=facts.insurer_code if facts else "",
        interface=facts.code if facts else "",
    )


def listed_elsewhere(*, organisation_id: int, business_date: date, his_nos: Sequence[str]) -> set[str]:
    """Those of `his_nos` that stand on the latest list of the day before or after."""
    days = [business_date - timedelta(days=1), business_date + timedelta(days=1)]
    with connection.cursor() as cursor:
        cursor.execute(ELSEWHERE, [organisation_id, days, list(his_nos)])
        return {row[0] for row in cursor.fetchall()}


def day_list_latest(*, organisation_id: int, business_date: date) -> DayList | None:
    lists = DayList.objects.filter(organisation_id=organisation_id, business_date=business_date)
    return lists.order_by("-version").first()


def day_result(*, organisation_id: int, business_date: date, read: DayRead) -> dict[str, Any]:
    """The day as the hospital is told it: both sides' sums, the differences that are open, and what is unresolved."""
    listed = day_list_latest(organisation_id=organisation_id, business_date=business_date)
    cases = DayCase.objects.filter(organisation_id=organisation_id, business_date=business_date)
    open_cases = cases.filter(closed_at__isnull=True).order_by("opened_at", "kind", "his_no")
    count = open_cases.count()
    unresolved = _unresolved(organisation_id, read.end)
    return {
        "business_date": business_date.isoformat(),
        "time_zone": read.time_zone,
        "list": _list_shown(listed),
        "insurer": NOT_RECEIVED,
        "ours": _sums([{**one.amounts, "currency": one.currency} for one in read.settled]),
        "theirs": _sums(listed.rows if listed else []),
        "insurers": _by_insurer(read.settled),
        "cases_open": count,
        "cases_closed": cases.filter(closed_at__isnull=False).count(),
        "cases": [_case_shown(case) for case in open_cases[:CASES_SHOWN]],
        "unresolved_count": len(unresolved),
        "unresolved": unresolved[:UNRESOLVED_SHOWN],
        "agrees": listed is not None and not count and not unresolved,
    }


def _list_shown(listed: DayList | None) -> dict[str, Any] | None:
    if listed is None:
        return None
    return {
        "version": listed.version,
        "rows": len(listed.rows),
        "received_at": listed.received_at,
        "as_of": listed.as_of or listed.received_at,
        "signed_by": listed.signed_by or None,
        "second_by": listed.second_by or None,
        "signed_at": listed.signed_at,
    }


def _case_shown(case: DayCase) -> dict[str, Any]:
    return {
        "kind": case.kind,
        "his_no": case.his_no,
        "opened_at": case.opened_at,
        "insurer": NOT_RECEIVED,
        "ours": case.details.get("ours"),
        "theirs": case.details.get("theirs"),
        "details": {name: value for name, value in case.details.items() if name not in ("ours", "theirs")},
    }


def _sums(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counts and sums by currency; a part that one row leaves out is not summed for any."""
    sums = []
    for currency in sorted({row.get("currency") or "CNY" for row in rows}):
        mine = [row for row in rows if (row.get("currency") or "CNY") == currency]
        parts = {
            name: sum(row[name] for row in mine) if all(row.get(name) is not None for row in mine) else None
            for name in AMOUNTS
        }
        sums.append({"currency": currency, "count": len(mine), **parts})
    return sums


def _by_insurer(settled: Sequence[DaySuccess]) -> list[dict[str, Any]]:
    rows = []
    for interface in sorted({one.interface for one in settled}):
        mine = [one for one in settled if one.interface == interface]
        sums = _sums([{**one.amounts, "currency": one.currency} for one in mine])
        rows.append({"insurer": mine[0].insurer, "interface": interface, "file": NOT_RECEIVED, "ours": sums})
    return rows


def _unresolved(organisation_id: int, end: datetime) -> list[dict[str, Any]]:
    """Fees and cancels up to that day that have not ended. Who cannot be asked stays here day after day."""
    rows = Transaction.objects.filter(organisation_id=organisation_id, received_at__lt=end, state__in=OPEN)
    wanted = (OperationClass.MOVES, OperationClass.UNDOES)
    shown = []
    for row in rows.filter(operation_class__in=wanted).order_by("received_at", "pk")[: UNRESOLVED_SHOWN + 1]:
        facts = None if row.interface_id is None else facts_of(row.interface_id)
        shown.append(
            {
                "his_no": row.his_no,
                "operation": row.operation,
                "state": row.state,
                "total_minor": row.total_minor,
                "received_at": row.received_at,
                "insurer": facts.insurer_code if facts else None,
                "can_be_queried": facts is not None and facts.can("can_query_by_msgid"),
            }
        )
    return shown
