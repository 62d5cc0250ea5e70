"""Fixtures for every test: a database per xdist worker, made the way a real one is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate
from django.test import TransactionTestCase, override_settings
from pytest_django import DjangoDbBlocker

from accounts.services import client_keys_forget
from core.crypto import ring
from exchange.selectors.interfaces import interfaces_forget
from exchange.selectors.routing import routes_forget
from ledger.services import directory
from tests import servers
from tests.emptying import platform_lane_stands, quick_teardown
from tests.live_template import database_copied, database_drop, template_name
from tests.order import long_files_first
from tests.roles import truncation_allowed


def _platform_lane_again(sender: object, **_: object) -> None:
    """Where Django empties every table itself: the lane that a migration made stands again before the next test."""
    if getattr(sender, "label", "") == "claims":
        platform_lane_stands()


post_migrate.connect(_platform_lane_again)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long_files_first(items)


def pytest_unconfigure() -> None:
    """In a server that is not ours the template goes with its session; the processes of xdist are only parts of one."""
    ours = servers.OWN_CLUSTER in os.environ or "PYTEST_XDIST_WORKER" in os.environ
    if servers.SESSION in os.environ and not ours:
        database_drop(template_name())


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Django finds the database made below; making it itself it would lack the roles and their grants."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(worker_id: str) -> Iterator[None]:
    """A database of this session and worker, copied from the migrated template; dropped at the end."""
    name = f"test_{settings.DATABASES['default']['NAME']}_{os.environ[servers.SESSION]}_{worker_id}"
    database_drop(name)
    database_copied(name)
    connections.databases["default"]["TEST"]["NAME"] = name
    yield
    connections["default"].close()
    database_drop(name)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit are cleared by truncation, which append-only tables refuse everywhere else."""
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture(scope="session", autouse=True)
def quick_ways() -> Iterator[None]:
    """What costs every test time and proves nothing in it: hard passwords, and emptying tables that are empty."""
    with (
        override_settings(PASSWORD_HASHERS=["tests.passwords.QuickArgon2"]),
        patch.object(TransactionTestCase, "_fixture_teardown", quick_teardown),
    ):
        yield


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Process caches outlive a test; the rows they speak of do not."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for forget in (client_keys_forget, ring.forget, directory.forget, interfaces_forget, routes_forget):
        forget()


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for a real process that shall see this test's database, its broker and its keys."""
    return servers.process_environment(str(connections["default"].settings_dict["NAME"]))
