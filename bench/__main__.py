"""`python -m bench [--seconds N] [--runs 5] [--only NAME]`: contenders take turns; figures in var/bench/latest.json.

`python -m bench scenes [NAME ...]` plays what must not hold up anybody else (bench/scenes/table.py).
`python -m bench profile` says where listener and worker spend their CPU; `python -m bench docs` puts the latest figures
into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bench import database, direct, profiling, report, runs, usage
from bench.scenes import table
from bench.stage import WORLD, Stage
from deploy.local.folders import temporary
from deploy.local.processes import ProcessFailed, StopRequested, Supervisor, stop_signals_raise

CONTENDERS = ("platform", "baseline", "database")
SAMPLE = "bench_sample"
CALLS = 300
SINGLE_SECONDS = 30.0
MOST_RUNS, MOST_SECONDS = 20, 300.0
FEWEST_ROWS, MOST_ROWS = 2000, 1_000_000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("action", nargs="?", choices=("run", "scenes", "profile", "docs"), default="run")
    parser.add_argument("names", nargs="*", help=f"of scenes, else all: {', '.join(table.PLAYS)}")
    parser.add_argument("--seconds", type=float, default=20.0, help="measured time of a run, after its warm-up")
    parser.add_argument("--runs", type=int, default=5, help="turns of each contender")
    parser.add_argument("--only", choices=CONTENDERS, help="one contender alone: no ratios")
    parser.add_argument("--cashiers", type=int, help="how many wait for verdicts at once: 64, in scenes 1000")
    parser.add_argument("--rows", type=int, default=100_000, help="of the scene `abnormal`")
    options = parser.parse_args(arguments)
    options.cashiers = options.cashiers or (1000 if options.action == "scenes" else 64)
    if not (1 <= options.runs <= MOST_RUNS and 1 <= options.seconds <= MOST_SECONDS and 1 <= options.cashiers <= 1000):
        parser.error(f"1 to {MOST_RUNS} runs of 1 to {MOST_SECONDS:.0f} seconds with 1 to 1000 cashiers")
    if not set(options.names) <= (set(table.PLAYS) if options.action == "scenes" else set()):
        parser.error(f"scenes are {', '.join(table.PLAYS)}")
    if not FEWEST_ROWS <= options.rows <= MOST_ROWS:
        parser.error(f"{FEWEST_ROWS} to {MOST_ROWS} rows")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if options.action == "docs":
        report.write_page()
        return 0
    try:
        with stop_signals_raise(), temporary("bench") as folder, Supervisor(folder / "logs", _quiet) as supervisor:
            print("Preparing servers and world")
            stage = Stage(folder, supervisor)
            orders = _orders(stage.build_world(), options)
            if options.action == "profile":
                return profiling.profile(stage, orders)
            if options.action == "scenes":
                return _scenes(stage, orders, options)
            return _compare(stage, orders, options)
    except (ProcessFailed, runs.BooksDiffer) as error:
        print(error, file=sys.stderr)
        return 1
    except StopRequested:
        return 130


def _quiet(_: str) -> None:
    """Restarts are failures here: nothing is to be said about them."""


def _orders(world: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    insurer = world["insurers"][0]
    return {
        "client_key": world["hospitals"][0]["client_key"],
        "scheme": insurer["scheme"],
        "region": insurer["region"],
        "cashiers": options.cashiers,
        "warmup_seconds": runs.WARMUP_SECONDS,
        "warmup_settlements": runs.WARMUP_ROUNDS * options.cashiers,
        "seconds": options.seconds,
        "prefix": "BENCH",
    }


def _scenes(stage: Stage, orders: dict[str, Any], options: argparse.Namespace) -> int:
    """Play the scenes that were named; what each one showed is kept beside what others have shown before."""
    size = table.Size(cashiers=options.cashiers, seconds=options.seconds, rows=options.rows)
    for name in options.names or table.PLAYS:
        print(f"Scene: {name}")
        at = {"machine": usage.machine(), "revision": usage.revision()}
        figures = {**table.PLAYS[name](stage, orders, size), **at}
        path = report.write_scene(name, figures)
        print("".join(f"  {line}\n" for line in table.lines({name: figures})) + f"  Written to {path}")
    return 0


def _compare(stage: Stage, orders: dict[str, Any], options: argparse.Namespace) -> int:
    machine, revision = usage.machine(), usage.revision()
    print(f"One cashier: {CALLS} settlements, then {CALLS} direct calls")
    latency = _single_cashier(stage, orders)
    replay = database.script(database.sampled(stage.database_url(SAMPLE)))
    chosen = (options.only,) if options.only else CONTENDERS
    results: dict[str, list[runs.Run]] = {name: [] for name in chosen}
    for number in range(options.runs):
        for name in chosen:
            run = (
                database.play(stage, replay, world=SAMPLE, seconds=options.seconds, warmup_seconds=runs.WARMUP_SECONDS)
                if name == "database"
                else runs.play(stage, name, {**orders, "prefix": f"RUN{number}"}, world=SAMPLE)
            )
            results[name].append(run)
            print(f"run {number + 1} of {options.runs}: {name:10} {run.per_second:8.1f} settlements/s")
    figures = {
        "revision": revision,
        "machine": machine,
        "options": {"runs": options.runs, "seconds": options.seconds, "cashiers": options.cashiers},
        **report.summary(results),
        **latency,
    }
    path = report.write(figures)
    print(f"\n{report.text(figures)}\n\nWritten to {path}")
    return 0 if figures["rows_equal"] else 1


def _single_cashier(stage: Stage, orders: dict[str, Any]) -> dict[str, Any]:
    """One cashier through the platform, then the same calls to the insurer itself. Leaves the database SAMPLE."""
    direct_ms: list[float] = []
    single = {
        **orders,
        "cashiers": 1,
        "warmup_settlements": 30,
        "limit": CALLS,
        "seconds": SINGLE_SECONDS,
        "prefix": "ONE",
    }
    run = runs.play(
        stage,
        "platform",
        single,
        world=WORLD,
        after=lambda: direct_ms.extend(direct.direct_latencies_ms(stage, calls=CALLS)),
    )
    # Every contender begins with this database: accounts are open, tables not empty.
    stage.copy_database("bench_platform", SAMPLE)
    p50_ms, p99_ms = runs.percentiles(direct_ms)
    return {
        "latency_added_ms": {"p50": round(run.p50_ms - p50_ms, 2), "p99": round(run.p99_ms - p99_ms, 2)},
        "latency_single_ms": {"platform": [run.p50_ms, run.p99_ms], "direct": [p50_ms, p99_ms]},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
