"""Who is asking, told to PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from core.row_security import EVERYTHING, organisations_see, seen_by
from tests.roles import rows

SEEN = "SELECT core_organisations(), core_everything()"

pytestmark = pytest.mark.django_db(transaction=True)


def test_outside_a_transaction_it_would_be_lost_and_is_refused() -> None:
    assert not connection.in_atomic_block
    with pytest.raises(RuntimeError, match="open transaction"):
        organisations_see([1])


def test_it_ends_with_the_transaction() -> None:
    with seen_by([3, 7]):
        assert rows(SEEN) == [([3, 7], False)]
    assert rows(SEEN) == [([], False)]


def test_everything_is_a_word_of_its_own() -> None:
    with seen_by(EVERYTHING):
        assert rows(SEEN) == [([], True)]


def test_no_organisation_is_nothing_and_not_everything() -> None:
    with seen_by([]):
        assert rows(SEEN) == [([], False)]


def test_an_inner_block_gives_the_outer_ones_back() -> None:
    with seen_by([3]):
        with seen_by([7]):
            assert rows(SEEN) == [([7], False)]
        assert rows(SEEN) == [([3], False)]
        with transaction.atomic(), pytest.raises(ValueError, match="stop"), seen_by(EVERYTHING):
            raise ValueError("stop")
        assert rows(SEEN) == [([3], False)]


def test_an_inner_block_that_is_rolled_back_gives_them_back_too() -> None:
    with seen_by([3]):
        with seen_by([7]):
            transaction.set_rollback(True)
        assert rows(SEEN) == [([3], False)]


def test_what_follows_in_a_plain_transaction_sees_nothing() -> None:
    with transaction.atomic():
        with seen_by([7]):
            pass
        assert rows(SEEN) == [([], False)]
