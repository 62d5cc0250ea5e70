"""Two acts that meet: the first is held right after a chosen statement until the second waits for it, or is through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from tests.roles import rows

SECONDS = 30.0
# The statements after which an act holds what the other one needs.
BILL = "exchange_bill"
CLAIM = "SKIP LOCKED"
WISH = 'INSERT INTO "exchange_transaction"'
# Sessions of this database that wait for a lock.
WAITING = """
SELECT count(*) FROM pg_locks wanted JOIN pg_stat_activity session USING (pid)
WHERE NOT wanted.granted AND session.datname = current_database()
"""


class Acting(threading.Thread):
    """`act` on a connection of its own; afterwards `result` is what it returned or raised."""

    def __init__(self, act: Callable[[], Any], *, stop_after: str = "") -> None:
        super().__init__(daemon=True)
        self.act, self.stop_after = act, stop_after
        self.there, self.go = threading.Event(), threading.Event()
        self.result: Any = None

    def run(self) -> None:
        try:
            with connection.execute_wrapper(self._watch):
                self.result = self.act()
        except Exception as error:
            self.result = error
        finally:
            self.there.set()
            connection.close()

    def _watch(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        result = execute(sql, parameters, many, context)
        # `FOR ... UPDATE` and inserts hold what they touch; a plain look does not.
        holds = " UPDATE" in sql or "INSERT" in sql
        if self.stop_after and holds and self.stop_after in sql and not self.there.is_set():
            self.there.set()
            assert self.go.wait(SECONDS)
        return result


def meet(first: Callable[[], Any], second: Callable[[], Any], *, after: str = BILL) -> tuple[Any, Any]:
    """Run both so that they meet; returns what each returned or raised."""
    one, other = Acting(first, stop_after=after), Acting(second)
    one.start()
    assert one.there.wait(SECONDS)
    other.start()
    _until(lambda: not other.is_alive() or rows(WAITING)[0][0] > 0)
    one.go.set()
    for acting in (one, other):
        acting.join(SECONDS)
        assert not acting.is_alive()
    return one.result, other.result


def meet_in(order: str, one: Callable[[], Any], other: Callable[[], Any], *, after: str = BILL) -> tuple[Any, Any]:
    """What `one` and `other` returned or raised, whoever was first."""
    if order == "one first":
        return meet(one, other, after=after)
    second, first = meet(other, one, after=after)
    return first, second


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run all at the same time, meeting where they may; returns what each returned or raised."""
    actings = [Acting(act) for act in acts]
    for acting in actings:
        acting.start()
    for acting in actings:
        acting.join(SECONDS * 2)
        assert not acting.is_alive()
    return [acting.result for acting in actings]


def faults(results: Sequence[Any]) -> list[str]:
    return [f"{type(one).__name__}: {one}" for one in results if isinstance(one, Exception)]


def _until(fact: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + SECONDS
    while not fact():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
