"""The way to insurers: HTTP under one total deadline, a body limit, and proof of what was never sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

import aiohttp
from django.conf import settings

KEEP_ALIVE_SECONDS = 20
CHUNK_BYTES = 65536


class DroppedUnsent(Exception):
    """The fence held: `start_before` had passed before the first byte."""


@dataclass(slots=True)
class Fence:
    """Stands right before the socket. `handed_over` is set just before the first byte may leave."""

    start_before: float
    handed_over: bool = False

    def cross(self) -> None:
        if time.monotonic() >= self.start_before:
            raise DroppedUnsent
        self.handed_over = True


_fence: ContextVar[Fence] = ContextVar("fence")


class FencedRequest(aiohttp.ClientRequest):
    """Crosses the fence once the connection stands and before anything is written to it."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        _fence.get().cross()
        return await super().send(conn)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to put on the wire. `give_up_at` and `start_before` are `time.monotonic` readings."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    start_before: float
    give_up_at: float
    media: str = "application/json"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the wire brought. `failure` is empty for a whole answer; `sent` is False only where that is proven."""

    sent: bool
    failure: str = ""
    status: int | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    elapsed_ms: int = 0


class Transport:
    """HTTP client of one event loop. Connections are kept; caps are the lanes' business, so none is set here."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                # No limit of the library's: the total deadline around the whole call is ours.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.CONNECT_SECONDS),
                request_class=FencedRequest,
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Send once, never again. Nothing that the network does makes it raise."""
        fence = Fence(delivery.start_before)
        _fence.set(fence)
        began = time.monotonic()

        def receipt(failure: str) -> Receipt:
            return Receipt(fence.handed_over, failure, elapsed_ms=int((time.monotonic() - began) * 1000))

        try:
            async with asyncio.timeout(max(0.0, delivery.give_up_at - began)):
                return await self._exchange(delivery, began)
        except DroppedUnsent:
            return receipt("dropped_before_sending")
        except TimeoutError:
            return receipt("insurer_did_not_answer" if fence.handed_over else "connection_failed")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if not fence.handed_over:
                return receipt("connection_failed")
            return receipt(f"answer_not_trusted:{type(error).__name__}")

    async def _exchange(self, delivery: Delivery, began: float) -> Receipt:
        async with self._open().post(
            delivery.url,
            data=delivery.body,
            # A compressed answer could not be verified: the signature is over the plain body.
            headers={**delivery.headers, "Content-Type": delivery.media, "Accept-Encoding": "identity"},
            allow_redirects=False,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > settings.ANSWER_LIMIT_BYTES:
                    response.close()
                    return Receipt(True, "answer_not_trusted:too_large", response.status)
            elapsed_ms = int((time.monotonic() - began) * 1000)
            return Receipt(True, "", response.status, response.headers, bytes(body), elapsed_ms)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
