"""A book per test, and a process that remembers no account of the test before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from ledger.services import BookKey, BookKind, directory
from tests.ledger.cast import make_book
from tests.roles import truncation_allowed


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """The directory outlives a test; the rows it speaks of do not."""
    directory.forget()
    yield
    directory.forget()


@pytest.fixture
def book(db: None) -> BookKey:
    """The memo book of a hospital and an insurer."""
    return make_book()


@pytest.fixture
def advances(db: None) -> BookKey:
    """A book with limited accounts."""
    return make_book("advance", BookKind.ADVANCE)
