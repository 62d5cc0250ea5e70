"""The clock of a simulated day, and an ear for what the platform complains of."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.exchange.house import forget_processes
from tests.roles import truncation_allowed


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
