"""A book per test."""

from __future__ import annotations

import pytest

from ledger.services import BookKey, BookKind
from tests.ledger.cast import make_book


@pytest.fixture
def book(db: None) -> BookKey:
    """The memo book of a hospital and an insurer."""
    return make_book()


@pytest.fixture
def advances(db: None) -> BookKey:
    """A book with limited accounts."""
    return make_book("advance", BookKind.ADVANCE)
