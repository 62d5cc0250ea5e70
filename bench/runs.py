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
    quick_ms: float = QUICK_MS,
    opening: Callable[[], None] | None = None,
    rehearsed: Callable[[Started], None] | None = None,
    measuring: Callable[[Started], None] | None = None,
    after: Callable[[], None] | None = None,
) -> Run:
    """One run of `contender` on a copy of `world`. Raises BooksDiffer, ProcessFailed.

    `opening` is called before the first settlement, `rehearsed` when single ones take less than `quick_ms`, `measuring`
    when the measured time begins, `after` when the books agree and everything still runs.
    """
    database = f"bench_{contender}"
    stage.copy_database(world, database)
    url = stage.database_url(database)
    before, fund_before = rows.settled(url), rows.fund_minor(url)
    insurer = stage.start_insurer(f"{contender}-{time.monotonic_ns()}")
    started = CONTENDERS[contender](stage, database)
    try:
        kinds = {kind: [one.process.pid for one in group] for kind, group in started.kinds.items()}
        kinds |= stage.server_processes() | {"insurer": [insurer.process.pid]}
        given = Orders(ports=started.ports, **orders)
        if opening is not None:
            opening()
        told = rehearse(given, quick_ms=quick_ms)
        if rehearsed is not None:
            rehearsed(started)
        begin = None if measuring is None else lambda: measuring(started)
        tally, cpu_seconds = shift(given, kinds, begin)
        succeeded, pending = promised(tally)
        told += succeeded
        new = _at_rest(url, before + told + pending) - before
        booked, booked_fund_minor = stage.insurer.settled()
        if not new == booked == told + pending:
            raise BooksDiffer(f"{contender}: {told}+{pending} promised, {new} in our tables, {booked} at the insurer")
        if (ours := rows.fund_minor(url) - fund_before) != booked_fund_minor:
            raise BooksDiffer(f"{contender}: the fund owes {ours} by our tables, {booked_fund_minor} at the insurer")
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


def rehearse(orders: Orders, *, quick_ms: float = QUICK_MS) -> int:
    """Settle one by one until that goes quickly; returns how many settlements it took. Raises ProcessFailed."""
    give_up_at = time.monotonic() + READY_SECONDS
    number = count = 0
    while time.monotonic() < give_up_at:
        number += 1
        prefix = f"{orders.prefix}-R{number}"
        alone = replace(
            orders, cashiers=1, limit=REHEARSALS, warmup_seconds=0.0, warmup_settlements=0, seconds=20.0, prefix=prefix
        )
        tally, _ = shift(alone, {})
        count += sum(promised(tally))
        if tally.measured == REHEARSALS and max(tally.latencies_ms) < quick_ms:
            return count
    raise ProcessFailed(f"single settlements still take more than {quick_ms:.0f} ms after {READY_SECONDS:.0f} s")


def promised(tally: Tally) -> tuple[int, int]:
    """How many were told `succeeded` and `pending`. Raises BooksDiffer when anybody was told something else."""
    others = {word: count for word, count in tally.words.items() if word not in ("succeeded", "pending")}
    if others or tally.broken:
        raise BooksDiffer(f"cashiers were told {others}, {tally.broken} were told nothing")
    return tally.words.get("succeeded", 0), tally.words.get("pending", 0)


def shift(
    orders: Orders, kinds: dict[str, list[int]], begin: Callable[[], None] | None = None
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
