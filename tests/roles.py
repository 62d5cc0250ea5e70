"""Playing the database roles: the tests' connection belongs to the owner, whom no fence holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from django.db import DatabaseError, connection, transaction
from psycopg.pq import TransactionStatus


@contextmanager
def as_role(role: Literal["app", "worker"]) -> Iterator[None]:
    """Everything inside is done by `medisettle_<role>`, as in a process of that kind."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE medisettle_{role}")
    try:
        yield
    finally:
        # A transaction that an error has broken gives the role back by itself when it is rolled back.
        if connection.connection.info.transaction_status != TransactionStatus.INERROR:
            with connection.cursor() as cursor:
                cursor.execute("RESET ROLE")


@contextmanager
def refused(match: str) -> Iterator[None]:
    """The database must refuse what is done inside, with words that match `match`; the test goes on after it."""
    with pytest.raises(DatabaseError, match=match), transaction.atomic():
        yield


def rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """What the plain statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def truncation_allowed() -> None:
    """Let the owner empty append-only tables, as Django does after a test that commits. In tests only."""
    guarded = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only_whole'"
    for (table,) in rows(guarded):
        rows(f"ALTER TABLE {table} DISABLE TRIGGER append_only_whole")
