from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from journal.hints import CHECKS_QUEUE, queue_of
from journal.models import WorkerGroup

RESTART_SECONDS = 2.0


class Command(BaseCommand):
    help = "Run the worker groups that the table assigns to this host: one Celery worker each, restarted when it dies."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=socket.gethostname(), help="Name of this host in the worker-group table.")
        parser.add_argument("--group", action="append", help="Run these groups only, whatever the table says of hosts.")
        parser.add_argument("--concurrency", type=int, help="Children per group: at most the table's number.")

    def handle(self, *args: Any, **options: Any) -> None:
        groups = self._groups(options["host"], options["group"], options["concurrency"])
        commands = {group.code: self._command(group, options) for group in groups}
        connection.close()
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.workers = {code: self._start(command) for code, command in commands.items()}
        while not self.stopping:
            time.sleep(0.5)
            for code, worker in self.workers.items():
                if worker.poll() is not None and not self.stopping:
                    self.stderr.write(f"worker group {code} ended with {worker.returncode}; it starts again")
                    time.sleep(RESTART_SECONDS)
                    self.workers[code] = self._start(commands[code])
        for worker in self.workers.values():
            worker.wait()

    def _groups(self, host: str, named: list[str] | None, concurrency: int | None) -> list[WorkerGroup]:
        groups = [
            group
            for group in WorkerGroup.objects.prefetch_related("lanes").order_by("code")
            if (group.code in named if named else not group.hosts or host in group.hosts)
        ]
        if not groups:
            raise CommandError(f"No worker group is assigned to host {host}. Add one, or name it with --group.")
        for group in groups:
            if concurrency is not None and concurrency > group.concurrency:
                raise CommandError(
                    f"Group {group.code} shares its caps among {group.concurrency} children on each host: "
                    f"--concurrency {concurrency} would exceed them. Raise the group's number in the table instead."
                )
            for lane in group.lanes.all():
                if lane.cap_in_flight <= group.children:
                    raise CommandError(
                        f"Lane {lane.code} allows {lane.cap_in_flight} calls at once, but group {group.code} has "
                        f"{group.children} children and the sweeper: lower the concurrency or raise the cap."
                    )
        return groups

    def _command(self, group: WorkerGroup, options: dict[str, Any]) -> list[str]:
        concurrency = options["concurrency"] or group.concurrency
        return [
            *(
                sys.executable,
                "-m",
                "celery",
                "--app",
                "config",
                "worker",
                "--pool",
                "prefork",
                "--loglevel",
                "WARNING",
            ),
            *("--queues", f"{queue_of(group.code)},{CHECKS_QUEUE}", "--concurrency", str(concurrency)),
            *("--hostname", f"{group.code}@{options['host']}", "--without-gossip", "--without-mingle"),
        ]

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command)  # noqa: S603 - our own interpreter and arguments

    def _stop(self, *_: Any) -> None:
        self.stopping = True
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.terminate()
