"""How an answer leaves, or does not: everything here is about sockets and nothing about money."""

import asyncio
import socket
import struct
from collections.abc import Mapping

from aiohttp import web

SILENCE_SECONDS_MAXIMUM = 120.0
DISCONNECT_POLL_SECONDS = 0.25
DRIP_SECONDS_PER_BYTE = 1.0
FIRST_HALF_HEAD_START_SECONDS = 0.05
REORDER_SECONDS_MAXIMUM = 1.0


async def silence(request: web.BaseRequest, seconds: float = SILENCE_SECONDS_MAXIMUM) -> web.StreamResponse:
    """Holds the socket open without a byte until the caller leaves or the time is over, then closes it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while request.transport is not None and loop.time() < end:
        await asyncio.sleep(DISCONNECT_POLL_SECONDS)
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def reset_mid_body(request: web.BaseRequest, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    """Sends half of the body and then a TCP reset."""
    response = await _begin(request, headers, len(body))
    await response.write(body[: len(body) // 2])
    # A reset may overtake what the kernel has not handed over; the fault is "in the middle of the body".
    await asyncio.sleep(FIRST_HALF_HEAD_START_SECONDS)
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return response


async def drip(request: web.BaseRequest, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    """Sends one byte of the body per second until the caller leaves or the longest silence is over."""
    response = await _begin(request, headers, len(body))
    for position in range(min(len(body), int(SILENCE_SECONDS_MAXIMUM / DRIP_SECONDS_PER_BYTE))):
        if request.transport is None:
            return response
        await response.write(body[position : position + 1])
        await asyncio.sleep(DRIP_SECONDS_PER_BYTE)
    if request.transport is not None:
        request.transport.abort()
    return response


async def _begin(request: web.BaseRequest, headers: Mapping[str, str], length_bytes: int) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_length = length_bytes
    await response.prepare(request)
    return response


class Order:
    """Lets an answer wait until the answer to a later request has gone."""

    def __init__(self) -> None:
        self._arrived = 0
        self._waiting: dict[int, asyncio.Event] = {}

    def arrive(self) -> int:
        """The place of a request in the order of arrival."""
        self._arrived += 1
        return self._arrived

    async def overtaken(self, place: int) -> None:
        """Returns when the answer to a later request has gone, at the latest after a second."""
        event = self._waiting[place] = asyncio.Event()
        try:
            await asyncio.wait_for(event.wait(), REORDER_SECONDS_MAXIMUM)
        except TimeoutError:
            pass
        finally:
            del self._waiting[place]

    async def send(self, request: web.BaseRequest, response: web.Response, place: int) -> web.StreamResponse:
        """Hands the answer over; where somebody waits for that, writes it here to know when it has gone."""
        earlier = [event for waiting, event in self._waiting.items() if waiting < place]
        if earlier:
            await response.prepare(request)
            await response.write_eof()
            for event in earlier:
                event.set()
        return response
