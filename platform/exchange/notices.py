"""Notice to waiting listeners that verdicts exist. A hint like any other: the listeners also look for themselves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from uuid import UUID

import redis
from django.conf import settings

logger = logging.getLogger(__name__)
CHANNEL = "medisettle.verdicts"
SOCKET_SECONDS = 1.0
ID_BYTES = 16


class Announcer:
    """One thread per process publishes; whoever commits never waits for the broker."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.waiting: list[UUID] = []
        self.thread: threading.Thread | None = None
        self.failed = 0

    def offer(self, ids: Iterable[UUID]) -> None:
        with self.condition:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="notices", daemon=True)
                self.thread.start()
            self.waiting.extend(ids)
            self.condition.notify()

    def _run(self) -> None:
        client = redis.Redis.from_url(
            settings.CELERY_BROKER_URL, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
        )
        while True:
            with self.condition:
                while not self.waiting:
                    self.condition.wait()
                ids, self.waiting = self.waiting, []
            try:
                client.publish(CHANNEL, ids_packed(ids))
            except redis.RedisError as error:
                self.failed += 1
                if self.failed in (1, 10, 100) or self.failed % 1000 == 0:
                    logger.warning("notice %d failed, the listeners' poll will find it: %s", self.failed, error)


_announcer = Announcer()


def verdicts_announce(transaction_ids: Sequence[UUID]) -> None:
    """Say that these transactions have news. Never raises, never blocks on the broker."""
    if settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
        _announcer.offer(transaction_ids)


def ids_packed(ids: Iterable[UUID]) -> bytes:
    return b"".join(one.bytes for one in ids)


def ids_unpacked(message: bytes) -> list[UUID]:
    return [UUID(bytes=message[at : at + ID_BYTES]) for at in range(0, len(message) - ID_BYTES + 1, ID_BYTES)]
