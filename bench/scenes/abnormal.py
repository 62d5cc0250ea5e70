"""Abnormal transactions found, decided and queued by the monitor: a row costs the same among many as among few.

Few before many and after them, each time on a fresh copy of the crowd (bench/scenes/crowd.py). Then the first page
of the abnormal list is read from both, in turn; and what was queued for the few is worked off by a real platform.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg

from bench import rows
from bench.contenders import start_platform
from bench.runs import BooksDiffer
from bench.scenes.crowd import QUEUED, RELEASED_TENTHS
from bench.stage import WORLD, Stage
from deploy.local import ports
from deploy.local.processes import POLL_SECONDS, ProcessFailed, Running

FEW = 1000
# How often few are checked before many, and as often after them.
FEW_TIMES = 3
PAGES = 40
CHECK_SECONDS, REST_SECONDS = 300.0, 90.0
CHECKED = "bench_checked"
JOBS = """
SELECT wish.state, job.kind, count(*), count(*) FILTER (WHERE job.run_at <= now() AND job.parked_at IS NULL)
FROM exchange_transaction wish LEFT JOIN journal_job job ON job.subject_id = wish.id GROUP BY 1, 2
"""
OPEN = "SELECT count(*) FROM exchange_transaction WHERE state NOT IN ('SUCCEEDED', 'REJECTED', 'REVERSED')"


def play(stage: Stage, orders: dict[str, Any], *, many: int) -> dict[str, Any]:
    """Figures of the scene. Raises BooksDiffer when a row was missed, queued twice, or did not end."""
    sizes = (FEW, many)
    checks: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    for size in sizes:
        _make(stage, size)
    for size in (*[FEW] * FEW_TIMES, many, *[FEW] * FEW_TIMES):
        checks[size].append(_check(stage, size))
    pages = _first_pages_ms(stage, orders["client_key"], sizes)
    ended_seconds, ended = _work_off(stage, FEW)
    cheap, dear = (_per_row(checks[size], size) for size in sizes)
    return {
        "rows": many,
        "few": FEW,
        "row_us": {str(FEW): cheap, str(many): dear},
        "row_ratio": round(dear["median"] / cheap["median"], 3),
        "row_cpu_ratio": round(dear["cpu"] / cheap["cpu"], 3),
        "found_nothing_seconds": {str(size): checks[size][-1]["idle_seconds"] for size in sizes},
        "checks": {str(size): checks[size] for size in sizes},
        "first_page_ms": {str(size): round(statistics.median(pages[size]), 2) for size in sizes},
        "first_page_ratio": round(statistics.median(pages[many]) / statistics.median(pages[FEW]), 3),
        "worked_off": {"rows": FEW, "seconds": round(ended_seconds, 1), "ended": ended},
    }


def _crowd(size: int) -> str:
    return f"bench_crowd_{size}"


def _checked(size: int) -> str:
    return f"{CHECKED}_{size}"


def _make(stage: Stage, size: int) -> None:
    stage.copy_database(WORLD, _crowd(size))
    variables = {"MEDISETTLE_DB_ROLE": "worker"}
    stage.supervisor.run(
        stage.command("crowd", "-m", "bench.scenes.crowd", str(size), database=_crowd(size), variables=variables)
    )


def _check(stage: Stage, size: int) -> dict[str, Any]:
    """One check of the whole crowd, on a copy of its own."""
    stage.copy_database(_crowd(size), _checked(size))
    command = stage.command(
        "check", "-m", "bench.scenes.check", database=_checked(size), variables={"MEDISETTLE_DB_ROLE": "worker"}
    )
    done = subprocess.run(
        list(command.arguments),
        cwd=command.folder,
        env=dict(command.environment),
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessFailed(f"the check ended with {done.returncode}:\n{done.stderr[-3000:]}")
    checked: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    _as_it_must(stage, size, checked)
    return checked


def _as_it_must(stage: Stage, size: int, checked: dict[str, Any]) -> None:
    """Every row has the one job of its state, due and not parked, and a second look finds nothing."""
    with psycopg.connect(stage.database_url(_checked(size))) as connection:
        found = {(state, kind): (jobs, due) for state, kind, jobs, due in connection.execute(JOBS).fetchall()}
    due = {key: (size * tenths // 10, size * tenths // 10) for key, tenths in QUEUED.items()}
    released = size * RELEASED_TENTHS // 10
    if (
        found != due
        or (checked["queued"], checked["released"]) != (size - released, released)
        or checked["found_again"]
    ):
        raise BooksDiffer(f"of {size} abnormal transactions the monitor queued {checked}; their jobs are {found}")


def _per_row(checks: Sequence[dict[str, Any]], size: int) -> dict[str, float]:
    """Microseconds a row: minimum, median, maximum; `cpu` is the median of what it and its backend computed."""
    wall = [1e6 * one["seconds"] / size for one in checks]
    cpu = [1e6 * one["cpu_seconds"] / size for one in checks]
    return {
        "min": round(min(wall), 1),
        "median": round(statistics.median(wall), 1),
        "max": round(max(wall), 1),
        "cpu": round(statistics.median(cpu), 1),
    }


def _first_pages_ms(stage: Stage, client_key: str, sizes: Sequence[int]) -> dict[int, list[float]]:
    """Milliseconds of each reading of the list's first page, from one listener and then from the other."""
    at = {size: ports.reserve_any() for size in sizes}
    servers: list[Running] = []
    try:
        for size, port in at.items():
            options = ("--interface", "asgi", "--workers", "1")
            servers.append(
                stage.server(
                    f"listener-of-{size}",
                    *options,
                    port=port,
                    target="config.asgi:application",
                    database=_checked(size),
                )
            )
        links = {size: http.client.HTTPConnection("127.0.0.1", port, timeout=30) for size, port in at.items()}
        for link in links.values():
            _first_page_ms(link, client_key)
        taken: dict[int, list[float]] = {size: [] for size in sizes}
        for _ in range(PAGES):
            for size, link in links.items():
                taken[size].append(_first_page_ms(link, client_key))
        for link in links.values():
            link.close()
    finally:
        stage.stop(servers)
    return taken


def _first_page_ms(link: http.client.HTTPConnection, client_key: str) -> float:
    began = time.perf_counter()
    link.request("GET", "/api/his/v1/abnormal", headers={"Authorization": f"Bearer {client_key}"})
    answer = link.getresponse()
    content = json.loads(answer.read())
    elapsed_ms = (time.perf_counter() - began) * 1000
    if answer.status != 200 or not content.get("cursor"):
        raise BooksDiffer(f"the abnormal list answered {answer.status} {str(content)[:300]}")
    return elapsed_ms


def _work_off(stage: Stage, size: int) -> tuple[float, dict[str, int]]:
    """Let a platform end what was queued; seconds and how it ended. The insurer knows of none of it before."""
    url = stage.database_url(_checked(size))
    insurer = stage.start_insurer(f"abnormal-{time.monotonic_ns()}")
    running = [insurer]
    try:
        began = time.monotonic()
        running += start_platform(stage, _checked(size)).running
        while (count := _count(url)) and time.monotonic() < began + REST_SECONDS:
            time.sleep(POLL_SECONDS * 4)
        if count:
            raise BooksDiffer(f"{count} of {size} abnormal transactions have not ended after {REST_SECONDS:.0f} s")
        seconds = time.monotonic() - began
        if (ours := (rows.settled(url), rows.fund_minor(url))) != (theirs := stage.insurer.settled()):
            raise BooksDiffer(f"settled, of it the fund's: {ours} here, {theirs} at the insurer")
    finally:
        stage.stop(running)
    with psycopg.connect(url) as connection:
        ended: Counter[str] = Counter(
            dict(connection.execute("SELECT state, count(*) FROM exchange_transaction GROUP BY 1").fetchall())
        )
    return seconds, dict(ended)


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(OPEN).fetchone()
    return int(row[0]) if row else 0
