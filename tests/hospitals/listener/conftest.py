"""One platform with two listeners for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveStack, live_stack, live_template, until

__all__ = ["live_template"]


@pytest.fixture(scope="session")
def stack(live_template: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Two listeners, one worker group, two insurers.

    The deadline is long: an insurer that a test slows down shall still answer in time on a busy machine.
    """
    patient = {"MEDISETTLE_DEADLINE_SETTLE": "20"}
    with live_stack(tmp_path_factory.mktemp("listener"), listeners=2, environment=patient) as stack:
        yield stack


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that slows an insurer or breaks it leaves it whole to the next one."""
    yield
    if "stack" in request.fixturenames:
        stack: LiveStack = request.getfixturevalue("stack")
        for code in stack.control_urls:
            stack.faults(code)
            stack.latency(code, 0)
        # What is still under way would write rows into the next test.
        under_way = "SELECT count(*) FROM exchange_transaction WHERE state IN ('RECEIVED', 'SENDING')"
        until(lambda: stack.rows(under_way) == [(0,)], what="an end of all transactions")
