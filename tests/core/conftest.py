from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from core.crypto import ring
from tests.roles import truncation_allowed


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """The key ring outlives a test; the rows it speaks of do not."""
    ring.forget()
    yield
    ring.forget()
