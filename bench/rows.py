"""What a contender has written, counted by PostgreSQL itself: rows per settlement, table by table."""

from __future__ import annotations

import time

import psycopg

TABLES = (
    "core_transition",
    "exchange_bill",
    "exchange_call",
    "exchange_evidence",
    "exchange_idempotencykey",
    "exchange_transaction",
    "exchange_verdict",
    "journal_job",
    "ledger_leg",
    "ledger_posting",
)
# Sessions hand in their counts when they end; the last of them a moment later.
_STATISTICS_SECONDS = 5.0


def settled(url: str) -> int:
    """Transactions that ended SUCCEEDED."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM exchange_transaction WHERE state = 'SUCCEEDED'").fetchone()
    return int(row[0]) if row else 0


def fund_minor(url: str) -> int:
    """What insurers' funds owe for the transactions that ended SUCCEEDED, minor units."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(fund_minor), 0) FROM exchange_transaction WHERE state = 'SUCCEEDED'"
        ).fetchone()
    return int(row[0]) if row else 0


def written(url: str, *, settlements: int) -> dict[str, list[int]]:
    """Table -> [inserted, updated, deleted] rows per settlement, rounded. Ask when the contender's sessions ended.

    A copied database begins its statistics at zero, so the counts are the run's own.
    """
    give_up_at = time.monotonic() + _STATISTICS_SECONDS
    while True:
        with psycopg.connect(url) as connection:
            counts = {
                table: numbers
                for table, *numbers in connection.execute(
                    "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = ANY (%s)",
                    [list(TABLES)],
                ).fetchall()
            }
        if counts["exchange_verdict"][0] >= settlements or time.monotonic() > give_up_at:
            return {
                table: [round(number / max(1, settlements)) for number in counts[table]] for table in sorted(counts)
            }
        time.sleep(0.2)
