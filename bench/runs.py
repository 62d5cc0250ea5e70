"""One run of a contender: a fresh copy of the world, a shift of cashiers, and the books compared afterwards."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bench import rows, usage
from bench.contenders import CONTENDERS, Started
from bench.load import LAST_ANSWER_SECONDS, Orders, Tally
from bench.stage import Stage
from deploy.local.folders import ROOT
from deploy.local.processes import POLL_SECONDS, ProcessFailed

WARMUP_SECONDS = 4.0
# Of each cashier: enough for every thread and child to have made its connections.
WARMUP_ROUNDS = 4
REST_SECONDS = 20.0
# A contender is ready when single settlements come back at once: workers take seconds to start, and the platform's
# sweeper settles meanwhile what nobody else takes, so that an answer alone proves little.
QUICK_MS = 500.0
READY_SECONDS = 90.0
REHEARSALS = 5


class BooksDiffer(Exception):
    """The insurer, the platform's tables and the cashiers do not tell the same number."""


@dataclass
class Run:
    """What one run showed. CPU in milliseconds per settlement, by kind of process."""

    settlements: int
    seconds: float
    cpu_ms: dict[str, float]
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    rows: dict[str, list[int]] = field(default_factory=dict)
    pending: int = 0

    @property
    def per_second(self) -> float:
        return self.settlements / self.seconds


def play(
    stage: Stage,
    contender: str,
    orders: dict[str, Any],
    *,
    world: str,
    measuring: Callable[[Started], None] | None = None,
    after: Callable[[], None] | None = None,
) -> Run:
    """One run of `contender` on a copy of `world`. Raises BooksDiffer, ProcessFailed.

    `measuring` is called when the measured time begins, `after` when the books agree and everything still runs.
    """
    database = f"bench_{contender}"
    stage.copy_database(world, database)
    url = stage.database_url(database)
    before = rows.settled(url)
    insurer = stage.start_insurer(f"{contender}-{time.monotonic_ns()}")
    started = CONTENDERS[contender](stage, database)
    try:
        kinds = {kind: [one.process.pid for one in group] for kind, group in started.kinds.items()}
        kinds |= stage.server_processes() | {"insurer": [insurer.process.pid]}
        given = Orders(ports=started.ports, **orders)
        rehearsed = _rehearse(given)
        begin = None if measuring is None else lambda: measuring(started)
        tally, cpu_seconds = _shift(given, kinds, begin)
        promised, pending = _promised(tally)
        promised += rehearsed
        new = _at_rest(url, before + promised + pending) - before
        booked = stage.settled_at_insurer()
        if not new == booked == promised + pending:
            raise BooksDiffer(
                f"{contender}: {promised}+{pending} promised, {new} in our tables, {booked} at the insurer"
            )
        if after is not None:
            after()
    finally:
        stage.stop([*started.running, insurer])
    run = Run(
        settlements=tally.measured,
        seconds=tally.measured_seconds,
        cpu_ms={kind: round(1000 * seconds / max(1, tally.measured), 3) for kind, seconds in cpu_seconds.items()},
        pending=pending,
        rows=rows.written(url, settlements=new),
    )
    run.p50_ms, run.p99_ms = percentiles(tally.latencies_ms)
    return run


def percentiles(latencies_ms: Sequence[float]) -> tuple[float, float]:
    """p50 and p99; zeros when there is too little to tell."""
    if len(latencies_ms) < 2:
        return 0.0, 0.0
    cuts = statistics.quantiles(latencies_ms, n=100, method="inclusive")
    return round(cuts[49], 2), round(cuts[98], 2)


def _rehearse(orders: Orders) -> int:
    """Settle one by one until that goes quickly; returns how many settlements it took. Raises ProcessFailed."""
    give_up_at = time.monotonic() + READY_SECONDS
    number = count = 0
    while time.monotonic() < give_up_at:
        number += 1
        prefix = f"{orders.prefix}-R{number}"
        alone = replace(
            orders, cashiers=1, limit=REHEARSALS, warmup_seconds=0.0, warmup_settlements=0, seconds=10.0, prefix=prefix
        )
        tally, _ = _shift(alone, {}, None)
        count += sum(_promised(tally))
        if tally.measured == REHEARSALS and max(tally.latencies_ms) < QUICK_MS:
            return count
    raise ProcessFailed(f"single settlements still take more than {QUICK_MS:.0f} ms after {READY_SECONDS:.0f} s")


def _promised(tally: Tally) -> tuple[int, int]:
    """How many were told `succeeded` and `pending`. Raises BooksDiffer when anybody was told something else."""
    others = {word: count for word, count in tally.words.items() if word not in ("succeeded", "pending")}
    if others or tally.broken:
        raise BooksDiffer(f"cashiers were told {others}, {tally.broken} were told nothing")
    return tally.words.get("succeeded", 0), tally.words.get("pending", 0)


def _shift(
    orders: Orders, kinds: dict[str, list[int]], begin: Callable[[], None] | None
) -> tuple[Tally, dict[str, float]]:
    """Let the cashiers work; CPU seconds are those between their `begin` and `end`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        kinds = kinds | {"load": [process.pid]}
        process.stdin.write(json.dumps(asdict(orders)))
        process.stdin.close()
        _expect(process.stdout.readline(), "begin")
        began = usage.snapshot(kinds)
        if begin is not None:
            begin()
        _expect(process.stdout.readline(), "end")
        ended = usage.snapshot(kinds)
        tally = Tally(**json.loads(process.stdout.readline()))
        process.wait(LAST_ANSWER_SECONDS)
    finally:
        process.kill()
        process.wait()
    return tally, {kind: ended[kind] - began[kind] for kind in kinds}


def _expect(line: str, word: str) -> None:
    if line.strip() != word:
        raise ProcessFailed(f"the load generator said {line!r} where {word!r} was due")


def _at_rest(url: str, expected: int) -> int:
    """Settled transactions, once they are as many as `expected` or time is up."""
    give_up_at = time.monotonic() + REST_SECONDS
    while (count := rows.settled(url)) < expected and time.monotonic() < give_up_at:
        time.sleep(POLL_SECONDS * 4)
    return count
