"""Every bound of the client, by name."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

# How long the platform may hold a request open for its verdict (his-api: 0 to 25 seconds).
WAIT_SECONDS = 10.0
WAIT_LIMIT_SECONDS = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, counts and bytes. The defaults suit a hospital's network."""

    connect_seconds: float = 2.0
    # One attempt: the time that the platform was asked to wait, and this.
    answer_seconds: float = 10.0
    # The whole call with all its repeats: the time that the platform was asked to wait, and this.
    deadline_seconds: float = 30.0
    # Between two rounds over all addresses; after the last there is no further round.
    pauses_seconds: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
    # Each pause is longer or shorter by up to this share, so that tills do not knock in step.
    jitter: float = 0.5
    # An address that could not be reached is asked last for this long.
    rest_seconds: float = 10.0
    connections: int = 100
    answer_bytes: int = 64 * 1024 * 1024
    # Unanswered requests in the store; beyond that nothing more is sent that would have to be kept.
    kept_requests: int = 10_000
    # Pages of one reading of the abnormal feed.
    feed_pages: int = 10_000
    watch_every_seconds: float = 5.0
    # How long `watch` waits out that nobody answers before it says so.
    watch_outage_seconds: float = 86_400.0

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each round; before the first none."""
        yield 0.0
        for pause in self.pauses_seconds:
            yield pause * random.uniform(1 - self.jitter, 1 + self.jitter)
