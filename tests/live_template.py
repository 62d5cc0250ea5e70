"""A migrated, empty database, made once per session: every other database of the tests is copied from it in a moment.

Migrating takes most of a minute, a copy a fraction of a second. `python -m tests.live_template` makes it ahead of time:
where several processes run the tests, it is ready by the time they have collected theirs (`tests/servers.py`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from core.management.commands.database_prepare import prepare
from deploy.local.folders import ROOT
from deploy.local.processes import Command, Supervisor
from tests import servers
from tests.kept_cluster import MARK

_LOCK = 7266002


def template_name() -> str:
    """In a cluster of our own the name is always the same: the cluster may be kept for the next session."""
    return "live_template" if servers.OWN_CLUSTER in os.environ else f"live_template_{os.environ[servers.SESSION]}"


def template_made() -> str:
    """The session's template; whoever comes first makes it while the others wait. Raises ProcessFailed."""
    name = template_name()
    with psycopg.connect(settings.DATABASE_ADMIN_DSN, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            _migrated(connection, name)
            if servers.OWN_CLUSTER in os.environ:
                (Path(os.environ[servers.OWN_CLUSTER]) / MARK).touch()
    return name


def _migrated(connection: psycopg.Connection, name: str) -> None:
    """Under another name first: one that was left half-way must not look whole."""
    draft = f"{name}_draft"
    database_drop(draft)
    prepare(settings.DATABASE_ADMIN_DSN, draft)
    migrate = Command(
        name="migrate-template",
        arguments=[sys.executable, "manage.py", "migrate", "--no-input"],
        environment=servers.process_environment(draft),
        folder=ROOT,
    )
    with TemporaryDirectory() as folder, Supervisor(Path(folder), lambda _: None) as supervisor:
        supervisor.run(migrate)
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(name)))


def database_copied(name: str) -> None:
    """Create the database `name` as the template is."""
    template = template_made()
    with psycopg.connect(settings.DATABASE_ADMIN_DSN, autocommit=True) as connection:
        names = sql.Identifier(name), sql.Identifier(template)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))


def database_drop(name: str) -> None:
    with psycopg.connect(settings.DATABASE_ADMIN_DSN, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def live_template() -> str:
    """The template's name; it stays until the session ends."""
    return template_made()


if __name__ == "__main__":
    template_made()
