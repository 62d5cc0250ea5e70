"""The hospital's notebook: what was told at a till counts as seen only once its line is on the disk."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Notebook:
    """An append-only file of JSON lines. Lines that come together are synced together. Used by one event loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._file = path.open("ab", buffering=0)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def keep(self, **entry: Any) -> None:
        """Returns when the entry is on the disk. Raises OSError."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((json.dumps(entry, ensure_ascii=False).encode() + b"\n", done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._sync, b"".join(line for line, _ in batch))
            except OSError as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            self.lines += len(batch)
            for _, done in batch:
                # Whoever waited may have been cancelled meanwhile; the line stands all the same.
                if not done.done():
                    done.set_result(None)

    def _sync(self, lines: bytes) -> None:
        self._file.write(lines)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """What the disk holds, in the order of writing."""
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
