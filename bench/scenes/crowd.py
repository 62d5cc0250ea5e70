"""`python -m bench.scenes.crowd ROWS`: so many abnormal transactions with nobody who looks after them, by SQL.

They went the way that the triggers allow (received, sent, in doubt, reversing) with the calls and reversals that
belong to it, and their bodies open: the monitor finds them, and what it queues can be worked off by real workers. Runs
with the environment of a worker on the database that is to be filled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import django
import psycopg

from bench.load import Orders, wish

# Of each ten transactions: what they are, and what the monitor must queue for them.
TENTHS = {"IN_DOUBT": range(6), "PARKED": range(6, 7), "REVERSING": range(7, 8), "SENDING": range(8, 9)}
QUEUED = {
    ("IN_DOUBT", "exchange.resolve"): 7,
    ("REVERSING", "exchange.resolve"): 1,
    ("SENDING", "exchange.overdue"): 1,
    ("RECEIVED", "exchange.send"): 1,
}
RELEASED_TENTHS = 1
OLDEST, YOUNGEST = timedelta(hours=4), timedelta(hours=3)

BILLS = """
INSERT INTO exchange_bill (id, organisation_id, visit_no, bill_no, currency, requests, created_at, collected_minor,
    refunded_minor, refund_due_minor, cash_short_minor, recognised_fees_minor, recognised_own_minor, recognition_no)
SELECT bill_id, %(organisation)s, 'V-' || his_no, 'B-1', 'CNY', 1, received_at, 0, 0, 0, 0, 0, 0, 0 FROM crowd
"""
WISHES = """
INSERT INTO exchange_transaction (id, organisation_id, his_no, operation, operation_class, interface_id, bill_id,
    batch_no, operator_no, shift_no, inpatient, person_index, body_digest, sealed_body, total_minor, currency, shares,
    settlement_no, reason_code, insurer_code, insurer_text, received_at, episode, told, owner, state, version, state_at,
    state_by, state_reason, trace_id)
SELECT id, %(organisation)s, his_no, 'settle', 'MOVES', %(interface)s, bill_id,
    '', 'C12', 'S-1', false, %(person)s, sha256(his_no::bytea), sealed, 10000, 'CNY', '[]',
    '', '', '', '', received_at, 0, '', '', 'RECEIVED', 0, received_at, 'bench', '', id::text
FROM crowd
"""
# What became of each: the calls first, then move by move.
CALLS = """
INSERT INTO exchange_call (id, organisation_id, transaction_id, interface_id, kind, msgid, armed_at, send_before,
    not_after, deadline, sealed_request, outcome, outcome_at, outcome_reason)
SELECT call_id, %(organisation)s, id, %(interface)s, 'SETTLE', 'MS' || lpad(nextval('exchange_msgid')::text, 16, '0'),
    received_at, received_at + interval '2 s', received_at + interval '4 s', received_at + interval '60 s', sealed,
    CASE WHEN became <> 'SENDING' THEN 'UNKNOWN' END,
    CASE WHEN became <> 'SENDING' THEN received_at + interval '60 s' END,
    CASE WHEN became <> 'SENDING' THEN 'deadline_passed' ELSE '' END
FROM crowd WHERE became <> 'RECEIVED'
"""
MOVE = """
UPDATE exchange_transaction wish SET state = %(to)s, state_at = wish.state_at + %(after)s, version = wish.version + 1,
    state_reason = 'bench'
FROM crowd WHERE crowd.id = wish.id AND crowd.became = ANY (%(became)s)
"""
REVERSALS = """
INSERT INTO exchange_reversal (id, organisation_id, transaction_id, episode, cause, by, opened_at, "end",
    undone_settlement_no)
SELECT call_id, %(organisation)s, id, 0, 'not_proven', 'bench', received_at + interval '90 s', '', ''
FROM crowd WHERE became = 'REVERSING'
"""
PARKED = """
INSERT INTO journal_job (id, kind, lane_id, organisation_id, subject_id, priority, run_at, attempts, parked_at,
    parked_reason, trace_id, created_at)
SELECT call_id, 'exchange.resolve', %(lane)s, %(organisation)s, id, 10, received_at + interval '60 s', 1,
    received_at + interval '61 s', 'a fault of ours', id::text, received_at
FROM crowd WHERE became = 'PARKED'
"""
TABLES = (
    "exchange_bill",
    "exchange_transaction",
    "exchange_call",
    "exchange_reversal",
    "journal_job",
    "core_transition",
)


def became(number: int) -> str:
    """What the transaction of this number is."""
    return next((name for name, tenths in TENTHS.items() if number % 10 in tenths), "RECEIVED")


def crowd_make(url: str, *, rows: int, now: datetime) -> None:
    """Fill the database at `url`, the owner's; bodies are sealed by Django's connection."""
    from exchange.persons import person_index_of

    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT hospital.id, interface.id, interface.lane_id FROM accounts_organisation hospital, "
            "exchange_insurerinterface interface WHERE hospital.code = 'HOSP-A' AND interface.code = 'SANDBOX-A'"
        ).fetchone()
        assert found is not None
        organisation, interface, lane = found
        person = person_index_of({"id_type": "01", "id_no": "110101199001011237"}, now=now)
        values = {"organisation": organisation, "interface": interface, "lane": lane, "person": person}
        connection.execute(
            "CREATE TEMP TABLE crowd (id uuid, bill_id uuid, call_id uuid, his_no text, became text, "
            "received_at timestamptz, sealed bytea)"
        )
        with connection.cursor() as cursor, cursor.copy("COPY crowd FROM STDIN") as copy:
            for row in _rows(rows, organisation_id=organisation, now=now):
                copy.write_row(row)
        connection.execute("ANALYZE crowd")
        for statement in (BILLS, WISHES, CALLS):
            connection.execute(statement, values)
        sent = ["SENDING", "IN_DOUBT", "PARKED", "REVERSING"]
        for state, reached, seconds in (("SENDING", sent, 0), ("IN_DOUBT", sent[1:], 60), ("REVERSING", sent[3:], 30)):
            connection.execute(MOVE, {"to": state, "became": reached, "after": timedelta(seconds=seconds)})
        for statement in (REVERSALS, PARKED):
            connection.execute(statement, values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")


def _rows(rows: int, *, organisation_id: int, now: datetime) -> Iterator[tuple[object, ...]]:
    from core.crypto import organisation_month_scope, seal
    from core.ids import uuid7
    from exchange.selectors.transactions import body_context

    orders = Orders(
        ports=[],
        client_key="",
        scheme="",
        region="",
        cashiers=0,
        warmup_seconds=0,
        seconds=0,
        prefix="",
        wait_seconds=0,
    )
    scope = organisation_month_scope(organisation_id=organisation_id, now=now)
    for number in range(rows):
        received_at = now - OLDEST + (OLDEST - YOUNGEST) * number / rows
        his_no, own_id = f"CROWD-{number:07d}", uuid7(received_at)
        sealed = seal(
            wish(his_no, orders),
            scope=scope,
            organisation_id=organisation_id,
            context=body_context(own_id),
            now=now,
        )
        yield own_id, uuid7(received_at), uuid7(received_at), his_no, became(number), received_at, sealed


if __name__ == "__main__":
    django.setup()
    from core.clock import database_now

    crowd_make(os.environ["DATABASE_URL"], rows=int(sys.argv[1]), now=database_now())
