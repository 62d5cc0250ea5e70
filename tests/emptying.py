"""Putting the database back after a test that commits: only the tables in which rows are, not all hundred and twenty.

Django truncates every table and writes the content types and permissions anew, which takes half a second a test. Here
the few rows that a test leaves are deleted. Like Django's way it waits for whoever is still writing.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from journal.selectors import PLATFORM_GROUP
from journal.services import lane_define, worker_group_define

# Written by migrations and by Django's own signals only: they stay as they are.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
_djangos_way = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def platform_lane_stands() -> None:
    """The lane that a migration made."""
    lane_define(code=PLATFORM_GROUP, group=worker_group_define(code=PLATFORM_GROUP))


def database_emptied(alias: str) -> bool:
    """Delete every row of every table but those of KEPT; False, and nothing done, where the login may not do it."""
    connection = connections[alias]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        # No fence, no rule of ours and no foreign key stands in the way of the server's owner.
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            return False
        cursor.execute("SET LOCAL session_replication_role = replica")
        tables = [f'"{name}"' for name in connection.introspection.table_names(cursor) if name not in KEPT]
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        for table in _filled(cursor, tables):
            cursor.execute(f"DELETE FROM {table}")
    return True


def _filled(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables))
    return [name for (name,) in cursor.fetchall()]


def quick_teardown(self: Any) -> None:
    """In the place of `TransactionTestCase._fixture_teardown`."""
    if all(database_emptied(alias) for alias in self._databases_names(include_mirrors=False)):
        platform_lane_stands()
    else:
        _djangos_way(self)
