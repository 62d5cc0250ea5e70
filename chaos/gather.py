"""The facts of a run: the notebook from the disk, the insurers' books, the platform's rows, and what GET says now."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.door import Door
from chaos.facts import Cash, Facts, Held, Ours, Posted, Told, Wished
from chaos.notebook import entries
from chaos.plan import HOSPITALS
from deploy.local.processes import ProcessFailed
from deploy.local.stack import Stack

ASKED_AT_ONCE = 16
OURS = """
SELECT tr.his_no, tr.state, tr.operation_class, coalesce(interface.code, ''), tr.total_minor, tr.fund_minor,
    tr.account_minor, tr.hospital_minor, tr.cash_minor, tr.reason_code, coalesce(original.his_no, '')
FROM exchange_transaction tr LEFT JOIN exchange_insurerinterface interface ON interface.id = tr.interface_id
LEFT JOIN exchange_transaction original ON original.id = tr.of_id
"""
MSGIDS = """
SELECT tr.his_no, call.msgid FROM exchange_call call JOIN exchange_transaction tr ON tr.id = call.transaction_id
WHERE call.kind = 'SETTLE'
"""
VERDICTS = """
SELECT tr.his_no, verdict.verdict FROM exchange_verdict verdict
JOIN exchange_transaction tr ON tr.id = verdict.transaction_id ORDER BY verdict.version, verdict.at, verdict.id
"""
MOVES = """
SELECT tr.his_no, move.from_state, move.to_state, extract(epoch FROM move.at)::float8 FROM core_transition move
JOIN exchange_transaction tr ON tr.id::text = move.entity_id WHERE move.entity = 'exchange_transaction'
ORDER BY move.version, move.id
"""
# Postings are caused by a transaction, by cash told for it, or by its bill.
POSTED = """
WITH cause AS (
    SELECT tr.id AS cause_id, tr.bill_id FROM exchange_transaction tr
    UNION ALL SELECT cash.id, tr.bill_id FROM exchange_selfpayment cash
        JOIN exchange_transaction tr ON tr.id = cash.transaction_id
    UNION ALL SELECT refund.id, tr.bill_id FROM exchange_refund refund
        JOIN exchange_transaction tr ON tr.id = refund.transaction_id
    UNION ALL SELECT bill.id, bill.id FROM exchange_bill bill
)
SELECT organisation.code, bill.visit_no, bill.bill_no, split_part(account.code, ':', 1),
    sum(CASE WHEN leg.side = account.normal_side THEN leg.amount_minor ELSE -leg.amount_minor END)::bigint
FROM ledger_leg leg JOIN ledger_account account ON account.id = leg.account_id
JOIN ledger_posting posting ON posting.id = leg.posting_id
LEFT JOIN cause ON cause.cause_id = posting.cause_id LEFT JOIN exchange_bill bill ON bill.id = cause.bill_id
JOIN accounts_organisation organisation ON organisation.id = posting.organisation_id
GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Office:
    """What the hospital's office reads after the day: every wish, every bill, each hospital's abnormal list."""

    final: Mapping[str, Mapping[str, Any] | None]
    bills: Mapping[tuple[str, str, str], Mapping[str, Any]]
    abnormal: Mapping[str, Sequence[Mapping[str, Any]]]


async def office_read(door: Door, told: Iterable[Told], wished: Mapping[str, Wished]) -> Office:
    """GET everything the tills know of."""
    gate = asyncio.Semaphore(ASKED_AT_ONCE)
    final: dict[str, Mapping[str, Any] | None] = {}
    bills: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    async def ask_wish(his_no: str) -> None:
        hospital = wished[his_no.partition("~")[0]].hospital
        async with gate:
            answer = await door.get(hospital, his_no, visit=0)
        final[his_no] = answer.body if answer.status == 200 else None

    async def ask_bill(bill: tuple[str, str, str]) -> None:
        async with gate:
            answer = await door.ask("GET", f"bills/{bill[1]}/{bill[2]}", None, hospital=bill[0])
        # A bill on which nothing was ever admitted is not known: then there is nothing to show.
        bills[bill] = answer.body if answer.status == 200 else {}

    await asyncio.gather(*(ask_wish(his_no) for his_no in {*wished, *(one.his_no for one in told)}))
    fees = {wish.bill for wish in wished.values() if wish.operation in ("settle", "resettle")}
    await asyncio.gather(*(ask_bill(bill) for bill in sorted(fees)))
    return Office(final, bills, {hospital: await _list_read(door, hospital) for hospital in HOSPITALS})


async def _list_read(door: Door, hospital: str) -> list[Mapping[str, Any]]:
    listed: list[Mapping[str, Any]] = []
    path = "abnormal"
    while path:
        answer = await door.ask("GET", path, None, hospital=hospital)
        listed += answer.body["entries"]
        path = f"abnormal?cursor={answer.body['cursor']}" if answer.body["cursor"] else ""
    return listed


def notebook_read(path: Path) -> tuple[list[Told], dict[str, Wished], list[Cash]]:
    """What the hospital knows, from its disk and in the order in which it learned it."""
    told: list[Told] = []
    wished: dict[str, Wished] = {}
    cash: list[Cash] = []
    for entry in entries(path):
        match entry["what"]:
            case "told":
                told.append(Told(**_members(entry, Told)))
            case "wished":
                wished.setdefault(entry["his_no"], Wished(**_members(entry, Wished)))
            case "cash_in" | "cash_out":
                is_in = entry["what"] == "cash_in"
                cash.append(
                    Cash(
                        his_no=entry["his_no"],
                        bill=(entry["hospital"], entry["visit_no"], entry["bill_no"]),
                        minor=entry["minor"] if is_in else -entry["minor"],
                        number=entry["receipt_no" if is_in else "refund_no"],
                    )
                )
    return told, wished, cash


def _members(entry: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    return {name: entry[name] for name in kind.__dataclass_fields__ if name in entry}


def books_read(stack: Stack) -> list[Held]:
    """Every insurer's own book."""
    return [Held(insurer=code, **_members(row, Held)) for code in stack.control_urls for row in stack.book(code)]


def ours_read(stack: Stack) -> dict[str, Ours]:
    """Every transaction, with its messages, stored verdicts and moves in order."""
    msgids, verdicts = _grouped(stack.rows(MSGIDS)), _grouped(stack.rows(VERDICTS))
    moves: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
    for his_no, from_state, to_state, at in stack.rows(MOVES):
        moves[his_no].append((from_state, to_state, at))
    names = (
        *("his_no", "state", "operation_class", "insurer", "total_minor", "fund_minor"),
        *("account_minor", "hospital_minor", "cash_minor", "reason_code", "of"),
    )
    return {
        row[0]: Ours(
            **dict(zip(names, row, strict=True)),
            settle_msgids=msgids.get(row[0], ()),
            verdicts=verdicts.get(row[0], ()),
            moves=moves.get(row[0], ()),
        )
        for row in stack.rows(OURS)
    }


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in rows:
        found[key].append(value)
    return found


def posted_read(stack: Stack) -> tuple[dict[tuple[str, str, str], Posted], list[str]]:
    """Balances per bill, and a sentence for every balance that belongs to no bill."""
    balances: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    strays: list[str] = []
    for hospital, visit_no, bill_no, account, minor in stack.rows(POSTED):
        if visit_no is None:
            strays.append(f"{hospital} {account}: {minor} belongs to no bill")
        elif f"{account}_minor" in Posted.__dataclass_fields__:
            balances[hospital, visit_no, bill_no][f"{account}_minor"] = minor
        elif minor:
            strays.append(f"{hospital} {visit_no}/{bill_no}: {minor} on {account}")
    return {bill: Posted(**some) for bill, some in balances.items()}, strays


def ledger_proved(stack: Stack) -> list[str]:
    """What `manage.py ledger_prove` complains of."""
    try:
        stack.manage("ledger_prove")
    except ProcessFailed as failure:
        return [str(failure)]
    return []


def facts_gather(
    stack: Stack, notebook: Path, office: Office, *, surprises: Iterable[str], snapshots: Iterable[str]
) -> Facts:
    """Everything of a run at rest."""
    told, wished, cash = notebook_read(notebook)
    posted, strays = posted_read(stack)
    return Facts(
        told=told,
        wished=wished,
        cash=cash,
        held=books_read(stack),
        ours=ours_read(stack),
        final=office.final,
        bills=office.bills,
        abnormal=office.abnormal,
        posted=posted,
        ledger=[*snapshots, *strays, *ledger_proved(stack)],
        surprises=list(surprises),
    )
