"""The blows: a process killed, one of its children killed, a process frozen, the broker flushed, PostgreSQL killed.

Which blow comes when is drawn from the seed. Everything here runs in the main thread: a process dies with the thread
that started it.
"""

from __future__ import annotations

import heapq
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import psutil
import redis

from deploy.local.stack import Stack

FLUSH_SECONDS = 20.0
FREEZE_SECONDS = (0.5, 6.0)
DOWN_SECONDS = (0.0, 2.0)
REVIVAL_SECONDS = 0.5
BLOWS = {"kill": 5, "kill child": 3, "freeze": 4}


@dataclass(order=True)
class _Due:
    at: float
    number: int
    do: Callable[[], None] = field(compare=False)


class Monkey:
    """Breaks a stack for as long as `swing` is called. `blows` counts by kind and process.

    `came_back` is told the name of every process that was started again.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        seed: int,
        every_seconds: float,
        came_back: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self.stack, self.every_seconds, self.came_back, self.say = stack, every_seconds, came_back, say
        self.draw = Random(f"{seed}:monkey")
        self.blows: Counter[str] = Counter()
        self.died_alone: Counter[str] = Counter()
        self.postgres_down_seconds = 0.0
        self._down: set[str] = set()
        self._frozen: set[str] = set()
        self._coming: set[str] = set()
        self._due: list[_Due] = []
        self._numbers = 0

    @property
    def targets(self) -> Sequence[str]:
        return [name for name in self.stack.processes if name != "postgres"]

    def begin(self) -> None:
        """From now on blows fall due."""
        self._later(self.every_seconds, self._blow)
        self._later(FLUSH_SECONDS / 2, self._flush)

    def swing(self) -> None:
        """Do what is due, and start again what has ended. Returns soon. Raises ProcessFailed."""
        while self._due and self._due[0].at <= time.monotonic():
            heapq.heappop(self._due).do()
        self._greet()
        self._revive()

    def stop(self) -> None:
        """No more blows: thaw what is frozen, start what is down. Raises ProcessFailed."""
        self._due.clear()
        for name in list(self._frozen):
            self._thaw(name)
        for name in list(self._down):
            self._start(name)
        for running in self.stack.processes.values():
            self.stack.supervisor.wait_until_ready(running)
        self._greet()

    def kill_postgres(self) -> None:
        """SIGKILL to the server and all of its children at once, and start it on what is on the disk."""
        began = time.monotonic()
        self._strike("kill", "postgres")
        server = psutil.Process(self.stack.pid("postgres"))
        family = [server, *server.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.stack.processes["postgres"].process.wait()
        psutil.wait_procs(family, timeout=10)
        self.stack.start_again("postgres")
        self.postgres_down_seconds += time.monotonic() - began

    # Blows --------------------------------------------------------------------------------------------------------

    def _blow(self) -> None:
        self._later(self.every_seconds * self.draw.uniform(0.5, 1.5), self._blow)
        name = self.draw.choice(self.targets)
        kind = self.draw.choices(list(BLOWS), list(BLOWS.values()))[0]
        seconds = self.draw.uniform(*(FREEZE_SECONDS if kind == "freeze" else DOWN_SECONDS))
        # Drawn whether needed or not: what comes next must not hang on what the machine made of this blow.
        which = self.draw.random()
        if name in self._down or name in self._frozen:
            return
        if kind == "kill child" and self._kill_child(name, which):
            return
        self._strike("freeze" if kind == "freeze" else "kill", name)
        if kind == "freeze":
            self.stack.pause(name)
            self._frozen.add(name)
            self._later(seconds, lambda: self._thaw(name))
        else:
            self.stack.kill(name)
            self._down.add(name)
            self._later(seconds, lambda: self._start(name))

    def _kill_child(self, name: str, which: float) -> bool:
        """SIGKILL to one child, chosen by `which` from 0 to 1; False where there is none."""
        with suppress(psutil.NoSuchProcess):
            children = sorted(child.pid for child in psutil.Process(self.stack.pid(name)).children(recursive=True))
            if children:
                self._strike("kill child", name)
                os.kill(children[int(which * len(children))], signal.SIGKILL)
                return True
        return False

    def _flush(self) -> None:
        self._later(FLUSH_SECONDS, self._flush)
        if "valkey" in self._frozen or "valkey" in self._down:
            return
        self._strike("flush", "valkey")
        with suppress(redis.RedisError), self.stack.broker as broker:
            broker.flushall()

    def _strike(self, kind: str, name: str) -> None:
        self.blows[f"{kind} {name}"] += 1
        self.say(f"{kind} {name}")

    # And back -----------------------------------------------------------------------------------------------------

    def _thaw(self, name: str) -> None:
        self._frozen.discard(name)
        with suppress(ProcessLookupError):
            self.stack.resume(name)

    def _start(self, name: str) -> None:
        """Start it without waiting: what it needs may itself be frozen until we thaw it."""
        self._down.discard(name)
        self.stack.start_again(name, wait=False)
        self._coming.add(name)

    def _greet(self) -> None:
        """Tell of insurers that answer again: they have forgotten what they were told."""
        for name in list(self._coming):
            ready = self.stack.processes[name].command.ready
            if not name.startswith("sandbox"):
                self._coming.discard(name)
            elif name not in self._frozen and ready is not None and ready():
                self._coming.discard(name)
                self.came_back(name)

    def _revive(self) -> None:
        """A server whose only child was killed ends with it; whatever has ended is started again, and counted."""
        for name, running in self.stack.processes.items():
            if name not in self._down and name != "postgres" and running.process.poll() is not None:
                self.died_alone[f"{name} ({running.process.returncode})"] += 1
                self.say(f"{name} has ended with {running.process.returncode}: started again")
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                self._down.add(name)
                self._later(REVIVAL_SECONDS, lambda name=name: self._start(name))  # type: ignore[misc]

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._numbers += 1
        heapq.heappush(self._due, _Due(time.monotonic() + seconds, self._numbers, do))
