"""The whole platform as real processes on servers of its own: insurers, listeners, workers, sweeper, broker, database.

For the tests (`tests/live.py`) and for the chaos proof (`chaos/`): each process is started as an operator would start
it, with the database login of its kind. Each process's connections carry its name (`application_name`), so that one can
count or break them. The way to break it is here too: kill, pause, start again.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from deploy.local import ports
from deploy.local.folders import ROOT
from deploy.local.postgres import start_postgres
from deploy.local.processes import Command, Running, Supervisor, spawn
from deploy.local.valkey import start_valkey

INSURERS = (("SANDBOX-A", "all_capabilities"), ("SANDBOX-B", "nhsa_like"))
STOP_SECONDS = 30.0


class ControlRefused(Exception):
    """An insurer's control port did not take what it was told."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a stack consists of. Without `broker` its address is a port on which nobody listens, from the start.

    `durable`: an own PostgreSQL syncs its files, as in production.
    """

    listeners: int = 1
    workers: int = 1
    concurrency: int = 2
    sweeper: bool = True
    beat: bool = False
    broker: bool = True
    own_postgres: bool = False
    durable: bool = False
    insurers: Sequence[tuple[str, str]] = INSURERS
    environment: Mapping[str, str] = field(default_factory=dict)


class Stack:
    """A running platform. Process names: postgres (own only), valkey, sandbox-a, listener-1, workers-1, sweeper, beat.

    `environment` is what its processes inherit: keys, the kind of installation, and where a server that is not its own
    is found.
    """

    def __init__(self, folder: Path, supervisor: Supervisor, shape: Shape, *, environment: Mapping[str, str]) -> None:
        self.folder, self.supervisor, self.shape = folder, supervisor, shape
        self.environment: dict[str, str] = dict(environment)
        self.processes: dict[str, Running] = {}
        self.base_urls: list[str] = []
        self.control_urls: dict[str, str] = {}
        self.client_keys: dict[str, str] = {}
        self.broker_url = ""
        self.database = ""
        self.insurer_secrets: dict[str, bytes] = {}

    # Starting -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and return when all of it is at work."""
        self._start_servers()
        insurers = [self._insurer(code, profile) for code, profile in self.shape.insurers]
        self.base_urls = [f"http://127.0.0.1:{ports.reserve_any()}" for _ in range(self.shape.listeners)]
        (self.folder / "insurers.json").write_text(json.dumps([entry for entry, _ in insurers]))
        out = self.folder / "demo.json"
        self.manage("demo_seed", "--insurers", str(self.folder / "insurers.json"), "--out", str(out))
        self.client_keys = {entry["code"]: entry["client_key"] for entry in json.loads(out.read_text())["hospitals"]}
        for _, command in insurers:
            self._start(command)
        for number, base_url in enumerate(self.base_urls, 1):
            self._start(self._listener(f"listener-{number}", base_url))
        for number in range(1, self.shape.workers + 1):
            self._start(self._workers(f"workers-{number}"))
        if self.shape.sweeper:
            self._start(self._sweeper())
        if self.shape.beat:
            self._start(self._beat())
        for running in self.processes.values():
            self.supervisor.wait_until_ready(running)

    def _start(self, command: Command) -> None:
        self.processes[command.name] = self.supervisor.start(command, wait=False)

    def _start_servers(self) -> None:
        self.broker_url = f"redis://127.0.0.1:{ports.reserve_any()}/0"
        if self.shape.broker:
            valkey = start_valkey(self.supervisor, self.folder)
            self.broker_url, self.processes["valkey"] = valkey.url, valkey.running
        if self.shape.own_postgres:
            postgres = start_postgres(self.supervisor, self.folder, durable=self.shape.durable)
            self.processes["postgres"] = postgres.running
            self.environment |= {"DATABASE_URL": postgres.admin_url}
            self.environment |= {"DATABASE_URL_APP": postgres.app_url, "DATABASE_URL_WORKER": postgres.worker_url}
        else:
            self._take_database()
        self.database = urlsplit(self.environment["DATABASE_URL"]).path.strip("/")
        self.environment |= {"BROKER_URL": self.broker_url, "PYTHONUNBUFFERED": "1", **self.shape.environment}
        if self.shape.own_postgres:
            self.manage("database_prepare")
            self.manage("migrate", "--no-input")

    def _take_database(self) -> None:
        """Put the URLs of a migrated database on somebody else's server into the environment."""
        raise NotImplementedError("this stack has no server of its own and was given none")

    def _insurer(self, code: str, profile: str) -> tuple[dict[str, str], Command]:
        """What the platform is told of an insurer, and its process: somebody else's, with none of our environment."""
        self.insurer_secrets[code] = secrets.token_bytes(32)
        key = {"key_id": "k1", "secret": base64.b64encode(self.insurer_secrets[code]).decode()}
        secret_file = self.folder / f"{code}.secret.json"
        secret_file.write_text(json.dumps(key))
        port = ports.reserve_any()
        url = f"http://127.0.0.1:{port}"
        self.control_urls[code] = f"{url}/_control"
        options = ["--code", code, "--port", str(port), "--profile", profile, "--secret-file", str(secret_file)]
        command = Command(
            name=code.lower(),
            arguments=[
                *(sys.executable, "-m", "insurers.sandbox", *options),
                *("--book", str(self.folder / f"{code}.sqlite3")),
            ],
            environment={"PATH": os.environ.get("PATH", os.defpath)},
            folder=ROOT,
            ready=lambda: _listens(port),
        )
        return {"code": code, "profile": profile, "url": url, "control_url": f"{url}/_control", **key}, command

    def _listener(self, name: str, base_url: str) -> Command:
        port = str(urlsplit(base_url).port)
        options = ["--interface", "asgi", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
        arguments = ["-m", "granian", *options, "config.asgi:application"]
        return self._command(name, *arguments, ready=lambda: _listens(int(port)))

    def _workers(self, name: str) -> Command:
        number = int(name.rpartition("-")[2])
        # Consumers wait in BRPOP. Without a broker a worker only tries to reach it: there is nothing to wait for.
        ready = (lambda: self._consumers() >= number) if self.shape.broker else None
        concurrency = str(self.shape.concurrency)
        return self._command(name, "manage.py", "workers", "--host", name, "--concurrency", concurrency, ready=ready)

    def _sweeper(self) -> Command:
        return self._command("sweeper", "manage.py", "sweeper", ready=lambda: self.connections("sweeper") > 0)

    def _beat(self) -> Command:
        return self._command("beat", "-m", "celery", "--app", "config", "beat", "--scheduler", "celery.beat:Scheduler")

    def _command(self, name: str, *arguments: str, ready: Callable[[], bool] | None = None) -> Command:
        return Command(
            name=name,
            arguments=[sys.executable, *arguments],
            environment={**self.environment, "PGAPPNAME": name},
            folder=ROOT,
            ready=ready,
        )

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end. Raises ProcessFailed with its output."""
        self.supervisor.run(self._command(f"manage-{arguments[0]}", "manage.py", *arguments))

    # Breaking -----------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        return self.processes[name].process.pid

    def kill(self, name: str) -> None:
        """SIGKILL to a process and all of its children."""
        os.killpg(self.pid(name), signal.SIGKILL)
        self.processes[name].process.wait()

    def terminate(self, name: str, *, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, as an operator would end it; returns the exit code."""
        self.processes[name].process.terminate()
        return self.processes[name].process.wait(seconds)

    def pause(self, name: str) -> None:
        """SIGSTOP to a process and all of its children."""
        os.killpg(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        os.killpg(self.pid(name), signal.SIGCONT)

    def start_again(self, name: str, *, wait: bool = True) -> None:
        """Start a process that has ended, on its old port, and with `wait` return when it is at work."""
        running = self.processes[name]
        with running.log.open("ab") as output:
            running.process = spawn(running.command, output.fileno())
        if wait:
            self.supervisor.wait_until_ready(running)

    def log(self, name: str) -> str:
        return self.processes[name].log.read_text(errors="replace")

    # The insurers' side -------------------------------------------------------------------------------------------

    def control(self, code: str, name: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steer an insurer; without a content only read."""
        address = urlsplit(self.control_urls[code])
        with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)) as connection:
            body = None if content is None else json.dumps(content)
            connection.request("GET" if content is None else "POST", f"{address.path}/{name}", body)
            answer = connection.getresponse()
            result: dict[str, Any] = json.loads(answer.read())
        if answer.status != http.client.OK:
            raise ControlRefused(f"{code} {name}: {result}")
        return result

    def faults(self, code: str, *following: str, **setting: Any) -> None:
        """What befalls the next money calls, one each; or mix=..., seed=...; nothing named: no faults any more."""
        self.control(code, "faults", {"next": list(following), **setting} if following else setting)

    def latency(self, code: str, seconds: float) -> None:
        self.control(code, "latency", {"seconds": seconds})

    def book(self, code: str) -> list[dict[str, Any]]:
        """The insurer's own settlements."""
        settlements: list[dict[str, Any]] = self.control(code, "book")["settlements"]
        return settlements

    # Our side -----------------------------------------------------------------------------------------------------

    @property
    def admin_url(self) -> str:
        """The bare login that made the cluster, at this stack's database."""
        return self.environment["DATABASE_URL"]

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a plain statement returns, run as the owner of the cluster and committed."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def connections(self, name: str) -> int:
        """Database connections that the named process holds now."""
        found = self.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = %s", [self.database, name]
        )
        return int(found[0][0])

    @property
    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.broker_url, socket_timeout=5)

    def _consumers(self) -> int:
        with closing(self.broker) as broker:
            clients: Any = broker.client_list()
            return sum(client["cmd"] == "brpop" for client in clients)


def _listens(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status > 0
        except (OSError, http.client.HTTPException):
            return False
