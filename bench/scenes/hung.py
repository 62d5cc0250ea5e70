"""As many insurers hang as there are worker children, and one more: does a healthy one become slower?

Rounds of two phases, the same cashiers with the same wishes in both: all insurers answer; then all but one are stopped
(SIGSTOP: they take connections and say nothing, to queries neither). Between the rounds everything comes to its end.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psycopg

from bench import runs
from bench.contenders import WORKER_CHILDREN, Started, start_platform
from bench.load import LAST_ANSWER_SECONDS, Orders, Tally
from bench.runs import BooksDiffer
from bench.sandbox import Sandbox
from bench.stage import PROFILE, WORLD, Stage
from deploy.local.folders import ROOT
from deploy.local.processes import POLL_SECONDS, ProcessFailed, Running

HUNG = WORKER_CHILDREN + 1
CODES = ("SANDBOX-B", "SANDBOX-C", "SANDBOX-D")
ROUNDS = 3
PHASE_SECONDS, WARMUP_SECONDS = 6.0, 1.0
HEALTHY_CASHIERS, OTHER_CASHIERS = 16, 30
# The others' cashiers: how long each waits for a verdict, and then for its next patient.
WAIT_SECONDS, PAUSE_SECONDS = 1.0, 1.0
DEADLINE_SECONDS = "3"
REST_SECONDS = 90.0
DATABASE = "bench_hung"
VERDICTS = {"succeeded", "pending", "not_sent", "rejected", "reversed"}
OPEN = "state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING', 'NEEDS_HUMAN')"
ON_THEIR_WAY = """
SELECT interface.code, count(*) FROM exchange_call call JOIN exchange_insurerinterface interface
    ON interface.id = call.interface_id WHERE call.outcome IS NULL GROUP BY 1
"""
THAT_HUNG = """
SELECT interface.code, count(*), sum(extract(epoch FROM call.outcome_at - call.armed_at))::float
FROM exchange_call call JOIN exchange_insurerinterface interface ON interface.id = call.interface_id
WHERE interface.code = ANY (%s) AND call.outcome = 'UNKNOWN' GROUP BY 1
"""
SETTLED = """
SELECT interface.code, wish.his_no, wish.fund_minor FROM exchange_transaction wish
    JOIN exchange_insurerinterface interface ON interface.id = wish.interface_id WHERE wish.state = 'SUCCEEDED'
"""


def play(stage: Stage, orders: dict[str, Any]) -> dict[str, Any]:
    """Figures of the scene. Raises BooksDiffer when a healthy cashier is told anything but `succeeded`."""
    if len(CODES) < HUNG:
        raise ProcessFailed(f"the demo knows {len(CODES)} more insurers, {WORKER_CHILDREN} children would need {HUNG}")
    stage.copy_database(WORLD, DATABASE)
    stage = stage.with_variables(MEDISETTLE_DEADLINE_SETTLE=DEADLINE_SECONDS)
    others = [Sandbox(stage.folder, code, PROFILE) for code in CODES[:HUNG]]
    world = stage.seed([stage.insurer, *others], database=DATABASE)
    return _Scene(stage, {**orders, "cashiers": HEALTHY_CASHIERS}, others, world).play()


class _Scene:
    def __init__(self, stage: Stage, orders: dict[str, Any], others: Sequence[Sandbox], world: dict[str, Any]) -> None:
        self.stage, self.orders, self.others = stage, orders, others
        self.places = {one["code"]: {"scheme": one["scheme"], "region": one["region"]} for one in world["insurers"]}
        self.url = stage.database_url(DATABASE)
        self.running: list[Running] = []
        self.stopped: list[Running] = []
        self.words: Counter[str] = Counter()
        self.phases: dict[str, list[Tally]] = {"answering": [], "hanging": []}
        self.rest_seconds: list[float] = []

    def play(self) -> dict[str, Any]:
        try:
            name = f"hung-{time.monotonic_ns()}"
            self.running = [
                self.stage.supervisor.start(one.command(name)) for one in (self.stage.insurer, *self.others)
            ]
            started = start_platform(self.stage, DATABASE)
            self.running += started.running
            runs.rehearse(self._orders(started, "HEALTHY"))
            for number in range(ROUNDS):
                self._phase(started, "answering", number)
                self._hang(signal.SIGSTOP)
                self._phase(started, "hanging", number)
                self._hang(signal.SIGCONT)
                self._rest()
            self._books_agree()
        finally:
            self._hang(signal.SIGCONT)
            self.stage.stop(self.running)
        return self._figures()

    def _orders(self, started: Started, prefix: str, **changes: Any) -> Orders:
        numbers = {"warmup_seconds": WARMUP_SECONDS, "seconds": PHASE_SECONDS, "warmup_settlements": 0}
        return Orders(ports=started.ports, **{**self.orders, **numbers, "prefix": prefix, **changes})

    def _hang(self, number: signal.Signals) -> None:
        for running in self.running[1 : 1 + len(self.others)]:
            if running.process.poll() is None:
                os.kill(running.process.pid, number)

    def _phase(self, started: Started, phase: str, number: int) -> None:
        """The healthy insurer's cashiers, measured, beside the others'."""
        with self._others_cashiers(started, f"{phase[:4].upper()}{number}"):
            if phase == "hanging":
                self._wait(lambda: len(self._on_their_way()) >= HUNG, "every hung insurer to hold calls")
            tally, _ = runs.shift(self._orders(started, f"H-{phase[:4].upper()}{number}"), {})
        succeeded, pending = runs.promised(tally)
        if pending:
            raise BooksDiffer(f"{pending} of {succeeded + pending} cashiers of the healthy insurer were told `pending`")
        self.phases[phase].append(tally)

    @contextmanager
    def _others_cashiers(self, started: Started, prefix: str) -> Iterator[None]:
        """Cashiers of the insurers that may hang, at work for longer than the phase."""
        processes = [self._send_cashiers(started, f"{one.code}-{prefix}", self.places[one.code]) for one in self.others]
        try:
            yield
            for process in processes:
                output, _ = process.communicate(timeout=PHASE_SECONDS + LAST_ANSWER_SECONDS)
                self._told(Tally(**json.loads(output.splitlines()[-1])))
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def _send_cashiers(self, started: Started, prefix: str, place: dict[str, str]) -> subprocess.Popen[str]:
        orders = self._orders(
            started,
            prefix,
            cashiers=OTHER_CASHIERS,
            wait_seconds=WAIT_SECONDS,
            pause_seconds=PAUSE_SECONDS,
            seconds=PHASE_SECONDS + 2 * WARMUP_SECONDS,
            **place,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(orders)))
        process.stdin.close()
        process.stdin = None
        return process

    def _told(self, tally: Tally) -> None:
        if tally.broken or not tally.words.keys() <= VERDICTS:
            raise BooksDiffer(f"cashiers of hung insurers were told {tally.words}, {tally.broken} were told nothing")
        self.words.update(tally.words)

    def _on_their_way(self) -> dict[str, int]:
        """Calls without an outcome at each insurer that may hang."""
        with psycopg.connect(self.url) as connection:
            found: dict[str, int] = dict(connection.execute(ON_THEIR_WAY).fetchall())
        return {one.code: found[one.code] for one in self.others if one.code in found}

    def _rest(self) -> None:
        began = time.monotonic()
        self._wait(lambda: self._open() == 0, "everything to end once the insurers answer again")
        self.rest_seconds.append(time.monotonic() - began)

    def _open(self) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(f"SELECT count(*) FROM exchange_transaction WHERE {OPEN}").fetchone()
        return int(row[0]) if row else 0

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        give_up_at = time.monotonic() + REST_SECONDS
        while not holds():
            if time.monotonic() > give_up_at:
                raise BooksDiffer(f"waited {REST_SECONDS:.0f} s in vain for {what}; {self._open()} are open")
            time.sleep(POLL_SECONDS)

    def _books_agree(self) -> None:
        """Each insurer holds exactly what we hold for settled there, with the same share of the fund."""
        with psycopg.connect(self.url) as connection:
            ours = Counter(connection.execute(SETTLED).fetchall())
        theirs = Counter(
            (insurer.code, row["his_no"], row["fund_minor"])
            for insurer in (self.stage.insurer, *self.others)
            for row in insurer.control("book")["settlements"]
            if row["state"] == "settled"
        )
        if ours != theirs:
            raise BooksDiffer(f"only here: {list(ours - theirs)[:5]}; only there: {list(theirs - ours)[:5]}")

    def _calls_that_hung(self) -> dict[str, dict[str, float]]:
        """Of each hung insurer: calls that brought nothing, for how long, and how many of them hung at once."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute(THAT_HUNG, [[one.code for one in self.others]]).fetchall()
        hanging_seconds = ROUNDS * PHASE_SECONDS
        return {
            code: {
                "calls": calls,
                "mean_seconds": round(seconds / calls, 2),
                "at_once": round(seconds / hanging_seconds, 1),
            }
            for code, calls, seconds in found
        }

    def _figures(self) -> dict[str, Any]:
        p99 = {
            name: [runs.percentiles(one.latencies_ms)[1] for one in tallies] for name, tallies in self.phases.items()
        }
        ratios = [during / before for before, during in zip(p99["answering"], p99["hanging"], strict=True)]
        pooled = {
            name: runs.percentiles([one for tally in tallies for one in tally.latencies_ms])
            for name, tallies in self.phases.items()
        }
        return {
            "worker_children": WORKER_CHILDREN,
            "hung_insurers": HUNG,
            "rounds": ROUNDS,
            "phase_seconds": PHASE_SECONDS,
            "cashiers": {"healthy": HEALTHY_CASHIERS, "each_other": OTHER_CASHIERS},
            "p99_ms": p99,
            "p99_ratio": {"median": round(statistics.median(ratios), 3), "rounds": [round(one, 3) for one in ratios]},
            "pooled_ms": {name: {"p50": p50, "p99": p99} for name, (p50, p99) in pooled.items()},
            "pooled_p99_ratio": round(pooled["hanging"][1] / pooled["answering"][1], 3),
            "per_second": {
                name: round(statistics.median(one.measured / one.measured_seconds for one in tallies), 1)
                for name, tallies in self.phases.items()
            },
            "calls_that_hung": self._calls_that_hung(),
            "others_were_told": dict(self.words),
            "seconds_to_rest": [round(one, 1) for one in self.rest_seconds],
        }
