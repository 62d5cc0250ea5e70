"""One demo instance: its folder, ports and secrets, and the processes of the platform in the order of their start."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import ports
from deploy.local.folders import ROOT, VAR, is_claimed, write_private
from deploy.local.processes import Command, Supervisor
from deploy.local.servers import new_keys, start_servers

PUBLISHED = VAR / "demo.json"
FIRST_PORT, LAST_PORT = 8000, 8098
# Where insurers' systems tell their decisions.
DECISIONS = "/api/spi/v1/decisions"
_PROBE_SECONDS = 5.0
# Workers and sweeper answer no probe. One that cannot work says so and ends before this.
_LIVED_SECONDS = 6.0
_RESTARTS_PER_MINUTE = 5
# Insurer, what it can do (insurers/sandbox/profiles.py) and the port it takes when that is free.
INSURERS = (
    ("SANDBOX-A", "all_capabilities", 8101),
    ("SANDBOX-B", "nhsa_like", 8102),
    ("SANDBOX-C", "no_empty_cancel", 8103),
)
# The system of a commercial insurer that decides on claims (platform/ops/services/docking.py).
DOCKED = (("INS-C", "all_capabilities", 8104),)


class PortTaken(Exception):
    """The port that was asked for, or the one after it, is in use."""


@dataclass(frozen=True)
class Insurer:
    """A sandbox insurer's process and how the platform reaches it."""

    code: str
    profile: str
    port: int
    secret_file: Path
    book: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        return f"{self.url}/_control"


def choose_port(asked: str | None) -> int:
    """Take `asked` and the port after it, or the first free pair. Raises PortTaken, ValueError."""
    if asked:
        port = int(asked)
        if not ports.reserve(port, port + 1):
            raise PortTaken(
                f"PORT={port}: {port} or {port + 1} is in use (make demo-stop ends a detached demo). "
                "Choose another, or leave PORT out."
            )
        return port
    for port in range(FIRST_PORT, LAST_PORT + 1, 2):
        if ports.reserve(port, port + 1):
            if port != FIRST_PORT:
                print(f"Port {FIRST_PORT} or {FIRST_PORT + 1} is in use: this demo takes {port} and {port + 1}.")
            return port
    raise PortTaken(f"All ports from {FIRST_PORT} to {LAST_PORT + 1} are in use. Say which to take: make demo PORT=...")


class Instance:
    """The demo in `folder`, on `port` and the one after it."""

    def __init__(self, folder: Path, port: int, supervisor: Supervisor) -> None:
        self.folder = folder
        self.listener_ports = (port, port + 1)
        self.profiles = {code: profile for code, profile, _ in INSURERS}
        self.description = folder / "demo.json"
        self._supervisor = supervisor
        self._environment: dict[str, str] = {}

    def start(self) -> None:
        """Start everything and return when all of it answers. Raises ProcessFailed."""
        print("Starting PostgreSQL and Valkey")
        servers = start_servers(self._supervisor, self.folder)
        self._environment = self._write_environment(servers.environment())
        insurers = [self._insurer(*insurer) for insurer in INSURERS]
        docked = [self._insurer(*insurer) for insurer in DOCKED]
        print("Preparing the database")
        self._manage("prepare", "database_prepare")
        self._manage("migrate", "migrate", "--no-input")
        self._manage("static", "collectstatic", "--no-input")
        lists = ("--insurers", self._list("insurers", insurers), "--docked", self._list("docked", docked))
        world = (*lists, "--out", str(self.description), *self._addresses())
        self._manage("seed", "demo_seed", *world)
        print("Starting insurers, workers and listeners")
        for insurer in (*insurers, *docked):
            self._supervisor.start(self._sandbox(insurer))
        self._supervisor.start(self._process("workers", "manage.py", "workers", "--concurrency", "2"))
        self._supervisor.start(self._process("sweeper", "manage.py", "sweeper"))
        beat = (
            "-m",
            "celery",
            "--app",
            "config",
            "beat",
            "--loglevel",
            "WARNING",
            "--scheduler",
            "celery.beat:Scheduler",
        )
        self._supervisor.start(self._process("beat", *beat))
        for port in self.listener_ports:
            self._supervisor.start(self._listener(port))
        self._supervisor.confirm(_LIVED_SECONDS)

    def publish(self) -> Path:
        """Copy the description to var/demo.json, unless that belongs to another instance that is running.

        Returns the file in which this instance is described.
        """
        if PUBLISHED.exists():
            base_url = str(json.loads(PUBLISHED.read_text()).get("base_url", ""))
            owner = instance_folder(urlsplit(base_url).port or 0)
            if owner != self.folder and is_claimed(owner):
                return self.description
        write_private(PUBLISHED, self.description.read_text())
        return PUBLISHED

    def play(self) -> int:
        """Play the stories against this instance. Returns 0 when the books agree."""
        return self._supervisor.run_in_front(self._process("story", "manage.py", "demo_story"))

    def _write_environment(self, servers: Mapping[str, str]) -> dict[str, str]:
        """What our processes get. The same is kept in secrets.env, to be sourced by a shell beside the demo."""
        path = self.folder / "secrets.env"
        kept = _read_environment(path)
        keys = {name: os.environ.get(name) or kept.get(name) or value for name, value in new_keys().items()}
        own = {
            **keys,
            **servers,
            "MEDISETTLE_ENV": "demo",
            "MEDISETTLE_PROFILE": "all",
            "MEDISETTLE_DEMO_FILE": str(self.description),
            "MEDISETTLE_OUTBOX": str(self.folder / "outbox"),
            "MEDISETTLE_DOCUMENTS": str(self.folder / "documents"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        write_private(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in own.items()))
        # Each command takes the database role that belongs to it, whatever the shell says.
        inherited = {name: value for name, value in os.environ.items() if name != "MEDISETTLE_DB_ROLE"}
        return {**inherited, **own, "PYTHONUNBUFFERED": "1"}

    def _insurer(self, code: str, profile: str, preferred_port: int) -> Insurer:
        folder = self.folder / "insurers"
        folder.mkdir(exist_ok=True)
        secret_file = folder / f"{code}.secret.json"
        if not secret_file.exists():
            secret = base64.b64encode(secrets.token_bytes(32)).decode()
            write_private(secret_file, json.dumps({"key_id": "k1", "secret": secret}))
        port = ports.reserve_any(preferred_port)
        return Insurer(code, profile, port, secret_file, folder / f"{code}.sqlite3")

    def _addresses(self) -> list[str]:
        return [word for port in self.listener_ports for word in ("--base-url", f"http://127.0.0.1:{port}")]

    def _list(self, name: str, insurers: list[Insurer]) -> str:
        path = self.folder / f"{name}.json"
        entries = [
            {
                "code": insurer.code,
                "profile": insurer.profile,
                "url": insurer.url,
                "control_url": insurer.control_url,
                **json.loads(insurer.secret_file.read_text()),
            }
            for insurer in insurers
        ]
        write_private(path, json.dumps(entries, indent=1))
        return str(path)

    def _sandbox(self, insurer: Insurer) -> Command:
        options = {
            "--code": insurer.code,
            "--port": str(insurer.port),
            "--book": str(insurer.book),
            "--secret-file": str(insurer.secret_file),
            "--profile": insurer.profile,
            "--callback-url": f"http://127.0.0.1:{self.listener_ports[0]}{DECISIONS}",
        }
        return Command(
            name=insurer.code.lower(),
            arguments=[sys.executable, "-m", "insurers.sandbox", *(word for pair in options.items() for word in pair)],
            # It is somebody else's system: it gets neither our keys nor the way to our database.
            environment={"PATH": os.environ.get("PATH", os.defpath), "PYTHONUNBUFFERED": "1"},
            folder=ROOT,
            ready=lambda: answers(f"{insurer.control_url}/book"),
            restarts_per_minute=_RESTARTS_PER_MINUTE,
        )

    def _listener(self, port: int) -> Command:
        options = {
            "--interface": "asgi",
            "--host": "127.0.0.1",
            "--port": str(port),
            "--workers": "1",
            "--static-path-mount": str(VAR / "static"),
        }
        return Command(
            name=f"listener-{port}",
            arguments=[
                *(sys.executable, "-m", "granian"),
                *(word for pair in options.items() for word in pair),
                "config.asgi:application",
            ],
            environment=self._environment,
            folder=ROOT,
            ready=lambda: answers(f"http://127.0.0.1:{port}/healthz"),
            restarts_per_minute=_RESTARTS_PER_MINUTE,
        )

    def _process(self, name: str, *arguments: str) -> Command:
        return Command(
            name=name,
            arguments=[sys.executable, *arguments],
            environment=self._environment,
            folder=ROOT,
            restarts_per_minute=_RESTARTS_PER_MINUTE,
        )

    def _manage(self, name: str, *arguments: str) -> None:
        self._supervisor.run(self._process(name, "manage.py", *arguments))


def instance_folder(port: int) -> Path:
    """Where the demo on `port` keeps its data, logs and secrets."""
    return VAR / f"demo-{port}"


def answers(url: str) -> bool:
    """Whether a GET of `url` on loopback is answered with 200. No proxy of the environment is asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _read_environment(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(word.split("=", 1) for word in shlex.split(path.read_text()))
