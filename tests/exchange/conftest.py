from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.exchange.house import House, forget_processes, make_house
from tests.live import live, live_template
from tests.roles import truncation_allowed

__all__ = ["live", "live_template"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture
def house(db: None) -> Iterator[House]:
    yield make_house()
    forget_processes()


@pytest.fixture
def committed_house(transactional_db: None) -> Iterator[House]:
    """The same, in finished database transactions."""
    yield make_house()
    forget_processes()
