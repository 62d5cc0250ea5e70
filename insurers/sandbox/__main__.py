"""`python -m insurers.sandbox`: one sandbox insurer on the loopback interface until SIGTERM."""

import argparse
import asyncio
import json
import signal
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from .app import BODY_BYTES_MAXIMUM, Insurer
from .book import Book
from .control import CONTROL_PREFIX, Control
from .envelope import key_read
from .profiles import PROFILES

HOST = "127.0.0.1"
LAST_ANSWERS_SECONDS = 1.0
BACKLOG = 1024


def arguments_read(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `--help` says what each part means."""
    parser = argparse.ArgumentParser(prog="insurers.sandbox", description=__doc__)
    parser.add_argument("--code", required=True, help="the insurer's code, as SANDBOX-A")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--book", type=Path, required=True, help="SQLite file, made when absent")
    parser.add_argument("--secret-file", type=Path, required=True, help='{"key_id": "k1", "secret": "base64"}')
    parser.add_argument("--profile", choices=sorted(PROFILES), default="all_capabilities")
    parser.add_argument("--max-processing-seconds", type=float, help="longest time from receipt to commit")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds this insurer's clock is ahead")
    parser.add_argument("--callback-url", default="", help="where the platform takes decisions on claims")
    return parser.parse_args(arguments)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAXIMUM)


async def serve(options: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT, then commits what waits. Raises ValueError, OSError, sqlite3.Error."""
    profile = PROFILES[options.profile]
    if options.max_processing_seconds is not None:
        profile = replace(profile, max_processing_seconds=options.max_processing_seconds)
    insurer = Insurer(
        code=options.code,
        profile=profile,
        key=key_read(options.secret_file),
        book=Book(options.book),
        clock_offset_seconds=options.clock_offset,
        callback_url=options.callback_url,
    )
    control = Control(insurer)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(CONTROL_PREFIX):
            return await control.handle(request)
        return await insurer.handle(request)

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = web.Server(handle, request_factory=_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=LAST_ANSWERS_SECONDS)
    try:
        await runner.setup()
        await web.TCPSite(runner, HOST, options.port, backlog=BACKLOG).start()
        await insurer.claims.resume()
        print(json.dumps({"ready": True, "port": runner.addresses[0][1]}), flush=True)
        await stopped.wait()
    finally:
        await runner.cleanup()
        await insurer.close()


def main() -> int:
    """Returns the exit code: 0 after a clean end, 2 when the start failed."""
    try:
        asyncio.run(serve(arguments_read()))
    except (ValueError, OSError, sqlite3.Error) as error:
        print(f"insurers.sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
