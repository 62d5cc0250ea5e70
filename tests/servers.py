"""pytest plugin: one PostgreSQL and one broker for the whole session, known before Django's settings load.

Loaded with `-p tests.servers`: a conftest is too late, as pytest-django reads the settings before it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit

import pytest

from deploy.local.folders import ROOT, VAR, temporary
from deploy.local.processes import Command, Supervisor
from deploy.local.servers import new_keys, start_servers
from tests.kept_cluster import cluster_kept, cluster_taken

SESSION = "MEDISETTLE_TEST_SESSION"
OWN_CLUSTER = "MEDISETTLE_TEST_CLUSTER"  # Its folder, where the servers are this session's own.


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Start the servers, in the controller or the only process; a worker of xdist takes its share of them.

    A wrapper, because wrappers run before every other plugin's hook.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        _start(early_config)
    else:
        _take_own_broker_database(int(worker.removeprefix("gw")) + 1)
    yield


def _start(config: pytest.Config) -> None:
    _keep_bytecode()
    stack = ExitStack()
    # Registered first: what is started is also stopped when a later start, or Django's settings, fail.
    config.add_cleanup(stack.close)
    folder = stack.enter_context(temporary("test"))
    if not os.environ.get("DATABASE_URL"):
        cluster_taken(folder)
        stack.callback(cluster_kept, folder)
        os.environ[OWN_CLUSTER] = str(folder)
    supervisor = stack.enter_context(Supervisor(folder / "logs"))
    servers = start_servers(supervisor, folder, durable=False)
    # The tables must belong to the owner; tests that play app or worker take that role on their connection.
    kind = {"MEDISETTLE_ENV": "test", "MEDISETTLE_PROFILE": "all", "MEDISETTLE_DB_ROLE": "owner"}
    os.environ.update({**servers.environment(), **new_keys(), **kind, SESSION: str(os.getpid())})
    if getattr(config.known_args_namespace, "numprocesses", None):
        # A head start: who needs the template before it is ready waits for it, and makes it should this fail.
        supervisor.start(_template_made(), wait=False)


def _keep_bytecode() -> None:
    """Where Python may leave no bytecode in the tree, the processes of the tests keep theirs in a folder of its own.

    They would compile two thousand modules at every start: of a hundred processes that is minutes.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(VAR / "bytecode"))


def _template_made() -> Command:
    return Command(
        name="template",
        arguments=[sys.executable, "-m", "tests.live_template"],
        environment={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        folder=ROOT,
    )


def _take_own_broker_database(number: int) -> None:
    parts = urlsplit(os.environ["BROKER_URL"])
    os.environ["BROKER_URL"] = urlunsplit(parts._replace(path=f"/{number}"))


def process_environment(database: str) -> dict[str, str]:
    """The environment for a process started by a test, which shall work on the test's own `database`."""
    environment = {name: value for name, value in os.environ.items() if name != "MEDISETTLE_DB_ROLE"}
    for name in ("DATABASE_URL", "DATABASE_URL_APP", "DATABASE_URL_WORKER"):
        if name in environment:
            environment[name] = urlunsplit(urlsplit(environment[name])._replace(path=f"/{database}"))
    return environment
