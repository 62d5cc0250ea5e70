"""Identifiers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.ids import HIS_NO, TRACE_ID, new_trace_id, uuid7

NOW = datetime(2026, 11, 22, 8, 0, 0, 123000, tzinfo=UTC)


def test_an_id_is_a_version_7_uuid_of_its_millisecond() -> None:
    value = uuid7(NOW)
    assert (value.version, value.variant) == (7, "specified in RFC 4122")
    assert value.int >> 80 == int(NOW.timestamp() * 1000)


def test_later_ids_sort_later() -> None:
    values = [uuid7(NOW + timedelta(milliseconds=step)) for step in range(50)]
    assert values == sorted(values)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({uuid7(NOW) for _ in range(1000)}) == 1000


def test_a_simulation_draws_the_same_ids_again() -> None:
    drawn = [uuid7(NOW, random_bytes=lambda count: bytes([255]) * count) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_a_trace_id_has_the_form_that_we_accept() -> None:
    assert TRACE_ID.fullmatch(new_trace_id())


@pytest.mark.parametrize("number", ["", "a" * 65, "X~2", "号", "a b", "a/b", "a\n"])
def test_a_his_no_of_another_form_is_refused(number: str) -> None:
    assert HIS_NO.fullmatch(number) is None


def test_a_usual_his_no_is_accepted() -> None:
    assert HIS_NO.fullmatch("HIS-20261122-000001")
