"""Inserting many rows of one model in one statement whose text never changes: arrays in, `unnest` over them.

Django's own bulk insert writes a placeholder per value for tables with binary columns; at fifty rows that costs more
than the insert itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models


def rows_insert(rows: Sequence[models.Model], *, skip_existing: bool = False) -> None:
    """Insert rows of one model whose primary keys are set or counted by the database.

    `skip_existing` leaves out, in silence, what a unique constraint forbids.
    """
    if rows:
        _insert(rows, "ON CONFLICT DO NOTHING" if skip_existing else "")


def rows_insert_new(rows: Sequence[models.Model], *, returning: str) -> list[Any]:
    """Insert what no unique constraint forbids; returns the column `returning` of the rows inserted.

    A row that another transaction is just inserting is waited for, and then counts as there.
    """
    return [row[0] for row in _insert(rows, f'ON CONFLICT DO NOTHING RETURNING "{returning}"')] if rows else []


def sql_type(column: Any) -> str:
    """The column's type without what only a column definition may say (a foreign key takes its target's type)."""
    return str(column.rel_db_type(connection) if column.primary_key else column.db_type(connection))


def prepared(columns: Sequence[Any], rows: Sequence[Any]) -> list[list[Any]]:
    """The values of each column over all rows, as the database driver takes them."""
    # The proxy `connection` looks the thread's connection up at every touch.
    own = connections[DEFAULT_DB_ALIAS]
    return [[column.get_db_prep_save(getattr(row, column.attname), own) for row in rows] for column in columns]


def _insert(rows: Sequence[models.Model], ending: str) -> list[tuple[Any, ...]]:
    head, columns = _statement(rows[0]._meta.model)
    with connection.cursor() as cursor:
        cursor.execute(f"{head} {ending}", prepared(columns, rows))
        return list(cursor.fetchall()) if cursor.description else []


@cache
def _statement(model: type[models.Model]) -> tuple[str, tuple[Any, ...]]:
    columns = tuple(column for column in model._meta.concrete_fields if not isinstance(column, models.AutoField))
    names = ", ".join(f'"{column.column}"' for column in columns)
    arrays = ", ".join(f"%s::{sql_type(column)}[]" for column in columns)
    # Table and column names are Django's own; the values travel as parameters.
    return f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT * FROM unnest({arrays})', columns  # noqa: S608
