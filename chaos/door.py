"""The hospital's side of the contract: one request, repeated with its own key until some listener answers.

It knows `his-api.md` and nothing of the platform's code.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from chaos.notebook import Notebook

# A listener may be frozen for some seconds, be killed, or stand before a database that is coming back.
ANSWER_SECONDS = 20.0
GIVE_UP_SECONDS = 240.0
LONGEST_PAUSE_SECONDS = 1.0
AGAIN = (500, 502, 503, 504)


class NoAnswer(Exception):
    """No listener gave a final answer within GIVE_UP_SECONDS."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def told(self) -> dict[str, Any]:
        """The transaction that the answer speaks of: itself, or the one that a 409 carries."""
        return self.body if "verdict" in self.body else self.body.get("transaction") or {}

    @property
    def verdict(self) -> str:
        return str(self.told.get("verdict", ""))

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))


class Door:
    """All tills of one run. `repeats` counts by what made a request necessary again."""

    def __init__(self, base_urls: Sequence[str], client_keys: Mapping[str, str], notebook: Notebook) -> None:
        self.base_urls, self.client_keys, self.notebook = list(base_urls), client_keys, notebook
        self.repeats: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Door:
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, hospital: str, wish: Mapping[str, Any], *, visit: int, again: bool = False) -> Answer:
        """POST transactions under a key made from the his_no. `again`: the same request at once to another listener."""
        his_no, name = str(wish["his_no"]), "post again" if again else "post"
        return await self.act(
            hospital,
            his_no,
            "",
            wish,
            visit=visit,
            name=name,
            key=f"k-{his_no}",
            answer_seconds=ANSWER_SECONDS + float(wish.get("wait_seconds", 10)),
            listener=int(again),
        )

    async def get(self, hospital: str, his_no: str, *, visit: int) -> Answer:
        return await self.act(hospital, his_no, f"/{his_no}", None, visit=visit, name="get")

    async def act(
        self,
        hospital: str,
        his_no: str,
        path: str,
        content: Mapping[str, Any] | None,
        *,
        visit: int,
        name: str,
        key: str = "",
        answer_seconds: float = ANSWER_SECONDS,
        listener: int = 0,
    ) -> Answer:
        """One call under `transactions`; what it was told is in the notebook before this returns. Raises NoAnswer."""
        method = "GET" if content is None else "POST"
        headers = {} if content is None else {"Idempotency-Key": key or f"k-{name}-{his_no}"}
        answer = await self.ask(
            method,
            f"transactions{path}",
            content,
            hospital=hospital,
            headers=headers,
            answer_seconds=answer_seconds,
            listener=listener,
        )
        self.statuses[f"{name} {answer.status}{' ' + answer.code if answer.code else ''}"] += 1
        told = answer.told
        await self.notebook.keep(
            what="told",
            visit=visit,
            hospital=hospital,
            # A 409 may speak of another wish of the bill.
            his_no=str(told.get("his_no", his_no)),
            asked=his_no,
            act=name,
            status=answer.status,
            code=answer.code,
            verdict=answer.verdict,
            state=str(told.get("state", "")),
            at=time.time(),
        )
        return answer

    async def ask(
        self,
        method: str,
        path: str,
        content: Any,
        *,
        hospital: str,
        headers: Mapping[str, str] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        listener: int = 0,
    ) -> Answer:
        """One request, sent again with the same key to the next listener after silence or 503. Raises NoAnswer."""
        assert self._session is not None
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        body = None if content is None else json.dumps(content, ensure_ascii=False).encode()
        all_headers = {"Authorization": f"Bearer {self.client_keys[hospital]}", **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        listener, pause = zlib.crc32(path.encode() + (body or b"")) + listener, 0.05
        while time.monotonic() < give_up_at:
            url = f"{self.base_urls[listener % len(self.base_urls)]}/api/his/v1/{path}"
            try:
                async with (
                    asyncio.timeout(answer_seconds),
                    self._session.request(method, url, data=body, headers=all_headers) as answer,
                ):
                    status, raw = answer.status, await answer.read()
                if status not in AGAIN:
                    return Answer(status, json.loads(raw))
                self.repeats[f"HTTP {status}"] += 1
            except (OSError, aiohttp.ClientError, ValueError) as error:
                # TimeoutError is an OSError. A body that is cut off, or no JSON, is no answer.
                self.repeats[type(error).__name__] += 1
            await asyncio.sleep(pause)
            listener, pause = listener + 1, min(LONGEST_PAUSE_SECONDS, pause * 2)
        raise NoAnswer(f"{method} {path}")
