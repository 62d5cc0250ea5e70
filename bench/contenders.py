"""The contenders that speak HTTP: how many processes of which kind, chosen by trying (docs/performance.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.stage import Stage
from deploy.local import ports
from deploy.local.processes import Running

# Batches grow with load, so on two cores few processes with large batches do more than many with small ones: tried with
# 1+1, 2+1 and 2+2, CPU per settlement grew each time.
LISTENERS, WORKER_CHILDREN = 1, 1
# The plain way holds a thread per waiting cashier: 72, so that none of the 64 queues at the door. Tried with 2, 4 and 8
# server processes: all threads of one wake for each result, so few large ones cost more, and so do many small ones.
BASELINE_SERVERS, BASELINE_THREADS, BASELINE_CHILDREN = 4, 18, 4


@dataclass(frozen=True)
class Started:
    """A contender that answers on `ports`; `kinds` ties its processes to what they are."""

    ports: list[int]
    kinds: dict[str, list[Running]]

    @property
    def running(self) -> list[Running]:
        return [one for group in self.kinds.values() for one in group]


def start_platform(stage: Stage, database: str) -> Started:
    """Listeners, workers and sweeper as an installation runs them. Raises ProcessFailed."""
    workers = stage.supervisor.start(
        stage.command("workers", "manage.py", "workers", "--concurrency", str(WORKER_CHILDREN), database=database)
    )
    sweeper = stage.supervisor.start(stage.command("sweeper", "manage.py", "sweeper", database=database))
    chosen = [ports.reserve_any() for _ in range(LISTENERS)]
    listeners = [
        stage.server(
            f"listener-{number}",
            *("--interface", "asgi", "--workers", "1"),
            port=port,
            target="config.asgi:application",
            database=database,
        )
        for number, port in enumerate(chosen)
    ]
    return Started(chosen, {"worker": [workers], "sweeper": [sweeper], "listener": listeners})


def start_baseline(stage: Stage, database: str) -> Started:
    """Granian's WSGI threads and a prefork Celery worker. Raises ProcessFailed."""
    workers = stage.supervisor.start(
        stage.command(
            "baseline-worker",
            *("-m", "celery", "--app", "bench.baseline.celery", "worker", "--pool", "prefork", "--loglevel", "WARNING"),
            *("--concurrency", str(BASELINE_CHILDREN), "--without-gossip", "--without-mingle"),
            database=database,
            variables={"MEDISETTLE_DB_ROLE": "worker", "DJANGO_SETTINGS_MODULE": "bench.baseline.settings"},
        )
    )
    port = ports.reserve_any()
    server = stage.server(
        "baseline-server",
        *("--interface", "wsgi", "--workers", str(BASELINE_SERVERS)),
        *("--blocking-threads", str(BASELINE_THREADS), "--blocking-threads-idle-timeout", "600"),
        port=port,
        target="bench.baseline.wsgi:application",
        database=database,
        variables={"DJANGO_SETTINGS_MODULE": "bench.baseline.settings"},
    )
    return Started([port], {"worker": [workers], "server": [server]})


CONTENDERS: dict[str, Callable[[Stage, str], Started]] = {"platform": start_platform, "baseline": start_baseline}
