"""The ASGI handler of the listener: no thread and no database connection is held while a hospital waits.

Django's own handler keeps a thread for each request in the air and cancels the view when the client goes away. Here a
request costs memory only, and what was begun is finished whether or not somebody still listens.
"""

from __future__ import annotations

import asyncio
import logging
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_urlconf
from django.utils import translation

from core.errors import Problem
from core.faults import fault_told
from core.ids import TRACE_ID, new_trace_id
from core.problems import as_problem, problem_json

logger = logging.getLogger(__name__)
PREFIX = "/api/his/"
DAYS = f"{PREFIX}v1/days/"


class BodyTooLarge(Problem):
    code = "body_too_large"
    status = 413
    title = "The body is too large"
    detail = "The body is over {limit_bytes} bytes."
    detail_zh = "请求体超过 {limit_bytes} 字节。"
    fix = "Send less in one request; nothing of this one was read."
    fix_zh = "请减少单次请求的内容；本次请求未被读取。"


class BodyTooSlow(Problem):
    code = "body_too_slow"
    status = 408
    title = "The body did not arrive in time"
    detail = "The body was not complete after {seconds:.0f} seconds."
    detail_zh = "请求体在 {seconds:.0f} 秒内未接收完毕。"
    fix = "Check the line and send the request again with the same Idempotency-Key; nothing was stored."
    fix_zh = "请检查网络后使用同一 Idempotency-Key 重新发送；本次未保存任何内容。"


class NoSuchAddress(Problem):
    code = "no_such_address"
    status = 404
    title = "No such address"
    detail = "Nothing is offered at {path}."
    detail_zh = "地址 {path} 不存在。"
    fix = "See the OpenAPI document at /api/his/v1/openapi.json."
    fix_zh = "请查阅 OpenAPI 文档 /api/his/v1/openapi.json。"


class _ClientGone(Exception):
    """The client left before its request was complete: nothing was begun."""


class ListenerHandler(ASGIHandler):
    """Serves PREFIX: reads the body under limits, runs the view to its end, answers problem+json on failure."""

    def load_middleware(self, is_async: bool = False) -> None:
        """None of the site's middleware: no sessions, no cookies, no CSRF; keys are checked by the views."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        trace_id = _trace_id(scope)
        try:
            body = await _body(scope, receive)
        except _ClientGone:
            return
        except Problem as problem:
            await _answer(problem_json(problem, trace_id=trace_id), trace_id, send)
            return
        request = ASGIRequest(scope, BytesIO(body))
        request.trace_id = trace_id  # type: ignore[attr-defined]
        request.raw_body = body  # type: ignore[attr-defined]
        request.path_info = _address(scope)
        # Shielded: a client that disconnects must not stop the work between commit and answer.
        response = await asyncio.shield(asyncio.ensure_future(self._response(request, trace_id)))
        await _answer(response, trace_id, send)

    async def _response(self, request: ASGIRequest, trace_id: str) -> HttpResponseBase:
        set_urlconf(settings.ROOT_URLCONF)
        translation.activate("en")
        try:
            callback, args, kwargs = self.resolve_request(request)
        except Exception:
            return problem_json(NoSuchAddress(path=request.path[:200]), trace_id=trace_id)
        try:
            response: HttpResponseBase = await callback(request, *args, **kwargs)
            if hasattr(response, "render") and not getattr(response, "is_rendered", True):
                response.render()
        except Exception as error:
            logger.error("listener: trace %s: %s", trace_id, fault_told(error))
            return problem_json(as_problem(error), trace_id=trace_id)
        return response

    async def lifespan(self, receive: Any, send: Any) -> None:
        """The ASGI lifespan protocol: start and stop what waits for verdicts."""
        from hospitals.listener.waiters import waiters

        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                waiters.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await waiters.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _address(scope: Any) -> str:
    """The path with each of its parts percent-encoded in one way: a `/` inside a value parts nothing. Views decode."""
    raw = (scope.get("raw_path") or quote(scope["path"]).encode()).partition(b"?")[0]
    return "/".join(quote(unquote_to_bytes(part), safe="~") for part in raw.split(b"/"))


def _trace_id(scope: Any) -> str:
    """The caller's X-Trace-Id if it has the form of one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-trace-id":
            given = value.decode("latin-1")
            if TRACE_ID.fullmatch(given):
                return str(given)
    return new_trace_id()


async def _body(scope: Any, receive: Any) -> bytes:
    """The whole body. Raises BodyTooLarge, BodyTooSlow, _ClientGone."""
    limit = settings.DAY_LIST_LIMIT_BYTES if scope["path"].startswith(DAYS) else settings.REQUEST_LIMIT_BYTES
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > limit):
            raise BodyTooLarge(limit_bytes=limit)
    chunks = bytearray()
    try:
        async with asyncio.timeout(settings.REQUEST_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientGone
                chunks += message.get("body", b"")
                if len(chunks) > limit:
                    raise BodyTooLarge(limit_bytes=limit)
                if not message.get("more_body", False):
                    return bytes(chunks)
    except TimeoutError:
        raise BodyTooSlow(seconds=settings.REQUEST_BODY_SECONDS) from None


async def _answer(response: HttpResponseBase, trace_id: str, send: Any) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers.append((b"x-trace-id", trace_id.encode()))
    content = response.content if isinstance(response, HttpResponse) else b""
    headers.append((b"content-length", str(len(content)).encode()))
    try:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": content})
    except (OSError, RuntimeError):
        logger.info("trace %s: the client had gone before its answer", trace_id)
