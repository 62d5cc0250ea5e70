"""State machines in the house: the columns they share, and the one versioned write that moves many rows at once.

The move itself is a django-fsm transition on the flow class in the app's `states.py`. Row lock, version and the trigger
`state_guard` (migration core/0001) are the fences; the trigger `state_log` writes the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models

from core.bulk import spread, sql_type


class RowMoved(RuntimeError):
    """Rows that another writer moved first: their versions no longer match. `ids` names them."""

    def __init__(self, ids: list[Any]) -> None:
        self.ids = ids
        super().__init__(f"{len(ids)} row(s) moved under us: {ids[:3]}")


class StatefulRow(models.Model):
    """Columns that `state_guard` and `state_log` read. The flow class adds the `state` field itself."""

    version = models.PositiveIntegerField(default=0)
    state_at = models.DateTimeField()
    state_by = models.TextField()
    state_reason = models.TextField(default="", blank=True)
    trace_id = models.TextField()

    class Meta:
        abstract = True

    def moved(self, *, now: datetime, by: str, reason: str = "") -> None:
        """Sign the move that was just made in Python: what the history row will say."""
        self.state_at, self.state_by, self.state_reason = now, by, reason


def write_many(rows: Sequence[Any], *, fields: Sequence[str]) -> None:
    """Write `fields` of stateful `rows` of one model in one statement, each only over the version that was read.

    Raises RowMoved, having written nothing that commits, when any row's version differs in the database.
    """
    if not rows:
        return
    model = rows[0]._meta.model
    names = [*dict.fromkeys([*fields, "state_at", "state_by", "state_reason"])]
    columns = [model._meta.get_field(name) for name in names]
    primary = model._meta.pk
    values = spread([primary, *columns], rows)
    pairs = list(zip(columns, values.varies[1:], strict=True))
    assignments = ", ".join(
        f'"{column.column}" = ' + (f'new."{column.column}"' if many else f"%s::{sql_type(column)}")
        for column, many in pairs
    )
    varying = [column for column, many in pairs if many]
    arrays = ", ".join(f"%s::{sql_type(column)}[]" for column in [primary, *varying])
    aliases = "".join(f', "{column.column}"' for column in varying)
    # Table and column names are Django's own; the values travel as parameters.
    sql = (
        f'UPDATE "{model._meta.db_table}" old SET {assignments}, version = old.version + 1 '  # noqa: S608
        f"FROM unnest({arrays}, %s::integer[]) AS new (key{aliases}, seen_version) "
        f'WHERE old."{primary.column}" = new.key AND old.version = new.seen_version RETURNING old."{primary.column}"'
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values.constants, *values.arrays, [row.version for row in rows]])
        written = {row[0] for row in cursor.fetchall()}
    missing = [row.pk for row in rows if row.pk not in written]
    if missing:
        raise RowMoved(missing)
    for row in rows:
        row.version += 1
