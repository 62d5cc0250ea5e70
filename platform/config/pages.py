"""Pages and interfaces that are served by synchronous views: on threads that stay, each with its database connection.

Django gives every request a thread of its own that ends with it, and with the thread goes the connection: each request
would make a new one, which costs PostgreSQL a process and both sides a password check.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler

# At most so many requests of a process are worked at once, and so many connections are kept; others wait their turn.
THREADS = 16


class PagesHandler(ASGIHandler):
    """Django's handler, whose requests borrow one of THREADS threads."""

    def __init__(self) -> None:
        super().__init__()
        # A context stands for the thread that is made at its first use. The last one given back is taken first.
        self._idle = [ThreadSensitiveContext() for _ in range(THREADS)]
        self._free = asyncio.Semaphore(THREADS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._free:
            thread = self._idle.pop()
            token = SyncToAsync.thread_sensitive_context.set(thread)
            try:
                await self.handle(scope, receive, send)
            finally:
                SyncToAsync.thread_sensitive_context.reset(token)
                self._idle.append(thread)
