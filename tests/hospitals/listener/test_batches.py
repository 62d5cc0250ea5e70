"""Requests share a commit, not their misfortune."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from django.db import OperationalError

from core.row_security import EVERYTHING, seen_by
from hospitals.listener.database import _by_organisation
from tests.roles import rows

Item = tuple[int, str]


def owner(item: Item) -> int:
    return item[0]


@pytest.mark.django_db
def test_an_item_that_cannot_be_stored_leaves_its_neighbours_alone() -> None:
    def work(items: list[Item], now: datetime) -> Sequence[str]:
        for _, word in items:
            if word == "poison":
                raise ValueError(word)
        return [word.upper() for _, word in items]

    items = [(1, "a"), (2, "b"), (1, "poison"), (1, "c"), (2, "d")]
    results = _by_organisation(items, owner, work)
    assert [result for result in results if isinstance(result, str)] == ["A", "B", "C", "D"]
    assert isinstance(results[2], ValueError)


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_is_not_asked_once_more_for_each_item() -> None:
    asked: list[int] = []

    def work(items: list[Item], now: datetime) -> Sequence[str]:
        asked.append(len(items))
        # The tests' login may end a connection, the role it has taken may not.
        rows("SET ROLE NONE")
        rows("SELECT pg_terminate_backend(pg_backend_pid())")
        raise AssertionError("the connection is gone by now")

    results = _by_organisation([(1, "a"), (1, "b"), (1, "c")], owner, work)
    assert [type(result) for result in results] == [OperationalError] * 3
    assert asked == [3]


@pytest.mark.django_db
def test_a_statement_over_its_time_fails_its_own_item_only() -> None:
    def work(items: list[Item], now: datetime) -> Sequence[str]:
        if any(name == "b" for _, name in items):
            rows("SET LOCAL statement_timeout = '20ms'")
            rows("SELECT pg_sleep(5)")
        return [name for _, name in items]

    first, second, third = _by_organisation([(1, "a"), (1, "b"), (1, "c")], owner, work)
    assert (first, third) == ("a", "c")
    assert isinstance(second, OperationalError)


@pytest.mark.django_db
def test_each_organisation_is_worked_seeing_itself_only() -> None:
    def work(items: list[Item], now: datetime) -> Sequence[str]:
        return [rows("SELECT current_setting('medisettle.organisations')")[0][0] for _ in items]

    with seen_by(EVERYTHING):
        assert _by_organisation([(1, "a"), (7, "b"), (1, "c")], owner, work) == ["1", "7", "1"]
