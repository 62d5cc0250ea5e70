"""What must not be forgotten before it is answered, in one SQLite file; personal data in it is sealed.

The file and its key are for their owner only (0600). A record is durable on the disk before its request leaves, and
gone once it is answered. Several processes may share one store: they then also repeat each other's requests, which
does no harm, as a repeat never acts twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medisettle_client.problems import StoreError

FILE, KEY_FILE = "kept.sqlite3", "kept.key"
KEY_BYTES, NONCE_BYTES = 32, 12
BUSY_SECONDS = 10.0
# Elsewhere than on POSIX a file has no mode, and a folder cannot be synced: there the folder's owner must see to it.
POSIX = os.name == "posix"
TABLES = (
    "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, his_no TEXT NOT NULL, act TEXT NOT NULL,"
    " since TEXT NOT NULL, sealed BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS watched (watch TEXT NOT NULL, entry TEXT NOT NULL, mark TEXT NOT NULL,"
    " sealed BLOB NOT NULL, PRIMARY KEY (watch, entry))",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A request that nobody has answered yet. `body` may hold personal data: it does not show in a log."""

    key: str
    his_no: str
    act: str
    since: datetime
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Kept(act={self.act!r}, his_no={self.his_no!r}, since={self.since.isoformat()})"


class Store:
    """Safe to use from several threads and processes, but not across a fork. All methods raise StoreError."""

    def __init__(self, folder: Path, *, key_file: Path | None = None, limit: int) -> None:
        """`folder` is made when it is missing; so is the key, but never beside a file that another key sealed."""
        self._limit = limit
        self._lock = threading.Lock()
        self._file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        with _told_as_ours(self._file):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._cipher = AESGCM(_key(key_file or folder / KEY_FILE, may_make=not self._file.exists()))
            _make_private(self._file)
            with self._transaction() as connection:
                for table in TABLES:
                    connection.execute(table)

    # Unanswered requests ------------------------------------------------------------------------------------------

    def keep(self, kept: Kept) -> bool:
        """Durable when this returns; True if it was there before, and may have been sent."""
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM kept WHERE key = ?", [kept.key]).fetchone():
                return True
            (count,) = connection.execute("SELECT count(*) FROM kept").fetchone()
            if count >= self._limit:
                raise StoreError(f"{count} requests wait for an answer: resume them before anything else is sent")
            sealed = self._seal(kept.body, bound_to=kept.key)
            values = [kept.key, kept.his_no, kept.act, kept.since.isoformat(), sealed]
            connection.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", values)
        return False

    def forget(self, key: str) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM kept WHERE key = ?", [key])

    def forget_wishes(self, his_no: str, acts: Iterable[str]) -> None:
        """The verdict on `his_no` has come on another way."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM kept WHERE his_no = ? AND act = ?", [(his_no, act) for act in acts])

    def kept(self) -> list[Kept]:
        """Oldest first."""
        with self._transaction() as connection:
            found = connection.execute("SELECT key, his_no, act, since, sealed FROM kept ORDER BY rowid").fetchall()
        return [
            Kept(
                key=key,
                his_no=his_no,
                act=act,
                since=datetime.fromisoformat(since),
                body=self._open(sealed, bound_to=key),
            )
            for key, his_no, act, since, sealed in found
        ]

    # What a watch has shown ---------------------------------------------------------------------------------------

    def watched(self, watch: str) -> dict[str, str]:
        """Entry -> mark of what was shown last."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT entry, mark FROM watched WHERE watch = ?", [watch]).fetchall())

    def watched_entry(self, watch: str, entry: str) -> Mapping[str, Any]:
        with self._transaction() as connection:
            found = connection.execute("SELECT sealed FROM watched WHERE watch = ? AND entry = ?", [watch, entry])
            (sealed,) = found.fetchone()
        return self._open(sealed, bound_to=f"{watch}:{entry}")

    def watched_set(self, watch: str, entry: str, mark: str, content: Mapping[str, Any]) -> None:
        sealed = self._seal(content, bound_to=f"{watch}:{entry}")
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", [watch, entry, mark, sealed])

    def watched_drop(self, watch: str, entry: str) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM watched WHERE watch = ? AND entry = ?", [watch, entry])

    # Below --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _told_as_ours(self._file):
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
        return self._connection

    def _seal(self, content: Mapping[str, Any], *, bound_to: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = json.dumps(content, ensure_ascii=False).encode()
        return nonce + self._cipher.encrypt(nonce, plain, bound_to.encode())

    def _open(self, sealed: bytes, *, bound_to: str) -> Mapping[str, Any]:
        try:
            plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to.encode())
        except InvalidTag:
            raise StoreError(f"{self._file} was sealed with another key than the one it is read with") from None
        content: Mapping[str, Any] = json.loads(plain)
        return content


@contextlib.contextmanager
def _told_as_ours(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{file}: {error}") from error


def _key(file: Path, *, may_make: bool) -> bytes:
    """The key in `file`, made when it is missing and nothing was sealed yet. Raises StoreError, OSError."""
    if not file.exists() and not may_make:
        raise StoreError(f"{file} is missing, and what is kept cannot be opened without it")
    with contextlib.suppress(FileExistsError):
        _write_private(file, secrets.token_bytes(KEY_BYTES))
    _check_private(file)
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        raise StoreError(f"{file} holds {len(key)} bytes, a key has {KEY_BYTES}")
    return key


def _write_private(file: Path, content: bytes) -> None:
    """A new file that only its owner may read, whole and on the disk or not there at all. Raises FileExistsError."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        # A link, not a rename: of two processes that start at once only one makes the key.
        os.link(draft, file)
        _sync_folder(file.parent)
    finally:
        draft.unlink()


def _make_private(file: Path) -> None:
    """SQLite gives its journal the mode of the file itself."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _sync_folder(file.parent)
    _check_private(file)


def _check_private(file: Path) -> None:
    if POSIX and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise StoreError(f"{file} can be read by others: chmod 600 it")


def _sync_folder(folder: Path) -> None:
    if not POSIX:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
