"""One request to the platform, until somebody answers: next address, pause, again, all with the same key and body."""

from __future__ import annotations

import json
import logging
import ssl
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
import httpx2

from medisettle_client.addresses import BASE, Addresses
from medisettle_client.calls import Call, Reply
from medisettle_client.limits import Limits
from medisettle_client.problems import CONTENT_TYPE, Unanswered

logger = logging.getLogger("medisettle_client")
# The platform, or something before it, could not take the request now; it may or may not have been stored.
COME_AGAIN = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`doubtful`: an earlier attempt of this request may have arrived too."""

    reply: Reply
    doubtful: bool


class _NoAnswer(Exception):
    """One attempt without an answer; `arrived`: it may have been read by the platform."""

    def __init__(self, cause: str, *, arrived: bool) -> None:
        self.arrived = arrived
        super().__init__(cause)


class Line:
    """The connections to all listeners. Belongs to one event loop."""

    def __init__(
        self, addresses: Addresses, *, client_key: str, limits: Limits, verify: ssl.SSLContext | bool, agent: str
    ) -> None:
        self._addresses, self._limits = addresses, limits
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {client_key}", "User-Agent": agent},
            verify=verify,
            # Elapsed time is bounded by scopes: a server that drips would never meet a timeout per read.
            timeout=httpx2.Timeout(None, connect=limits.connect_seconds),
            limits=httpx2.Limits(max_connections=limits.connections, max_keepalive_connections=limits.connections),
            # Neither a variable in the environment nor an answer decides where requests about money go.
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask[Answer](self, call: Call[Answer]) -> Told:
        """The platform's answer, whatever it says. Raises Unanswered when the ladder or the deadline ends."""
        trace_id = uuid4().hex
        cause, doubtful = "the deadline came first", False
        with anyio.move_on_after(self._limits.deadline_seconds + call.wait_seconds):
            for pause in self._limits.pauses():
                await anyio.sleep(pause)
                for address in self._addresses.order(call.name, now=time.monotonic()):
                    try:
                        return Told(reply=await self._attempt(address, call, trace_id), doubtful=doubtful)
                    except _NoAnswer as nothing:
                        cause, doubtful = str(nothing), doubtful or nothing.arrived
                        logger.info("trace %s: no answer from %s: %s", trace_id, address, cause)
        raise Unanswered(cause, his_no=call.his_no, key=call.key, trace_id=trace_id)

    async def _attempt[Answer](self, address: str, call: Call[Answer], trace_id: str) -> Reply:
        seconds = self._limits.answer_seconds + call.wait_seconds
        try:
            with anyio.fail_after(seconds):
                reply = await self._exchange(address, call, trace_id)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            self._rest(address)
            raise _NoAnswer(_named(error), arrived=False) from None
        except TimeoutError:
            self._rest(address)
            raise _NoAnswer(f"nothing within {seconds:g} seconds", arrived=True) from None
        except httpx2.RequestError as error:
            raise _NoAnswer(_named(error), arrived=True) from None
        self._addresses.wake(address)
        if reply.status in COME_AGAIN:
            raise _NoAnswer(f"status {reply.status}", arrived=True)
        if not _is_of_the_platform(reply):
            raise _NoAnswer(f"status {reply.status} without an answer of the platform", arrived=True)
        return reply

    def _rest(self, address: str) -> None:
        self._addresses.rest(address, until=time.monotonic() + self._limits.rest_seconds)

    async def _exchange[Answer](self, address: str, call: Call[Answer], trace_id: str) -> Reply:
        headers = {"X-Trace-Id": trace_id, "Accept": call.accept}
        if call.content is not None:
            headers["Content-Type"] = "application/json"
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        url = f"{address}{BASE}{call.path}"
        async with self._http.stream(call.method, url, content=call.content, headers=headers) as response:
            content = await self._content(response)
        return Reply(
            status=response.status_code, headers=response.headers, content=content, json=_json(response, content)
        )

    async def _content(self, response: httpx2.Response) -> bytes:
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > self._limits.answer_bytes:
                raise _NoAnswer(f"an answer of more than {self._limits.answer_bytes} bytes", arrived=True)
        return bytes(content)


def _json(response: httpx2.Response, content: bytes) -> Any:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", CONTENT_TYPE):
        return None
    try:
        return json.loads(content)
    except ValueError:
        raise _NoAnswer("an answer that is no JSON", arrived=True) from None


def _is_of_the_platform(reply: Reply) -> bool:
    """A success, or a problem with a code: anything else was said by something in between."""
    if 200 <= reply.status < 300:
        return True
    return isinstance(reply.json, dict) and "code" in reply.json


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
