"""One run: everything is started, loaded and broken; then it is left alone, and what it is then is gathered."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from chaos.facts import Facts
from chaos.gather import facts_gather, notebook_read, office_read
from chaos.hospital import Hospital
from chaos.monkey import Monkey
from chaos.plan import FAULTY_SHARE, INSURERS, mix_of
from deploy.local.processes import Supervisor
from deploy.local.servers import new_keys
from deploy.local.stack import ControlRefused, Shape, Stack

TURN_SECONDS = 0.1
PROGRESS_SECONDS = 10.0
SNAPSHOT_SECONDS = 5.0
# Patience of the last visits once no new one begins.
LAST_VISITS_SECONDS = 180.0
REST_SECONDS = 300.0
INSURER_OF_PROCESS = {code.lower(): code for code, *_ in INSURERS}
STATES = "SELECT state, count(*) FROM exchange_transaction GROUP BY 1 ORDER BY 1"
REST = """
SELECT (SELECT count(*) FROM exchange_transaction WHERE state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING')),
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - max(at)), 1e9)::float8 FROM core_transition)
"""
UNBALANCED = """
SELECT account.book_id, leg.currency FROM ledger_leg leg JOIN ledger_account account ON account.id = leg.account_id
GROUP BY 1, 2 HAVING sum(CASE leg.side WHEN 'D' THEN leg.amount_minor ELSE -leg.amount_minor END) <> 0
"""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What to do. `quiet_seconds`: how long nothing must have moved before the books are compared: longer than the
    last look at a reversed settlement that may surface. `postgres_kills` are shares of the load. `calm`: no blows.
    """

    seed: int
    count: int
    tills: int
    visits_per_second: float
    blow_seconds: float
    postgres_kills: Sequence[float]
    quiet_seconds: float
    without: Sequence[str] = ()
    faulty_share: float = FAULTY_SHARE
    calm: bool = False


@dataclass
class Course:
    """What was seen while the run went on. Times in seconds."""

    load_seconds: float = 0.0
    rest_seconds: float = 0.0
    load_ended_at: float = 0.0
    snapshots: int = 0
    out_of_balance: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    blows: dict[str, int] = field(default_factory=dict)
    died_alone: dict[str, int] = field(default_factory=dict)
    postgres_down_seconds: float = 0.0
    repeats: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    tally: dict[str, int] = field(default_factory=dict)
    visits: int = 0
    wishes: int = 0


def environment() -> dict[str, str]:
    """What our processes inherit: fresh keys and scaled times. Nothing that the shell names is touched."""
    foreign = ("MEDISETTLE_", "DATABASE_URL", "BROKER_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    kind = {"MEDISETTLE_ENV": "test", "MEDISETTLE_PROFILE": "all", "DJANGO_SETTINGS_MODULE": "config.settings"}
    return {**kept, **new_keys(), **kind}


class Run:
    """Start it with `start`, then `play`; what it used is stopped by the supervisor's owner."""

    def __init__(self, folder: Path, supervisor: Supervisor, orders: Orders, say: Callable[[str], None]) -> None:
        self.folder, self.orders, self.say = folder, orders, say
        shape = Shape(
            listeners=2,
            workers=2,
            beat=True,
            own_postgres=True,
            durable=True,
            insurers=[(code, profile) for code, profile, *_ in INSURERS],
        )
        self.stack = Stack(folder, supervisor, shape, environment=environment())
        self.course = Course()
        self.notebook = folder / "notebook.jsonl"
        self.faults_on = False
        self._began = time.monotonic()
        self._said_at = self._snapped_at = 0.0

    def play(self) -> Facts:
        """Load and blows, then rest, then the facts. Raises ProcessFailed, OSError."""
        self.stack.start()
        self._began = time.monotonic()
        orders = self.orders
        monkey = Monkey(
            self.stack,
            seed=orders.seed,
            every_seconds=orders.blow_seconds,
            came_back=self._came_back,
            say=lambda blow: self.say(f"{self._now():6.1f} s  {blow}"),
        )
        hospital = Hospital(
            base_urls=self.stack.base_urls,
            client_keys=self.stack.client_keys,
            notebook=self.notebook,
            seed=orders.seed,
            count=orders.count,
            tills=orders.tills,
            without=orders.without,
            per_second=orders.visits_per_second,
        )
        try:
            self._load(hospital, monkey)
            self._rest(hospital)
            return self._facts(hospital, monkey)
        finally:
            hospital.close()

    def _load(self, hospital: Hospital, monkey: Monkey) -> None:
        self.faults_on = self.orders.faulty_share > 0
        for code, *_ in INSURERS:
            self._set_faults(code)
        shift = hospital.open()
        if not self.orders.calm:
            monkey.begin()
        kills = [share * self.orders.count for share in sorted(self.orders.postgres_kills)]
        while hospital.wishes < self.orders.count and not shift.done():
            monkey.swing()
            if kills and hospital.wishes >= kills[0] and not self.orders.calm:
                kills.pop(0)
                monkey.kill_postgres()
            self._look(hospital)
            time.sleep(TURN_SECONDS)
        self.course.load_seconds = self._now()
        self.faults_on = False
        monkey.stop()
        for code, *_ in INSURERS:
            self._set_faults(code)
        self.course.load_ended_at = time.time()
        self.say(f"{self._now():6.1f} s  faults and blows are over")
        self._last_visits(hospital, shift)

    def _last_visits(self, hospital: Hospital, shift: Future[None]) -> None:
        give_up_at = time.monotonic() + LAST_VISITS_SECONDS
        while time.monotonic() < give_up_at:
            with suppress(NotDone):
                shift.result(TURN_SECONDS)
                return
            self._look(hospital)
        hospital.surprises.append(f"the tills: {hospital.under_way} visits did not end")

    def _rest(self, hospital: Hospital) -> None:
        """Wait until every transaction has ended or is with a person, and nothing has moved for a while."""
        began = time.monotonic()
        while time.monotonic() < began + REST_SECONDS:
            ((still_open, quiet_seconds),) = self.stack.rows(REST)
            if not still_open and quiet_seconds >= self.orders.quiet_seconds:
                break
            if still_open:
                self.course.rest_seconds = time.time() - self.course.load_ended_at
            self._look(hospital)
            time.sleep(TURN_SECONDS * 5)

    def _facts(self, hospital: Hospital, monkey: Monkey) -> Facts:
        self.say(f"{self._now():6.1f} s  comparing the books")
        told, wished, _ = notebook_read(self.notebook)
        office = hospital.run(lambda: office_read(hospital.door, told, wished))
        course = self.course
        course.states = dict(self.stack.rows(STATES))
        course.blows, course.died_alone = dict(monkey.blows), dict(monkey.died_alone)
        course.postgres_down_seconds = monkey.postgres_down_seconds
        course.repeats, course.statuses = dict(hospital.door.repeats), dict(hospital.door.statuses)
        course.tally, course.visits, course.wishes = dict(hospital.tally), hospital.visits, hospital.wishes
        return facts_gather(
            self.stack, self.notebook, office, surprises=hospital.surprises, snapshots=course.out_of_balance
        )

    # While it goes on ---------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _came_back(self, process: str) -> None:
        if process in INSURER_OF_PROCESS:
            self._set_faults(INSURER_OF_PROCESS[process])

    def _set_faults(self, code: str) -> None:
        mix: Mapping[str, Any] = {}
        if self.faults_on:
            mix = mix_of(self.orders.seed, code, share=self.orders.faulty_share)
        with suppress(OSError, ControlRefused):
            self.stack.control(code, "faults", mix)

    def _look(self, hospital: Hospital) -> None:
        """Debit must equal credit at every moment; and say how far it is."""
        now = time.monotonic()
        if now >= self._snapped_at + SNAPSHOT_SECONDS:
            self._snapped_at = now
            with suppress(psycopg.OperationalError):
                odd = self.stack.rows(UNBALANCED)
                self.course.snapshots += 1
                self.course.out_of_balance += [
                    f"after {self._now():.1f} s book {book} was out of balance" for book, _ in odd
                ]
        if now >= self._said_at + PROGRESS_SECONDS:
            self._said_at = now
            states = ""
            with suppress(psycopg.OperationalError):
                states = ", ".join(f"{state} {count}" for state, count in self.stack.rows(STATES))
            self.say(
                f"{self._now():6.1f} s  {hospital.wishes} of {self.orders.count} wishes, "
                f"{hospital.under_way} visits under way: {states}"
            )
