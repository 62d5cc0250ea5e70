from __future__ import annotations

import pytest
from pytest_django import DjangoDbBlocker

from tests.registry.house import Shelf, make_shelf
from tests.roles import truncation_allowed


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture
def shelf(db: None) -> Shelf:
    return make_shelf()


@pytest.fixture
def committed_shelf(transactional_db: None) -> Shelf:
    """The same, in finished database transactions."""
    return make_shelf()
