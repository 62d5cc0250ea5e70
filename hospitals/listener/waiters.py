"""Who waits for a verdict, and how news reaches him: by Redis notice, with one look per process behind it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import redis.asyncio
from django.conf import settings

from core.faults import fault_told
from exchange.notices import CHANNEL, ids_unpacked
from exchange.selectors.transactions import answers_of
from hospitals.listener.batching import Batcher

logger = logging.getLogger(__name__)
POLL_SECONDS = 1.0
POLL_WITHOUT_NOTICE_SECONDS = 0.2
EARLY_SECONDS = 5.0
EARLY_LIMIT = 20_000
Answer = dict[str, Any]


def _read(batches: list[tuple[UUID, ...]]) -> list[dict[UUID, Answer]]:
    found = answers_of({one for batch in batches for one in batch})
    return [{one: found[one] for one in batch if one in found} for batch in batches]


class Waiters:
    """The waiting requests of one process."""

    def __init__(self) -> None:
        self.futures: dict[UUID, set[asyncio.Future[Answer]]] = defaultdict(set)
        # Notices that came before their waiter: a quick insurer may answer before the commit has reached the view.
        self.early: OrderedDict[UUID, float] = OrderedDict()
        self.reader: Batcher[tuple[UUID, ...], dict[UUID, Answer]] = Batcher("verdict-reader", _read)
        self.tasks: list[asyncio.Task[None]] = []
        self.listening = False

    def start(self) -> None:
        """Begin to listen and to look. Called once per process, on its event loop."""
        if not self.tasks:
            self.tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._poll())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []

    async def verdict(self, transaction_id: UUID, *, wait_seconds: float, look_first: bool) -> Answer | None:
        """The final verdict as soon as there is one, None after `wait_seconds` without."""
        self.start()
        # Known as a waiter before it looks: news that comes during the look must find it.
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.futures[transaction_id].add(future)
        try:
            if look_first or self.early.pop(transaction_id, None) is not None:
                found = (await self.reader.do((transaction_id,))).get(transaction_id)
                if found is not None and found["verdict"] != "pending":
                    return found
            async with asyncio.timeout(wait_seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            self.futures[transaction_id].discard(future)
            if not self.futures[transaction_id]:
                del self.futures[transaction_id]

    async def _news(self, ids: Iterable[UUID]) -> None:
        """Read the verdicts of those among `ids` that somebody waits for, and hand them out."""
        wanted = tuple(one for one in ids if one in self.futures)
        if not wanted:
            return
        for transaction_id, answer in (await self.reader.do(wanted)).items():
            if answer["verdict"] == "pending":
                continue
            for future in self.futures.get(transaction_id, ()):
                if not future.done():
                    future.set_result(answer)

    def _remember(self, ids: Iterable[UUID]) -> None:
        now = time.monotonic()
        for one in ids:
            if one not in self.futures:
                self.early[one] = now
        while self.early and (len(self.early) > EARLY_LIMIT or next(iter(self.early.values())) < now - EARLY_SECONDS):
            self.early.popitem(last=False)

    async def _listen(self) -> None:
        while True:
            client = redis.asyncio.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=2)
            try:
                async with client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        self.listening = True
                        if message["type"] == "message":
                            ids = ids_unpacked(message["data"])
                            self._remember(ids)
                            await self._news(ids)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                if self.listening:
                    logger.warning(
                        "no notices, looking every %s s instead: %s", POLL_WITHOUT_NOTICE_SECONDS, fault_told(error)
                    )
            finally:
                self.listening = False
                await client.aclose()
            await asyncio.sleep(1.0)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS if self.listening else POLL_WITHOUT_NOTICE_SECONDS)
            try:
                await self._news(list(self.futures))
            except Exception as error:
                logger.warning("looking for verdicts failed: %s", fault_told(error))


waiters = Waiters()
