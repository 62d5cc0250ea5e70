"""Where contenders play: durable servers of our own, one seeded world, and a copy of it for every run."""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench.sandbox import Sandbox
from deploy.demo.instance import answers
from deploy.local.folders import ROOT, write_private
from deploy.local.processes import Command, Running, Supervisor, end
from deploy.local.servers import new_keys, start_servers

INSURER = "SANDBOX-A"
PROFILE = "all_capabilities"
WORLD = "medisettle"
_DATABASE_VARIABLES = ("DATABASE_URL", "DATABASE_URL_APP", "DATABASE_URL_WORKER")


class Stage:
    """PostgreSQL with fsync, a broker, a world in the database WORLD. Everything lives in `folder`."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder = folder
        self.supervisor = supervisor
        self.insurer = Sandbox(folder, INSURER, PROFILE)
        # Nothing that the environment names is touched: servers of our own, whatever DATABASE_URL says.
        self.servers = start_servers(supervisor, folder, durable=True, given={})
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "MEDISETTLE_DB_ROLE"},
            **new_keys(),
            **self.servers.environment(),
            "MEDISETTLE_ENV": "demo",
            "MEDISETTLE_PROFILE": "all",
            # Production's deadline: under full load nobody shall give up for want of time.
            "MEDISETTLE_DEADLINE_SETTLE": "60",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
        }

    def with_variables(self, **variables: str) -> Self:
        """The same stage, whose processes are started with these variables too."""
        changed = copy.copy(self)
        changed.environment = self.environment | variables
        return changed

    def build_world(self) -> dict[str, Any]:
        """Migrate and seed WORLD; returns the demo's description (docs/his-api.md)."""
        for words in (("database_prepare",), ("migrate", "--no-input")):
            self.supervisor.run(self.command(words[0], "manage.py", *words))
        return self.seed([self.insurer])

    def seed(self, insurers: Sequence[Sandbox], *, database: str = WORLD) -> dict[str, Any]:
        """Tell `database` of these insurers; returns the demo's description, in which known client keys are kept."""
        entries, description = self.folder / "insurers.json", self.folder / "demo.json"
        write_private(entries, json.dumps([insurer.entry() for insurer in insurers]))
        words = ("demo_seed", "--insurers", str(entries), "--out", str(description))
        self.supervisor.run(self.command(words[0], "manage.py", *words, database=database))
        world: dict[str, Any] = json.loads(description.read_text())
        return world

    def database_url(self, database: str) -> str:
        return _named(self.servers.database_url, database)

    def copy_database(self, source: str, target: str) -> None:
        """Make `target` anew as a copy of `source`, with everything older on the disk already."""
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(target)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(target), sql.Identifier(source))
            )
            # What one contender has dirtied, the next one shall not have to write.
            connection.execute("CHECKPOINT")

    def command(
        self,
        name: str,
        *arguments: str,
        database: str = WORLD,
        variables: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> Command:
        """A Python process of ours that works on `database`; `variables` go over the stage's environment."""
        # A process's connections carry its name: one can count them.
        environment = (
            self.environment
            | {"PGAPPNAME": name}
            | {
                variable: _named(self.environment[variable], database)
                for variable in _DATABASE_VARIABLES
                if variable in self.environment
            }
        )
        return Command(
            name=name,
            arguments=[sys.executable, *arguments],
            environment={**environment, **(variables or {})},
            folder=ROOT,
            ready=ready,
        )

    def server(
        self,
        name: str,
        *options: str,
        port: int,
        target: str,
        database: str,
        variables: Mapping[str, str] | None = None,
    ) -> Running:
        """Start a granian server of `target` and return when it answers."""
        return self.supervisor.start(
            self.command(
                name,
                *("-m", "granian", "--host", "127.0.0.1", "--port", str(port), *options, target),
                database=database,
                variables=variables,
                ready=lambda: answers(f"http://127.0.0.1:{port}/healthz"),
            )
        )

    def start_insurer(self, run: str) -> Running:
        """The sandbox insurer with an empty book."""
        return self.supervisor.start(self.insurer.command(run))

    def stop(self, running: Sequence[Running]) -> None:
        """End these processes, last started first."""
        for one in reversed(running):
            if one in self.supervisor.running:
                self.supervisor.running.remove(one)
            end(one.process, one.command.stop_signal, one.command.stop_seconds)

    def server_processes(self) -> dict[str, list[int]]:
        """Process ids of the servers that all contenders share, by kind."""
        shared = {"postgres": self.servers.postgres_process, "broker": self.servers.valkey_process}
        return {kind: [running.process.pid] for kind, running in shared.items() if running is not None}


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
