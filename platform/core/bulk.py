"""Inserting many rows of one model in one statement: arrays in, `unnest` over them.

Django's own bulk insert writes a placeholder per value for tables with binary columns; at fifty rows that costs more
than the insert itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
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


@dataclass(frozen=True, slots=True)
class Spread:
    """Rows as the driver takes them: an array for each column that differs among them, else one value.

    Most columns of a batch hold one value (a state, a moment, nothing yet), and dumping arrays is what costs most.
    """

    constants: list[Any]
    arrays: list[list[Any]]
    varies: tuple[bool, ...]


def spread(columns: Sequence[Any], rows: Sequence[models.Model]) -> Spread:
    """The values of `columns` over `rows`. The first column, the primary key, always counts as differing."""
    # The proxy `connection` looks the thread's connection up at every touch.
    own = connections[DEFAULT_DB_ALIAS]
    constants: list[Any] = []
    arrays: list[list[Any]] = []
    varies: list[bool] = []
    for number, column in enumerate(columns):
        name, prepare = column.attname, column.get_db_prep_save
        raw = [getattr(row, name) for row in rows]
        first = raw[0]
        constant = number > 0 and all(value is first or value == first for value in raw)
        varies.append(not constant)
        if constant:
            constants.append(prepare(first, own))
        else:
            arrays.append([prepare(value, own) for value in raw])
    return Spread(constants, arrays, tuple(varies))


def _insert(rows: Sequence[models.Model], ending: str) -> list[tuple[Any, ...]]:
    model = rows[0]._meta.model
    columns = _columns(model)
    values = spread(columns, rows)
    with connection.cursor() as cursor:
        cursor.execute(f"{_statement(model, values.varies)} {ending}", [*values.constants, *values.arrays])
        return list(cursor.fetchall()) if cursor.description else []


@cache
def _columns(model: type[models.Model]) -> tuple[Any, ...]:
    columns = [column for column in model._meta.concrete_fields if not isinstance(column, models.AutoField)]
    return tuple(sorted(columns, key=lambda column: not column.primary_key))


@lru_cache(maxsize=512)
def _statement(model: type[models.Model], varies: tuple[bool, ...]) -> str:
    pairs = list(zip(_columns(model), varies, strict=True))
    names = ", ".join(f'"{column.column}"' for column, _ in pairs)
    values = ", ".join(f'r."{column.column}"' if many else f"%s::{sql_type(column)}" for column, many in pairs)
    arrays = ", ".join(f"%s::{sql_type(column)}[]" for column, many in pairs if many)
    aliases = ", ".join(f'"{column.column}"' for column, many in pairs if many)
    # Table and column names are Django's own; the values travel as parameters.
    return f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {values} FROM unnest({arrays}) AS r ({aliases})'  # noqa: S608
