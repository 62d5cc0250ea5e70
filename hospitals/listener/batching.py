"""Database work of the listener: requests that arrive together share a commit; each batcher has one thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from django.db import close_old_connections, connection

from core.faults import fault_told

logger = logging.getLogger(__name__)
BATCH = 64
QUEUE_LIMIT = 20_000
ANSWER_SECONDS = 20.0  # Longer than any statement may take; after it the caller is told that nobody knows.
# After a batch of at least so many the next one waits a moment for company; a single cashier never waits.
BUSY_ITEMS = 3
GATHER_SECONDS = 0.002


class Overloaded(Exception):
    """More is waiting than this process will hold, or for longer than it lets anybody wait."""


class Batcher[Item, Result]:
    """Collects items from the event loop and works them off in batches on a thread of its own.

    `work` gets a list and returns as many results, in order; an exception among them is raised to its caller, one that
    `work` itself raises goes to every caller of the batch.
    """

    def __init__(self, name: str, work: Callable[[list[Item]], Sequence[Result | Exception]]) -> None:
        self.name = name
        self.work = work
        self.condition = threading.Condition()
        self.queue: deque[tuple[Item, asyncio.AbstractEventLoop, asyncio.Future[Result]]] = deque()
        self.thread: threading.Thread | None = None

    async def do(self, item: Item) -> Result:
        """The result for `item`. The work goes on also when the caller is cancelled.

        Raises Overloaded when too much is waiting, or nothing came within ANSWER_SECONDS.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        with self.condition:
            if len(self.queue) >= QUEUE_LIMIT:
                raise Overloaded(self.name)
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self.thread.start()
            self.queue.append((item, loop, future))
            self.condition.notify()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            raise Overloaded(self.name) from None

    def _run(self) -> None:
        while True:
            with self.condition:
                while not self.queue:
                    self.condition.wait()
                batch = [self.queue.popleft() for _ in range(min(BATCH, len(self.queue)))]
            results: Sequence[Any]
            try:
                close_old_connections()
                results = self.work([item for item, _, _ in batch])
            except Exception as error:
                logger.warning("%s: a batch of %d failed: %s", self.name, len(batch), fault_told(error))
                connection.close()
                results = [error] * len(batch)
            loop = batch[0][1]
            try:
                loop.call_soon_threadsafe(_settle, [future for _, _, future in batch], results)
            except RuntimeError:
                return  # The loop is closed: the process ends.
            if len(batch) >= BUSY_ITEMS:
                time.sleep(GATHER_SECONDS)


def _settle(futures: Sequence[asyncio.Future[Any]], results: Sequence[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
