"""The sweeper: a plain process without broker or beat that takes every job due for more than a second, and does chores.

Chores are small periodic services (seal the audit trail, expire holds) named in `config/wiring.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection
from django.utils.module_loading import import_string

from core.clock import database_now
from core.faults import fault_told
from journal.engine import Engine

logger = logging.getLogger(__name__)
OVERDUE_SECONDS = 1.0
POLL_SECONDS = 0.5


class Sweeper:
    """One sweeping process; several may run, on any hosts."""

    def __init__(self) -> None:
        self.engine = Engine(group_code=None, overdue_seconds=OVERDUE_SECONDS, poll_seconds=POLL_SECONDS)
        self.stopping = threading.Event()
        self.chores: list[tuple[float, str, dict[str, Any]]] = import_string(f"{settings.WIRING}.CHORES")
        self.next_at = dict.fromkeys((path for _, path, _ in self.chores), 0.0)

    def run(self) -> None:
        """Sweep until `stop`, then wait for the calls under way."""
        self.engine.start()
        while not self.stopping.wait(POLL_SECONDS):
            for every_seconds, path, arguments in self.chores:
                if time.monotonic() >= self.next_at[path]:
                    self.next_at[path] = time.monotonic() + every_seconds
                    self._do(path, arguments)
        self.engine.stop(timeout_seconds=max(settings.DEADLINE_SECONDS.values()) + 5)

    def stop(self) -> None:
        self.stopping.set()

    def _do(self, path: str, arguments: dict[str, Any]) -> None:
        try:
            close_old_connections()
            import_string(path)(now=database_now(), **arguments)
        except Exception as error:
            logger.error("chore %s failed; it runs again in its turn: %s", path, fault_told(error))
            connection.close()
