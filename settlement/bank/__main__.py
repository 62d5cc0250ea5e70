"""`python -m settlement.bank`: one sandbox bank on the loopback interface until SIGTERM."""

import argparse
import asyncio
import json
import signal
import sqlite3
import sys
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from .app import BODY_BYTES_MAXIMUM, Bank
from .book import Book
from .control import CONTROL_PREFIX, Control
from .envelope import key_read

HOST = "127.0.0.1"
LAST_ANSWERS_SECONDS = 1.0


def arguments_read(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `--help` says what each part means."""
    parser = argparse.ArgumentParser(prog="settlement.bank", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--book", type=Path, required=True, help="SQLite file, made when absent")
    parser.add_argument("--secret-file", type=Path, required=True, help='{"key_id": "k1", "secret": "base64"}')
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds this bank's clock is ahead")
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
    """Serves until SIGTERM or SIGINT. Raises ValueError, OSError, sqlite3.Error."""
    key = key_read(options.secret_file)
    bank = Bank(key=key, book=Book(options.book), clock_offset_seconds=options.clock_offset)
    control = Control(bank)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(CONTROL_PREFIX):
            return await control.handle(request)
        return await bank.handle(request)

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = web.Server(handle, request_factory=_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=LAST_ANSWERS_SECONDS)
    try:
        await runner.setup()
        await web.TCPSite(runner, HOST, options.port).start()
        print(json.dumps({"ready": True, "port": runner.addresses[0][1]}), flush=True)
        await stopped.wait()
    finally:
        await runner.cleanup()
        await bank.close()


def main() -> int:
    """Returns the exit code: 0 after a clean end, 2 when the start failed."""
    try:
        asyncio.run(serve(arguments_read()))
    except (ValueError, OSError, sqlite3.Error) as error:
        print(f"settlement.bank: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
