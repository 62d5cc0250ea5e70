"""Fixtures for every test: a database per xdist worker, made the way a real one is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate
from psycopg import sql
from pytest_django import DjangoDbBlocker

from accounts.services import client_keys_forget
from core.crypto import ring
from core.management.commands.database_prepare import prepare
from exchange.selectors.interfaces import interfaces_forget
from exchange.selectors.routing import routes_forget
from journal.selectors import PLATFORM_GROUP
from journal.services import lane_define, worker_group_define
from ledger.services import directory
from tests import servers
from tests.roles import truncation_allowed


def _platform_lane_again(sender: object, **_: object) -> None:
    """A test that commits empties every table; the lane that a migration made stands again before the next one."""
    if getattr(sender, "label", "") == "claims":
        lane_define(code=PLATFORM_GROUP, group=worker_group_define(code=PLATFORM_GROUP))


post_migrate.connect(_platform_lane_again)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Django finds the database made below; making it itself it would lack the roles and their grants."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(worker_id: str) -> Iterator[None]:
    """A database of this session and worker with `database_prepare`'s roles, dropped at the end."""
    name = f"test_{settings.DATABASES['default']['NAME']}_{os.environ[servers.SESSION]}_{worker_id}"
    _drop(name)
    prepare(settings.DATABASE_ADMIN_DSN, name)
    connections.databases["default"]["TEST"]["NAME"] = name
    yield
    connections["default"].close()
    _drop(name)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit are cleared by truncation, which append-only tables refuse everywhere else."""
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Process caches outlive a test; the rows they speak of do not."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for forget in (client_keys_forget, ring.forget, directory.forget, interfaces_forget, routes_forget):
        forget()


def _drop(name: str) -> None:
    with psycopg.connect(settings.DATABASE_ADMIN_DSN, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for a real process that shall see this test's database, its broker and its keys."""
    return servers.process_environment(str(connections["default"].settings_dict["NAME"]))
