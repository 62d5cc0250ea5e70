"""A migrated, empty database, made once per test process: live stacks copy it in a moment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from core.management.commands.database_prepare import prepare
from deploy.local.folders import ROOT
from deploy.local.processes import Command, Supervisor
from tests import servers

_templates: dict[int, str] = {}


def template_made(supervisor: Supervisor) -> str:
    """An empty, migrated database of this test process, made once, from which others are copied in a moment."""
    if os.getpid() not in _templates:
        name = f"live_template_{os.environ[servers.SESSION]}_{os.getpid()}"
        prepare(settings.DATABASE_ADMIN_DSN, name)
        supervisor.run(
            Command(
                name="migrate-template",
                arguments=[sys.executable, "manage.py", "migrate", "--no-input"],
                environment=servers.process_environment(name),
                folder=ROOT,
            )
        )
        _templates[os.getpid()] = name
    return _templates[os.getpid()]


def database_drop(name: str) -> None:
    with psycopg.connect(settings.DATABASE_ADMIN_DSN, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def live_template() -> Iterator[None]:
    """Drops the template, where one was made."""
    yield
    if name := _templates.pop(os.getpid(), ""):
        database_drop(name)
