"""Days drawn from seeds. `make simulate SEEDS=5000 TX=20 FROM=0` is the long form of the same test."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from random import Random

import pytest
from django.conf import settings

from ledger.services.proof import prove
from tests.exchange.house import forget_processes
from tests.roles import truncation_allowed
from tests.simulation.day import Day, profiles
from tests.simulation.truth import holds_at_rest
from tests.simulation.walk import walk

SEEDS = int(os.environ.get("SIMULATE_SEEDS", "100"))
FIRST = int(os.environ.get("SIMULATE_FROM", "1"))
WRONG_AT_MOST = 5  # Days that went wrong; then it is enough.
TRANSACTIONS = int(os.environ.get("SIMULATE_TX", "20"))


class Complaints(logging.Handler):
    """A batch that went row by row, a parked job: on a day without poison each is a fault of ours."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{record.getMessage()} {sys.exc_info()[1]!r}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    handler, logger = Complaints(), logging.getLogger("journal.drain")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def clock(transactional_db: None) -> Iterator[None]:
    truncation_allowed()
    forget_processes()
    before = settings.CLOCK_OFFSET_SECONDS
    yield
    settings.CLOCK_OFFSET_SECONDS = before
    forget_processes()


def test_every_day_ends_with_square_books(clock: None, complaints: Complaints) -> None:
    wrong: list[str] = []
    for seed in range(FIRST, FIRST + SEEDS):
        wrong += _wrong_of(seed, complaints)
        assert len(wrong) < WRONG_AT_MOST, "\n\n".join(wrong)
    assert not wrong, "\n\n".join(wrong)
    assert prove().holds


def _wrong_of(seed: int, complaints: Complaints) -> list[str]:
    """What was wrong with a seed's day, with its steps."""
    complaints.heard.clear()
    day = Day(Random(seed), profiles()[seed % len(profiles())])
    try:
        walk(day, transactions=TRANSACTIONS)
        holds_at_rest(day)
        assert complaints.heard == []
    except Exception as error:
        what = f"seed {seed}, {day.insurer.profile_name}: {type(error).__name__} {error}"
        return ["\n".join([what, *complaints.heard, *day.steps])]
    return []
