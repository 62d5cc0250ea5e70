"""Hints: "this worker group has due jobs". They make work start at once; nothing depends on their arrival.

One thread per process talks to the broker, because kombu blocks; a hint that fails is counted and forgotten. The
sweeper takes whatever no hint has reached.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable

from celery import current_app
from django.db import close_old_connections

from journal.models import Lane

logger = logging.getLogger(__name__)
EXPIRES_SECONDS = 5
BROKER_SECONDS = 2
# Between two rounds of hints of one process: commits of this time share a hint. The first after a pause goes at once.
PAUSE_SECONDS = 0.02
GROUPS_SECONDS = 5.0  # A lane that moves to another group is hinted there after this at the latest.
TASK = "journal.tasks.drain"


# Periodic checks that beat asks for: whichever worker is free does them.
CHECKS_QUEUE = "checks"


def queue_of(group_code: str) -> str:
    return f"group.{group_code}"


class Publisher:
    """The hint thread of one process."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.lanes: set[int] = set()
        self.thread: threading.Thread | None = None
        self.process_id = 0
        self.published = 0
        self.skipped = 0
        self.failed = 0
        self.groups: dict[int, str] = {}
        self.groups_read_at = 0.0

    def offer(self, lane_ids: Iterable[int]) -> None:
        with self.condition:
            # A forked child inherits the object but not the thread.
            if self.thread is None or self.process_id != os.getpid():
                self.process_id = os.getpid()
                self.thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self.thread.start()
            self.lanes.update(lane_ids)
            self.condition.notify()

    def _run(self) -> None:
        while True:
            with self.condition:
                while not self.lanes:
                    self.condition.wait()
                lane_ids, self.lanes = self.lanes, set()
            try:
                for group in self._groups_of(lane_ids):
                    self._publish(group)
            except Exception as error:
                self.failed += 1
                if self.failed in (1, 10, 100) or self.failed % 1000 == 0:
                    logger.warning("hint %d failed, the sweeper will find the work: %s", self.failed, error)
            time.sleep(PAUSE_SECONDS)

    def _publish(self, group: str) -> None:
        queue = queue_of(group)
        with current_app.pool.acquire(block=True, timeout=BROKER_SECONDS) as broker:
            # Read after our commit: a hint that still waits there will find our job too.
            waiting = broker.default_channel.queue_declare(queue, durable=True, auto_delete=False).message_count
        if waiting:
            self.skipped += 1
            return
        current_app.send_task(TASK, args=[group], queue=queue, expires=EXPIRES_SECONDS, retry=False, ignore_result=True)
        self.published += 1

    def _groups_of(self, lane_ids: Iterable[int]) -> set[str]:
        if time.monotonic() - self.groups_read_at > GROUPS_SECONDS:
            self.groups.clear()
            self.groups_read_at = time.monotonic()
        unknown = [lane_id for lane_id in lane_ids if lane_id not in self.groups]
        if unknown:
            close_old_connections()
            self.groups.update(Lane.objects.filter(pk__in=unknown).values_list("pk", "group__code"))
        return {self.groups[lane_id] for lane_id in lane_ids if lane_id in self.groups}


publisher = Publisher()


def hint_publish(*, lane_ids: Iterable[int]) -> None:
    """Ask the workers of these lanes to look at them now. Never raises, never blocks on the broker."""
    publisher.offer(lane_ids)
