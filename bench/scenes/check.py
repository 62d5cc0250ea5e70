"""`python -m bench.scenes.check`: the abnormal check until it finds nothing any more, timed; figures as JSON.

As a worker does it: so many rows a run as the settings say, a commit for each batch. One batch that is rolled back
comes first, so that connection, caches and code are warm for few rows as for many.
"""

from __future__ import annotations

import json
import time
from typing import Any

import django
import psutil


def check() -> dict[str, Any]:
    """Rows queued and released, runs, seconds; and the seconds of one more run, which finds nothing."""
    from django.conf import settings
    from django.db import connection, transaction

    from core.clock import database_now
    from exchange.services import monitor

    limit = settings.ABNORMAL_CHECK["limit"]
    with transaction.atomic():
        monitor.abnormal_check(now=database_now(), limit=monitor.BATCH)
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        processes = [psutil.Process(), psutil.Process(cursor.fetchone()[0])]
    queued = released = runs = 0
    began, began_cpu = time.perf_counter(), _cpu_seconds(processes)
    while True:
        checked = monitor.abnormal_check(now=database_now(), limit=limit)
        runs += 1
        queued, released = queued + checked.queued, released + checked.released
        # A run that stayed below its limit has come to the end.
        if checked.queued + checked.released < limit:
            break
    seconds, cpu_seconds = time.perf_counter() - began, _cpu_seconds(processes) - began_cpu
    began = time.perf_counter()
    again = monitor.abnormal_check(now=database_now(), limit=limit)
    return {
        "queued": queued,
        "released": released,
        "runs": runs,
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu_seconds, 4),
        "idle_seconds": round(time.perf_counter() - began, 4),
        "found_again": again.queued + again.released + again.owned,
    }


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    """User and system time so far: of this process and of the database backend that works for it."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


if __name__ == "__main__":
    django.setup()
    print(json.dumps(check()))
