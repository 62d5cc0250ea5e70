"""Synchronous views are served by threads that stay: a connection is made once and not for each request."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from config.pages import THREADS, PagesHandler


def who(request: HttpRequest) -> HttpResponse:
    """The thread that serves this, after as many hundredths of a second as were asked for."""
    time.sleep(int(request.GET.get("wait", 0)) / 100)
    return HttpResponse(str(threading.get_ident()))


urlpatterns = [path("who", who)]


async def asked(pages: PagesHandler, query: bytes = b"") -> str:
    sent: list[dict[str, Any]] = []

    waiting = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/who", "query_string": query, "headers": []}
    await pages(scope, receive, send)
    assert sent[0]["status"] == 200
    return bytes(sent[1]["body"]).decode()


async def one_after_the_other(count: int) -> set[str]:
    pages = PagesHandler()
    return {await asked(pages) for _ in range(count)}


async def at_once(count: int) -> list[str]:
    pages = PagesHandler()
    return list(await asyncio.gather(*(asked(pages, b"wait=5") for _ in range(count))))


@override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[])
def test_the_same_thread_serves_the_next_request() -> None:
    assert len(asyncio.run(one_after_the_other(5))) == 1


@override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[])
def test_requests_at_once_have_a_thread_each_and_no_more_than_there_are() -> None:
    served = asyncio.run(at_once(THREADS + 4))
    assert len(served) == THREADS + 4
    assert len(set(served)) == THREADS
