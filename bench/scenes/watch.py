"""What a kind of process holds while it works: memory, threads, connections to cashiers and to the database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg

EVERY_SECONDS = 1.0
MEBIBYTE = 2**20


def family(process_ids: Sequence[int]) -> list[psutil.Process]:
    """These processes and all that they have started."""
    found: list[psutil.Process] = []
    for process_id in process_ids:
        root = psutil.Process(process_id)
        found += [root, *root.children(recursive=True)]
    return found


def peak_mb(process_ids: Sequence[int]) -> list[float]:
    """The largest resident memory that each process of the family ever had, MiB, largest first (Linux: VmHWM)."""
    return sorted((_peak_bytes(process) / MEBIBYTE for process in family(process_ids)), reverse=True)


def _peak_bytes(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return int(process.memory_info().rss)
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), "0")
    return int(kilobytes) * 1024


def together_mb(process_ids: Sequence[int]) -> float:
    """What the family holds together, MiB: pages that they share count once (proportional set size)."""
    return sum(_own_bytes(process) for process in family(process_ids)) / MEBIBYTE


def _own_bytes(process: psutil.Process) -> int:
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.uss))


@dataclass
class Watch:
    """Looks once a second from `with` on, and keeps the most it has seen of each number.

    `process_ids` are the roots of the watched kinds; `names` are what their database connections are called.
    """

    url: str
    process_ids: dict[str, list[int]]
    names: dict[str, str]
    most: dict[str, dict[str, float]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.stopping = threading.Event()
        self.look()
        self.thread = threading.Thread(target=self._run, name="watch")
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.stopping.wait(EVERY_SECONDS):
            self.look()

    def look(self) -> dict[str, dict[str, float]]:
        """What each kind holds now."""
        now = {kind: self._held(kind, ids) for kind, ids in self.process_ids.items()}
        for kind, numbers in now.items():
            most = self.most.setdefault(kind, {})
            most |= {name: max(number, most.get(name, 0.0)) for name, number in numbers.items()}
        return now

    def _held(self, kind: str, process_ids: Sequence[int]) -> dict[str, float]:
        processes = family(process_ids)
        return {
            "processes": len(processes),
            "threads": sum(process.num_threads() for process in processes),
            "sockets": sum(_sockets(process) for process in processes),
            "database_connections": self._database_connections(self.names[kind]),
            "together_mb": round(together_mb(process_ids), 1),
        }

    def _database_connections(self, name: str) -> int:
        with psycopg.connect(self.url) as connection:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"
            )
            row: Any = connection.execute(query, [f"{name}%"]).fetchone()
        return int(row[0])


def _sockets(process: psutil.Process) -> int:
    return sum(one.status == psutil.CONN_ESTABLISHED for one in process.net_connections(kind="tcp"))
