"""All tills of a run in one event loop on a thread of its own: so many visits at once until enough wishes were made."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from chaos.cashier import Till
from chaos.door import Door
from chaos.notebook import Notebook
from chaos.plan import visit_of

SURPRISES_KEPT = 200


class Hospital:
    """The stub of two hospitals' systems. `wishes` counts what was asked for, `surprises` what the contract forbids."""

    def __init__(
        self,
        *,
        base_urls: Sequence[str],
        client_keys: Mapping[str, str],
        notebook: Path,
        seed: int,
        count: int,
        tills: int,
        without: Sequence[str],
        per_second: float,
    ) -> None:
        self.seed, self.count, self.tills, self.without = seed, count, tills, without
        self.per_second = per_second
        self.notebook = Notebook(notebook)
        self.door = Door(base_urls, client_keys, self.notebook)
        self.wishes = self.visits = self.under_way = 0
        self.tally: Counter[str] = Counter()
        self.surprises: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="hospital")

    def open(self) -> Future[None]:
        """Start the tills; the future is done when the last visit has ended."""
        self.thread.start()
        return asyncio.run_coroutine_threadsafe(self._shift(), self.loop)

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Have the hospital's loop do something and wait for it."""

        async def doing() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(doing(), self.loop).result()

    def close(self) -> None:
        """Everybody goes home. What is under way is dropped."""
        if self.thread.is_alive():
            self.run(self._leave)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        self.notebook.close()

    async def _leave(self) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.door.__aexit__()

    async def _shift(self) -> None:
        await self.door.__aenter__()
        await asyncio.gather(*(self._till(number) for number in range(self.tills)))

    async def _till(self, number: int) -> None:
        """One visit after the other. A closed loop, and no faster than `per_second` over all tills."""
        await asyncio.sleep(number / self.per_second)
        while self.wishes < self.count:
            self.visits += 1
            began = self.loop.time()
            await self._visit(self.visits)
            await asyncio.sleep(max(0.0, began + self.tills / self.per_second - self.loop.time()))

    async def _visit(self, number: int) -> None:
        self.under_way += 1
        try:
            await Till(visit_of(self.seed, number, without=self.without), self.door, self._counted, self.tally).play()
        except Exception as error:
            # Unexpected, NoAnswer, or an answer without what the contract promises: all of it is to be reported.
            self.tally[type(error).__name__] += 1
            if len(self.surprises) < SURPRISES_KEPT:
                self.surprises.append(f"visit {number}: {type(error).__name__}: {error}")
        finally:
            self.under_way -= 1

    def _counted(self) -> None:
        self.wishes += 1
