"""The bank's book: SQLite, fully synced. What a method returns is on the disk."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK_SECONDS = 1.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    account_no TEXT PRIMARY KEY, holder TEXT NOT NULL, currency TEXT NOT NULL, balance_minor INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE, digest BLOB NOT NULL, account_no TEXT NOT NULL, payee_account TEXT NOT NULL,
    payee_name TEXT NOT NULL, amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), currency TEXT NOT NULL,
    remittance TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('taken', 'booked', 'refused', 'returned')),
    reason TEXT, book_at REAL, return_code TEXT, value_date TEXT, received INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_no TEXT NOT NULL REFERENCES accounts (account_no),
    direction TEXT NOT NULL CHECK (direction IN ('DBIT', 'CRDT')), amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, value_date TEXT NOT NULL, remittance TEXT NOT NULL, name TEXT NOT NULL,
    other_account TEXT NOT NULL, end_to_end_id TEXT, return_code TEXT, statement INTEGER
);
CREATE TABLE IF NOT EXISTS statements (
    account_no TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, closing_minor INTEGER NOT NULL,
    PRIMARY KEY (account_no, number)
) WITHOUT ROWID;
"""
# How the last four digits of a payee's account behave, whatever the faults.
REFUSED_ACCOUNTS = {"0404": "AC01", "0405": "AC06"}
RETURNED_ACCOUNTS = {"0500": "AC04"}


class MessageIdUsed(Exception):
    """The message id belongs to another payment already."""


class NoAccount(Exception):
    """The bank keeps no such account."""


@dataclass(frozen=True, slots=True)
class Order:
    """One credit transfer as the bank understood it; the amount in minor units."""

    message_id: str
    account_no: str
    payee_account: str
    payee_name: str
    amount_minor: int
    currency: str
    remittance: str

    def digest(self) -> bytes:
        parts = [self.account_no, self.payee_account, self.payee_name, self.amount_minor, self.currency]
        return hashlib.sha256(json.dumps([*parts, self.remittance]).encode()).digest()


class Book:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, LOCK_SECONDS, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # One bank, one process: a second one on the same file must fail at its start.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def open(self, *, account_no: str, holder: str, currency: str, balance_minor: int) -> None:
        """An account, made once."""
        with self._commit() as book:
            book.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (account_no, holder, currency, balance_minor),
            )

    def take(
        self, order: Order, *, book_at: float | None, returned: str = "", refusal: str = "", day: str
    ) -> dict[str, Any]:
        """The payment under that message id, taken once. Raises MessageIdUsed."""
        with self._commit() as book:
            known = book.execute("SELECT * FROM payments WHERE message_id = ?", (order.message_id,)).fetchone()
            if known is not None:
                if known["digest"] != order.digest():
                    raise MessageIdUsed
                book.execute("UPDATE payments SET received = received + 1 WHERE id = ?", (known["id"],))
                return dict(known)
            reason = refusal or self._reason(book, order)
            book.execute(
                "INSERT INTO payments (message_id, digest, account_no, payee_account, payee_name, amount_minor, "
                "currency, remittance, state, reason, book_at, return_code) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    order.message_id,
                    order.digest(),
                    order.account_no,
                    order.payee_account,
                    order.payee_name,
                    order.amount_minor,
                    order.currency,
                    order.remittance,
                    "refused" if reason else "taken",
                    reason or None,
                    book_at,
                    returned or RETURNED_ACCOUNTS.get(order.payee_account[-4:]),
                ),
            )
        return self.find(order.message_id, day=day) or {}

    @staticmethod
    def _reason(book: sqlite3.Connection, order: Order) -> str:
        account = book.execute("SELECT * FROM accounts WHERE account_no = ?", (order.account_no,)).fetchone()
        if account is None:
            return "AC02"
        if account["currency"] != order.currency:
            return "AM03"
        waiting = book.execute(
            "SELECT coalesce(sum(amount_minor), 0) FROM payments WHERE account_no = ? AND state = 'taken'",
            (order.account_no,),
        ).fetchone()[0]
        if account["balance_minor"] - waiting < order.amount_minor:
            return "AM04"
        return REFUSED_ACCOUNTS.get(order.payee_account[-4:], "")

    def find(self, message_id: str, *, day: str) -> dict[str, Any] | None:
        """The payment as it stands."""
        found = self._connection.execute("SELECT * FROM payments WHERE message_id = ?", (message_id,)).fetchone()
        return None if found is None else dict(found)

    def book_due(self, *, now: float, day: str) -> None:
        """Book what was taken and is due; what the payee's bank sends back comes back at once."""
        due = self._connection.execute(
            "SELECT * FROM payments WHERE state = 'taken' AND book_at <= ? ORDER BY id", (now,)
        ).fetchall()
        for payment in due:
            with self._commit() as book:
                book.execute("UPDATE payments SET state = 'booked', value_date = ? WHERE id = ?", (day, payment["id"]))
                self._enter(book, payment, "DBIT", day)
                if payment["return_code"]:
                    self._give_back(book, payment, payment["return_code"], day)

    def give_back(self, message_id: str, code: str, *, day: str) -> bool:
        """The payee's bank sends a booked payment back; False where none is booked under the id."""
        with self._commit() as book:
            payment = book.execute(
                "SELECT * FROM payments WHERE message_id = ? AND state = 'booked'", (message_id,)
            ).fetchone()
            if payment is None:
                return False
            self._give_back(book, payment, code, day)
        return True

    def _give_back(self, book: sqlite3.Connection, payment: sqlite3.Row, code: str, day: str) -> None:
        book.execute("UPDATE payments SET state = 'returned', reason = ? WHERE id = ?", (code, payment["id"]))
        self._enter(book, payment, "CRDT", day, code)

    def _enter(
        self, book: sqlite3.Connection, payment: sqlite3.Row, direction: str, day: str, code: str | None = None
    ) -> None:
        self._entry(
            book,
            (
                payment["account_no"],
                direction,
                payment["amount_minor"],
                payment["currency"],
                day,
                payment["remittance"],
                payment["payee_name"],
                payment["payee_account"],
                payment["message_id"],
                code,
            ),
        )

    @staticmethod
    def _entry(book: sqlite3.Connection, values: tuple[Any, ...]) -> None:
        book.execute(
            "INSERT INTO entries (account_no, direction, amount_minor, currency, value_date, remittance, name, "
            "other_account, end_to_end_id, return_code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        signed = values[2] if values[1] == "CRDT" else -values[2]
        book.execute("UPDATE accounts SET balance_minor = balance_minor + ? WHERE account_no = ?", (signed, values[0]))

    def credit(
        self, *, account_no: str, amount_minor: int, currency: str, remittance: str, name: str, other: str, day: str
    ) -> None:
        """Money from elsewhere. Raises NoAccount."""
        if self.account(account_no) is None:
            raise NoAccount
        with self._commit() as book:
            self._entry(book, (account_no, "CRDT", amount_minor, currency, day, remittance, name, other, None, None))

    def charge(self, *, account_no: str, amount_minor: int, currency: str, remittance: str, day: str) -> None:
        """The bank takes its fee. Raises NoAccount."""
        if self.account(account_no) is None:
            raise NoAccount
        with self._commit() as book:
            self._entry(book, (account_no, "DBIT", amount_minor, currency, day, remittance, "", "", None, None))

    def account(self, account_no: str) -> dict[str, Any] | None:
        found = self._connection.execute("SELECT * FROM accounts WHERE account_no = ?", (account_no,)).fetchone()
        return None if found is None else dict(found)

    def unstated(self, account_no: str) -> list[dict[str, Any]]:
        """Entries that are on no statement yet, in the order of booking."""
        rows = self._connection.execute(
            "SELECT * FROM entries WHERE account_no = ? AND statement IS NULL ORDER BY id", (account_no,)
        )
        return [dict(row) for row in rows]

    def statements(self, account_no: str) -> list[dict[str, Any]]:
        rows = self._connection.execute("SELECT * FROM statements WHERE account_no = ? ORDER BY number", (account_no,))
        return [dict(row) for row in rows]

    def state(self, *, account_no: str, number: int, body: bytes, closing_minor: int, entry_ids: list[int]) -> None:
        """A statement is cut: its bytes never change."""
        with self._commit() as book:
            book.execute("INSERT INTO statements VALUES (?, ?, ?, ?)", (account_no, number, body, closing_minor))
            for entry_id in entry_ids:
                book.execute("UPDATE entries SET statement = ? WHERE id = ?", (number, entry_id))

    def whole(self) -> dict[str, Any]:
        """The book for whoever compares it with his own."""
        tables = {}
        for table in ("accounts", "payments", "entries"):
            rows = self._connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - named one line above.
            tables[table] = [{name: value for name, value in dict(row).items() if name != "digest"} for row in rows]
        return tables

    def empty(self) -> None:
        """Deletes every row; numbers go on where they were."""
        with self._commit() as book:
            for table in ("statements", "entries", "payments", "accounts"):
                book.execute(f"DELETE FROM {table}")  # noqa: S608 - named one line above.
