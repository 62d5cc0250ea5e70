"""The whole platform as real processes, for tests: insurers, listeners, workers, sweeper, a broker and a database.

Nothing in here is a test's own version of the platform: each process is started as an operator would start it, with the
database login of its kind, on a database of its own in which everything is committed. Each process's connections carry
its name (`application_name`), so a test can count or break them.

Module-scoped fixture `live`: one listener, one worker group of two children, the sweeper, the insurers SANDBOX-A and
SANDBOX-B. A test that needs another shape makes its own: `with live_stack(...) as stack`.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from django.conf import settings
from psycopg import sql

from deploy.local import ports
from deploy.local.folders import ROOT
from deploy.local.postgres import start_postgres
from deploy.local.processes import Command, Running, Supervisor, spawn
from deploy.local.valkey import start_valkey
from tests import servers
from tests.live_template import database_drop, live_template, template_made

__all__ = ["Answer", "LiveStack", "Shape", "live", "live_stack", "live_template", "until"]

INSURERS = (("SANDBOX-A", "all_capabilities"), ("SANDBOX-B", "nhsa_like"))
SCHEMES = {"SANDBOX-A": "310", "SANDBOX-B": "390", "SANDBOX-C": "340"}
REGION = "110000"
PATIENCE_SECONDS = 30.0
_numbers = itertools.count(1)


def until[Found](look: Callable[[], Found], *, seconds: float = PATIENCE_SECONDS, what: str = "it") -> Found:
    """What `look` returns as soon as that is true; fails the test after `seconds`."""
    give_up_at = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"{what} did not come within {seconds} seconds"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def verdict(self) -> str:
        return str(self.body.get("verdict"))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a stack consists of. Without `broker` its address is a port on which nobody listens, from the start."""

    listeners: int = 1
    workers: int = 1
    concurrency: int = 2
    sweeper: bool = True
    broker: bool = True
    own_postgres: bool = False
    insurers: Sequence[tuple[str, str]] = INSURERS
    environment: Mapping[str, str] = field(default_factory=dict)


class LiveStack:
    """A running platform. Process names: postgres (own only), valkey, sandbox-a, listener-1, workers-1, sweeper."""

    def __init__(self, folder: Path, supervisor: Supervisor, shape: Shape) -> None:
        self.folder, self.supervisor, self.shape = folder, supervisor, shape
        self.database = f"live_{os.environ[servers.SESSION]}_{os.getpid()}_{next(_numbers)}"
        self.processes: dict[str, Running] = {}
        self.base_urls: list[str] = []
        self.control_urls: dict[str, str] = {}
        self.client_keys: dict[str, str] = {}
        self.broker_url = ""
        self.environment: dict[str, str] = {}
        self.insurer_secrets: dict[str, bytes] = {}

    # Starting -----------------------------------------------------------------------------------------------------

    def start(self) -> LiveStack:
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
        for running in self.processes.values():
            self.supervisor.wait_until_ready(running)
        return self

    def _start(self, command: Command) -> None:
        self.processes[command.name] = self.supervisor.start(command, wait=False)

    def _start_servers(self) -> None:
        self.broker_url = f"redis://127.0.0.1:{ports.reserve_any()}/0"
        if self.shape.broker:
            valkey = start_valkey(self.supervisor, self.folder)
            self.broker_url, self.processes["valkey"] = valkey.url, valkey.running
        self.environment = servers.process_environment(self.database)
        if self.shape.own_postgres:
            postgres = start_postgres(self.supervisor, self.folder, durable=False)
            self.processes["postgres"] = postgres.running
            self.database = urlsplit(postgres.admin_url).path.strip("/")
            self.environment |= {"DATABASE_URL": postgres.admin_url}
            self.environment |= {"DATABASE_URL_APP": postgres.app_url, "DATABASE_URL_WORKER": postgres.worker_url}
        else:
            self._copy_template()
        self.environment |= {"BROKER_URL": self.broker_url, "PYTHONUNBUFFERED": "1", **self.shape.environment}
        if self.shape.own_postgres:
            self.manage("database_prepare")
            self.manage("migrate", "--no-input")

    def _copy_template(self) -> None:
        template = template_made(self.supervisor)
        with psycopg.connect(settings.DATABASE_ADMIN_DSN, autocommit=True) as connection:
            names = sql.Identifier(self.database), sql.Identifier(template)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

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

    def terminate(self, name: str, *, seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, as an operator would end it; returns the exit code."""
        self.processes[name].process.terminate()
        return self.processes[name].process.wait(seconds)

    def pause(self, name: str) -> None:
        """SIGSTOP to a process and all of its children."""
        os.killpg(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        os.killpg(self.pid(name), signal.SIGCONT)

    def start_again(self, name: str) -> None:
        """Start a process that has ended, on its old port, and wait until it is at work."""
        running = self.processes[name]
        with running.log.open("ab") as output:
            running.process = spawn(running.command, output.fileno())
        self.supervisor.wait_until_ready(running)

    def log(self, name: str) -> str:
        return self.processes[name].log.read_text(errors="replace")

    # The hospital's side ------------------------------------------------------------------------------------------

    def wish(
        self,
        his_no: str = "",
        *,
        insurer: str = "SANDBOX-A",
        ending: str = "1237",
        total_minor: int = 10000,
        **changes: Any,
    ) -> dict[str, Any]:
        """An invented patient's fee of one line. `ending` of the id number says what the insurer does with it."""
        his_no = his_no or f"L-{next(_numbers):06d}"
        return {
            "his_no": his_no,
            "operation": "settle",
            "person": {"id_type": "01", "id_no": f"11010119900101{ending}", "name": "张三"},
            "visit": {"visit_no": f"V-{his_no}", "kind": "outpatient"},
            "insurance": {"scheme": SCHEMES[insurer], "region": REGION},
            "items": [{"line_no": 1, "code": "XM0001", "name": "检查费", "quantity": "1", "amount_minor": total_minor}],
            "total_minor": total_minor,
            "wait_seconds": 10,
        } | changes

    def post(
        self,
        wish: Mapping[str, Any] | bytes,
        *,
        key: str | None = None,
        hospital: str = "HOSP-A",
        listener: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST transactions; `key` defaults to one made from the his_no. A body of bytes is sent as it is."""
        body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
        key = key or (secrets.token_hex(8) if isinstance(wish, bytes) else f"key-{wish['his_no']}")
        more = {"Content-Type": "application/json", "Idempotency-Key": key, **(headers or {})}
        return self.ask("POST", "transactions", body, hospital=hospital, listener=listener, headers=more)

    def get(self, his_no: str, *, hospital: str = "HOSP-A", listener: int = 0) -> Answer:
        return self.ask("GET", f"transactions/{his_no}", hospital=hospital, listener=listener)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        hospital: str = "HOSP-A",
        listener: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request under /api/his/v1/ with the hospital's key. Raises OSError, HTTPException."""
        address = urlsplit(self.base_urls[listener])
        all_headers = {"Authorization": f"Bearer {self.client_keys[hospital]}", **(headers or {})}
        with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)) as connection:
            connection.request(method, f"/api/his/v1/{path}", body, all_headers)
            answer = connection.getresponse()
            raw = answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(raw))

    # The insurers' side -------------------------------------------------------------------------------------------

    def control(self, code: str, name: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steer an insurer; without a content only read."""
        address = urlsplit(self.control_urls[code])
        with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)) as connection:
            body = None if content is None else json.dumps(content)
            connection.request("GET" if content is None else "POST", f"{address.path}/{name}", body)
            answer = connection.getresponse()
            result: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, result
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
        return urlunsplit(urlsplit(self.environment["DATABASE_URL"])._replace(path=f"/{self.database}"))

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a plain statement returns, run as the owner of the cluster and committed."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def state(self, his_no: str) -> str:
        found = self.rows("SELECT state FROM exchange_transaction WHERE his_no = %s", [his_no])
        return str(found[0][0]) if found else ""

    def wait_for(self, his_no: str, *states: str, seconds: float = PATIENCE_SECONDS) -> str:
        """The state of a transaction as soon as it is one of `states`; named none: as soon as it has been worked."""

        def look() -> str:
            state = self.state(his_no)
            return state if (state in states if states else state not in ("", "RECEIVED", "SENDING")) else ""

        return until(look, seconds=seconds, what=f"{his_no} in {states or 'an end'}")

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


@contextmanager
def live_stack(folder: Path, **shape: Any) -> Iterator[LiveStack]:
    """A running stack of the given Shape; `folder` keeps its logs. Everything is stopped and dropped at the end."""
    # pytest's folders are closed to others, and PostgreSQL may run as another account: it finds itself a home then.
    with Supervisor(folder / "logs", lambda _: None) as supervisor:
        stack = LiveStack(folder, supervisor, Shape(**shape))
        try:
            yield stack.start()
        finally:
            # A paused process would not hear that it shall end.
            for name in stack.processes:
                if stack.processes[name].process.poll() is None:
                    stack.resume(name)
            supervisor.stop()
            if not stack.shape.own_postgres:
                database_drop(stack.database)


@pytest.fixture(scope="module")
def live(live_template: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """The usual stack, one per test module. Mark the module with `pytest.mark.xdist_group` of its own name."""
    with live_stack(tmp_path_factory.mktemp("live")) as stack:
        yield stack
