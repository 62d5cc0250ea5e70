from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker, Settings

from tests.exchange.house import House, forget_processes, make_house
from tests.live import live, live_template
from tests.roles import truncation_allowed

__all__ = ["live", "live_template"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture(autouse=True)
def clock_put_back(settings: Settings) -> None:
    """A test may let the platform's clock run ahead (`doubting.clock_on`)."""
    settings.CLOCK_OFFSET_SECONDS = 0.0


@pytest.fixture
def patient(settings: Settings) -> None:
    """Limits of a few seconds make endings of their own on a busy machine; the clock is put on by the tests."""
    settings.DEADLINE_SECONDS = dict.fromkeys(settings.DEADLINE_SECONDS, 60.0)
    settings.SEND_WITHIN_SECONDS = settings.CONNECT_SECONDS = 30.0


@pytest.fixture
def house(db: None) -> Iterator[House]:
    yield make_house()
    forget_processes()


@pytest.fixture
def committed_house(transactional_db: None) -> Iterator[House]:
    """The same, in finished database transactions."""
    yield make_house()
    forget_processes()
