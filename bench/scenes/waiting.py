"""1,000 cashiers wait on an insurer that takes 2 s: does anything else keep them waiting, and what is held?"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import psycopg

from bench import runs
from bench.contenders import WORKER_CHILDREN, Started
from bench.scenes.watch import Watch, peak_mb
from bench.stage import WORLD, Stage

CASHIERS = 1000
LATENCY_SECONDS = 2.0
# Every wave of cashiers takes the insurer's time; two of them and everything has its connections.
WARMUP_WAVES = 2
SLOW_MS = 1000 * LATENCY_SECONDS + runs.QUICK_MS
SLOW_WORLD = "bench_waiting"
KINDS = {"listener": "listener-", "worker": "workers"}


def play(stage: Stage, orders: dict[str, Any], *, cashiers: int, seconds: float) -> dict[str, Any]:
    """Figures of the scene. Raises BooksDiffer when anybody was told anything but `succeeded` or `pending`."""
    _widen_lanes(stage, cashiers)
    slow = {
        **orders,
        "cashiers": cashiers,
        "seconds": seconds,
        "warmup_settlements": WARMUP_WAVES * cashiers,
        "prefix": "WAIT",
    }
    held: dict[str, Any] = {}

    def slow_down() -> None:
        # From the first call on: a quick insurer that becomes so slow is taken for a broken one, and rightly.
        stage.insurer.control("latency", {"seconds": LATENCY_SECONDS})

    with ExitStack() as watching:

        def watch(started: Started) -> None:
            ids = {kind: [one.process.pid for one in started.kinds[kind]] for kind in KINDS}
            one = Watch(stage.database_url("bench_platform"), ids, KINDS)
            held["alone"] = one.look()
            watching.enter_context(one)
            held["watch"], held["ids"] = one, ids

        def keep() -> None:
            watching.close()
            held["most"] = held["watch"].most
            held["peak_mb"] = {kind: [round(one, 1) for one in peak_mb(ids)] for kind, ids in held["ids"].items()}

        run = runs.play(
            stage,
            "platform",
            slow,
            world=SLOW_WORLD,
            quick_ms=SLOW_MS,
            opening=slow_down,
            rehearsed=watch,
            after=keep,
        )
    ideal = cashiers / LATENCY_SECONDS
    return {
        "cashiers": cashiers,
        "latency_seconds": LATENCY_SECONDS,
        "worker_children": WORKER_CHILDREN,
        "settlements": run.settlements,
        "pending": run.pending,
        "per_second": round(run.per_second, 1),
        "ideal_per_second": ideal,
        "share_of_ideal": round(run.per_second / ideal, 3),
        "latency_ms": {"p50": run.p50_ms, "p99": run.p99_ms},
        "cpu_ms_per_settlement": run.cpu_ms,
        "peak_mb": held["peak_mb"],
        "held_by_one_cashier": held["alone"],
        "held_at_most": held["most"],
    }


def _widen_lanes(stage: Stage, cashiers: int) -> None:
    """A world in which one worker child may have all cashiers' calls under way: an operator's choice, read anew."""
    stage.copy_database(WORLD, SLOW_WORLD)
    with psycopg.connect(stage.database_url(SLOW_WORLD)) as connection:
        connection.execute(
            "UPDATE journal_lane lane SET cap_in_flight = %s * (work.concurrency + 1) "
            "FROM journal_workergroup work WHERE work.id = lane.group_id",
            [cashiers],
        )
