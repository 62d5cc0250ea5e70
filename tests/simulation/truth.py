"""What must hold between any two commits of a day, and what must hold when it has come to rest."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import connection

from chaos.checker import Difference, check
from chaos.facts import Facts, Ours, Posted
from chaos.gather import MSGIDS, OURS, POSTED, VERDICTS
from core.clock import database_now
from core.row_security import seen_by
from exchange.selectors.abnormal import abnormal_page
from exchange.services.bills import bill_give
from tests.roles import as_role, rows
from tests.simulation.day import Day

# Promise -> what breaks it.
PROMISES = {
    # Whatever is open has somebody who will look at it; the rest of a fee waits for its cancel.
    "open, and nobody will look at it": """
        SELECT his_no || ' ' || state FROM exchange_transaction tr WHERE organisation_id = %(hospital)s
        AND state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING')
        AND NOT EXISTS (SELECT FROM journal_job job WHERE job.subject_id = tr.id AND job.parked_at IS NULL)
        AND NOT EXISTS (SELECT FROM exchange_resettlement saga
            JOIN exchange_transaction cancel ON cancel.id = saga.cancel_id
            WHERE saga.rest_id = tr.id AND tr.state = 'RECEIVED'
            AND cancel.state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING', 'NEEDS_HUMAN'))""",
    "parked": """
        SELECT kind || ' ' || parked_reason FROM journal_job
        WHERE organisation_id = %(hospital)s AND parked_at IS NOT NULL""",
    "an act was sent twice": """
        SELECT transaction_id::text FROM exchange_call
        WHERE organisation_id = %(hospital)s AND kind NOT IN ('QUERY', 'REVERSE') GROUP BY 1 HAVING count(*) > 1""",
    "a person is needed, and none is named": """
        SELECT his_no FROM exchange_transaction
        WHERE organisation_id = %(hospital)s AND state = 'NEEDS_HUMAN' AND owner = ''""",
}
EVERY_STEP = "\nUNION ALL ".join(
    f"SELECT '{promise}', found.* FROM ({statement}) found" for promise, statement in PROMISES.items()
)


def holds_at_every_step(day: Day) -> None:
    with connection.cursor() as cursor:
        cursor.execute(EVERY_STEP, {"hospital": day.house.hospital.pk})
        broken = cursor.fetchall()
    assert not broken, broken
    for held in day.insurer.settlements():
        assert held.accepted_reversals <= 1, f"{held.his_no} was reversed {held.accepted_reversals} times"


def holds_at_rest(day: Day) -> None:
    """The judge of the chaos proof, on this day's facts."""
    holds_at_every_step(day)
    wrong = check(facts_of(day))
    assert not wrong, "\n".join(map(_line, wrong))


def _line(difference: Difference) -> str:
    return f"{difference.promise}: {difference.subject}: {difference.says}"


def facts_of(day: Day) -> Facts:
    final = {his_no: day.ask(his_no) for his_no in {*day.wished, *(line.his_no for line in day.told)}}
    posted, strays = _posted(day)
    bills, abnormal = _shown(day)
    return Facts(
        told=day.told,
        wished=day.wished,
        cash=day.cash,
        held=day.insurer.settlements(),
        ours=_ours(day),
        final=final,
        bills=bills,
        abnormal={day.hospital_code: abnormal},
        posted=posted,
        ledger=strays,
    )


def _ours(day: Day) -> dict[str, Ours]:
    hospital = [day.house.hospital.pk]
    of_hospital = "tr.organisation_id = %s"
    msgids = _grouped(rows(f"{MSGIDS} AND {of_hospital}", hospital))
    in_order = VERDICTS.partition("ORDER BY")
    verdicts = _grouped(rows(f"{in_order[0]} WHERE {of_hospital} ORDER BY {in_order[2]}", hospital))
    names = (
        *("his_no", "state", "operation_class", "insurer", "total_minor", "fund_minor"),
        *("account_minor", "hospital_minor", "cash_minor", "reason_code", "of"),
    )
    return {
        row[0]: Ours(
            **dict(zip(names, row, strict=True)),
            settle_msgids=msgids.get(row[0], ()),
            verdicts=verdicts.get(row[0], ()),
        )
        for row in rows(f"{OURS} WHERE {of_hospital}", hospital)
    }


def _grouped(found: list[tuple[Any, ...]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key, value in found:
        groups[key].append(value)
    return groups


def _shown(day: Day) -> tuple[dict[tuple[str, str, str], Any], list[dict[str, Any]]]:
    """What the hospital reads of its bills and in its list of what is abnormal."""
    hospital, now = day.house.hospital.pk, database_now()
    with as_role("app"), seen_by({hospital}):
        bills = {
            wish.bill: bill_give(organisation_id=hospital, visit_no=wish.visit_no, bill_no=wish.bill_no, now=now)
            for wish in day.wished.values()
        }
        page = abnormal_page(organisation_id=hospital, now=now, after=None)
        return bills, [entry.as_dict(now=now) for entry in page.entries]


def _posted(day: Day) -> tuple[dict[tuple[str, str, str], Posted], list[str]]:
    balances: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    strays: list[str] = []
    grouped = POSTED.partition("GROUP BY")
    statement = f"{grouped[0]} WHERE posting.organisation_id = %s GROUP BY {grouped[2]}"
    for hospital, visit_no, bill_no, account, minor in rows(statement, [day.house.hospital.pk]):
        if visit_no is None:
            strays.append(f"{account}: {minor} belongs to no bill")
        else:
            balances[hospital, visit_no, bill_no][f"{account}_minor"] = minor
    return {bill: Posted(**some) for bill, some in balances.items()}, strays
