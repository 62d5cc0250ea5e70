"""The insurer's book: SQLite, fully synced, with group commit."""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BATCH_MAXIMUM = 256
QUEUE_MAXIMUM = 20_000
LOCK_SECONDS = 1.0

# Settlement and cancel numbers are AUTOINCREMENT so that a reset never hands out a number twice.
SCHEMA = """
CREATE TABLE IF NOT EXISTS settlements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    msgid TEXT NOT NULL, his_no TEXT NOT NULL, hospital TEXT NOT NULL, id_no TEXT NOT NULL,
    total_minor INTEGER NOT NULL, currency TEXT NOT NULL, fund_minor INTEGER NOT NULL, account_minor INTEGER NOT NULL,
    hospital_minor INTEGER NOT NULL, cash_minor INTEGER NOT NULL, shares TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('settled', 'cancelled', 'reversed', 'refused')),
    reason_code TEXT, reason_text TEXT, settled_at REAL NOT NULL, accepted_reversals INTEGER NOT NULL DEFAULT 0,
    CHECK (total_minor = fund_minor + account_minor + hospital_minor + cash_minor)
);
CREATE INDEX IF NOT EXISTS settlements_by_msgid ON settlements (msgid);
CREATE TABLE IF NOT EXISTS cancels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    msgid TEXT NOT NULL, settlement_id INTEGER NOT NULL REFERENCES settlements (id),
    state TEXT NOT NULL CHECK (state IN ('cancelled', 'reversed'))
);
CREATE INDEX IF NOT EXISTS cancels_by_msgid ON cancels (msgid);
CREATE UNIQUE INDEX IF NOT EXISTS one_standing_cancel_per_settlement
    ON cancels (settlement_id) WHERE state = 'cancelled';
CREATE TABLE IF NOT EXISTS reversed_unknown (msgid TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    module TEXT NOT NULL, message_id TEXT NOT NULL, body_hash BLOB NOT NULL, answer BLOB NOT NULL,
    PRIMARY KEY (module, message_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    push_id TEXT NOT NULL UNIQUE, claim_no TEXT NOT NULL, content_hash BLOB NOT NULL, content TEXT NOT NULL,
    refusal TEXT, received INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS claims_by_number ON claims (claim_no);
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    push_id TEXT NOT NULL, decision_no TEXT NOT NULL, message_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'refused', 'given_up')),
    tries INTEGER NOT NULL DEFAULT 0, status INTEGER, code TEXT
);
"""


class BookBusy(Exception):
    """More operations are waiting for a commit than this insurer takes; nothing was booked."""


class Book:
    """Operations are functions of the connection. Those that wait together are committed together.

    Statements run on the event loop and only the COMMIT runs in the writer thread: a thread that ran them would have
    to win the interpreter lock back after each one. While the thread syncs, nobody touches the connection.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        # One insurer, one process: a second one on the same file must fail at its start.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)
        self._writer = ThreadPoolExecutor(1, "book-writer")
        self._waiting: deque[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = deque()
        self._flush: asyncio.Task[None] | None = None

    async def execute[Result](self, operation: Callable[[sqlite3.Connection], Result]) -> Result:
        """Runs the operation and returns its result once it is on the disk. Raises BookBusy."""
        if len(self._waiting) >= QUEUE_MAXIMUM:
            raise BookBusy
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._flush_all())
        return await done

    async def close(self) -> None:
        """Commits what waits, folds the write-ahead log into the file and closes it."""
        while self._flush is not None and not self._flush.done():
            await self._flush
        self._writer.shutdown()
        self._connection.close()

    async def _flush_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAXIMUM, len(self._waiting)))]
            try:
                await self._commit(batch)
            except Exception as error:
                await self._commit_one_by_one(batch, error)

    async def _commit_one_by_one(
        self, batch: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]], error: Exception
    ) -> None:
        # One operation that fails must not take its neighbours with it.
        for entry in batch:
            try:
                if len(batch) == 1:
                    raise error
                await self._commit([entry])
            except Exception as own_error:
                if not entry[1].done():
                    entry[1].set_exception(own_error)

    async def _commit(self, batch: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [operation(connection) for operation, _ in batch]
            await asyncio.get_running_loop().run_in_executor(self._writer, connection.execute, "COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("ROLLBACK")
            raise
        for (_, done), result in zip(batch, results, strict=True):
            # A caller that was cancelled at the shutdown waits no more; its row stands.
            if not done.done():
                done.set_result(result)
