"""The engine of one worker process: a loop thread for the network and a database thread for everything that is kept.

The database thread alternates between concluding what came back and arming what is due; the loop thread performs. Lanes
share the loop under caps of their own, so that a silent counterparty holds up nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from core.faults import fault_told
from journal import drain
from journal.handlers import NetworkHandler, Outcome, Work, handlers

logger = logging.getLogger(__name__)
BATCH = 200
RETRY_SECONDS = 0.5
LANES_EVERY_SECONDS = 5.0
# While at least so many calls are under way, each turn waits a moment for company: a commit costs the same for one as
# for thirty. A single cashier never waits.
BUSY_CALLS = 4
GATHER_SECONDS = 0.003


class Engine:
    """Drains the lanes of `group_code` (None: all lanes, as the sweeper does).

    `overdue_seconds` holds back from jobs that became due more recently; `poll_seconds` looks without being asked.
    """

    def __init__(
        self, *, group_code: str | None, overdue_seconds: float = 0.0, poll_seconds: float | None = None
    ) -> None:
        self.group_code = group_code
        self.overdue = timedelta(seconds=overdue_seconds)
        self.poll_seconds = poll_seconds
        self.in_flight: Counter[int] = Counter()
        self.outcomes: deque[Outcome] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.signal = threading.Event()
        self.woken = threading.Event()
        self.stopping = threading.Event()
        self.lanes = drain.LaneTable(group_code=group_code, fresh_seconds=LANES_EVERY_SECONDS)
        self.loop = asyncio.new_event_loop()
        self.loop_thread = threading.Thread(target=self.loop.run_forever, name="network", daemon=True)
        self.database_thread = threading.Thread(target=self._run, name="database", daemon=True)

    def start(self) -> Engine:
        self.loop_thread.start()
        self.database_thread.start()
        return self

    def wake(self) -> None:
        """There may be due jobs. Returns at once."""
        self.woken.set()
        self.signal.set()

    def stop(self, *, timeout_seconds: float) -> bool:
        """Claim nothing more, wait for what is under way; True when all of it was concluded in time."""
        self.stopping.set()
        self.signal.set()
        self.database_thread.join(timeout_seconds)
        finished = not self.database_thread.is_alive()
        closing = asyncio.run_coroutine_threadsafe(self._close_handlers(), self.loop)
        closing.result(timeout=5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.loop_thread.join(timeout=5)
        return finished

    async def _close_handlers(self) -> None:
        for handler in handlers().values():
            if hasattr(handler, "close"):
                await handler.close()

    # The database thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self.stopping.is_set() and not self.outcomes and not self.in_flight.total()):
            # While stopping, outcomes still come in; without a poll only a wake or an outcome moves us.
            self.signal.wait(timeout=0.05 if self.stopping.is_set() else self.poll_seconds)
            if self.in_flight.total() >= BUSY_CALLS:
                time.sleep(GATHER_SECONDS)
            self.signal.clear()
            try:
                self._turn()
            except (DatabaseError, InterfaceError) as error:
                # The database is away. What came back stays in `outcomes`; what was armed has its guard.
                logger.warning("database thread retries: %s", fault_told(error))
                connection.close()
                self.wake()
                time.sleep(RETRY_SECONDS)
            except Exception as error:
                logger.error("database thread: a fault of ours: %s", fault_told(error))
                self.wake()
                time.sleep(RETRY_SECONDS)
        connection.close()

    def _turn(self) -> None:
        """Conclude all that came back, then arm what is due, until neither finds anything."""
        close_old_connections()
        while True:
            concluded = self._conclude()
            looking = self.woken.is_set() or self.poll_seconds is not None or concluded > 0
            self.woken.clear()
            idle = self.stopping.is_set() or not looking or self._arm() == 0
            if idle and not self.outcomes:
                return
            if self.in_flight.total() >= BUSY_CALLS:
                time.sleep(GATHER_SECONDS)

    def _conclude(self) -> int:
        batch = [self.outcomes.popleft() for _ in range(min(BATCH, len(self.outcomes)))]
        if not batch:
            return 0
        try:
            again = drain.outcomes_conclude(batch)
        except BaseException:
            self.outcomes.extendleft(reversed(batch))
            raise
        if again:
            self.outcomes.extend(again)
            time.sleep(RETRY_SECONDS)
        held = {id(outcome) for outcome in again}
        for outcome in batch:
            if id(outcome) not in held:
                self._release(outcome.work.job.lane_id)
        return len(batch) - len(again)

    def _arm(self) -> int:
        free = self.lanes.free_slots(self.in_flight, batch=BATCH)
        if not free:
            return 0
        turn = drain.jobs_take(free_slots=free, overdue=self.overdue)
        for work in turn.works:
            self.in_flight[work.job.lane_id] += 1
        if turn.works:
            self.loop.call_soon_threadsafe(self._perform_all, turn.works)
        # Full batches mean that more may be due; the rest waits for its hint or for the sweeper.
        return turn.claimed

    def _release(self, lane_id: int) -> None:
        self.in_flight[lane_id] -= 1
        if self.in_flight[lane_id] <= 0:
            del self.in_flight[lane_id]

    # The loop thread ----------------------------------------------------------------------------------------------

    def _perform_all(self, works: Sequence[Work]) -> None:
        for work in works:
            task = self.loop.create_task(self._perform(work))
            # The loop keeps only weak references to its tasks.
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _perform(self, work: Work) -> None:
        # Only network handlers make work.
        handler = cast(NetworkHandler, handlers()[work.job.kind])
        try:
            outcome = Outcome(work, result=await handler.perform(work))
        except BaseException as error:
            outcome = Outcome(work, error=error)
        self.outcomes.append(outcome)
        self.signal.set()


_engines: dict[str, Engine] = {}
_engines_lock = threading.Lock()


def engine_of(group_code: str) -> Engine:
    """This process's engine for a worker group, started at first use (after the fork)."""
    with _engines_lock:
        if group_code not in _engines:
            _engines[group_code] = Engine(group_code=group_code).start()
        return _engines[group_code]


def engines_stop(*, timeout_seconds: float) -> bool:
    """Stop all engines of this process; True when every call under way was concluded."""
    finished = [engine.stop(timeout_seconds=timeout_seconds) for engine in _engines.values()]
    return all(finished)
