"""Where contenders play: durable servers of our own, one seeded world, and a copy of it for every run."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import psycopg
from psycopg import sql

from deploy.demo.instance import answers
from deploy.local import ports
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
        self.insurer_port = ports.reserve_any()
        self.secret_file = folder / "insurer.json"
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

    def build_world(self) -> dict[str, Any]:
        """Migrate and seed WORLD; returns the demo's description (docs/his-api.md)."""
        key = {"key_id": "k1", "secret": base64.b64encode(secrets.token_bytes(32)).decode()}
        write_private(self.secret_file, json.dumps(key))
        insurers, description = self.folder / "insurers.json", self.folder / "demo.json"
        entry = {"code": INSURER, "profile": PROFILE, "url": self.insurer_url, "control_url": self.control_url, **key}
        write_private(insurers, json.dumps([entry]))
        for words in (
            ("database_prepare",),
            ("migrate", "--no-input"),
            ("demo_seed", "--insurers", str(insurers), "--out", str(description)),
        ):
            self.supervisor.run(self.command(words[0], "manage.py", *words))
        world: dict[str, Any] = json.loads(description.read_text())
        return world

    @property
    def insurer_url(self) -> str:
        return f"http://127.0.0.1:{self.insurer_port}"

    @property
    def control_url(self) -> str:
        return f"{self.insurer_url}/_control"

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
        environment = self.environment | {
            variable: _named(self.environment[variable], database)
            for variable in _DATABASE_VARIABLES
            if variable in self.environment
        }
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
        options = {
            "--code": INSURER,
            "--port": str(self.insurer_port),
            "--book": str(self.folder / f"book-{run}.sqlite3"),
            "--secret-file": str(self.secret_file),
            "--profile": PROFILE,
        }
        words = [sys.executable, "-m", "insurers.sandbox", *(word for pair in options.items() for word in pair)]
        return self.supervisor.start(
            Command(
                name="insurer",
                arguments=words,
                # It is somebody else's system: it gets neither our keys nor the way to our database.
                environment={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
                folder=ROOT,
                ready=lambda: answers(f"{self.control_url}/book"),
            )
        )

    def settled_at_insurer(self) -> int:
        """How many settlements stand in the insurer's book."""
        with urlopen(f"{self.control_url}/book", timeout=30) as answer:
            return int(json.load(answer)["totals"]["count"])

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
