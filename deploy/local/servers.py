"""The two servers the platform stands on: those named in the environment, or our own from wheels."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.postgres import start_postgres
from deploy.local.processes import Running, Supervisor
from deploy.local.valkey import start_valkey

_OWN_LOGINS = ("DATABASE_URL_APP", "DATABASE_URL_WORKER")


@dataclass(frozen=True)
class LocalServers:
    """Where PostgreSQL and the broker are. The `*_process` are None for servers that were there already."""

    database_url: str
    database_url_app: str | None
    database_url_worker: str | None
    broker_url: str
    postgres_process: Running | None = None
    valkey_process: Running | None = None

    def environment(self) -> dict[str, str]:
        """The variables that the settings read: DATABASE_URL, DATABASE_URL_APP, DATABASE_URL_WORKER, BROKER_URL."""
        values = {
            "DATABASE_URL": self.database_url,
            "DATABASE_URL_APP": self.database_url_app,
            "DATABASE_URL_WORKER": self.database_url_worker,
            "BROKER_URL": self.broker_url,
        }
        return {name: value for name, value in values.items() if value}


def start_servers(
    supervisor: Supervisor, folder: Path, *, durable: bool = True, given: Mapping[str, str] | None = None
) -> LocalServers:
    """Start what `given` (default: this process's environment) does not name, with its data in `folder`.

    `durable=False` turns fsync off: for tests only. Raises ProcessFailed.
    """
    given = os.environ if given is None else given
    database_url, broker_url = given.get("DATABASE_URL"), given.get("BROKER_URL")
    app_url, worker_url = (given.get(name) or None for name in _OWN_LOGINS)
    postgres_process = valkey_process = None
    if not database_url:
        postgres = start_postgres(supervisor, folder, durable=durable)
        database_url, app_url, worker_url = postgres.admin_url, postgres.app_url, postgres.worker_url
        postgres_process = postgres.running
    if not broker_url:
        valkey = start_valkey(supervisor, folder)
        broker_url, valkey_process = valkey.url, valkey.running
    return LocalServers(database_url, app_url, worker_url, broker_url, postgres_process, valkey_process)


def new_keys() -> dict[str, str]:
    """Fresh values for MEDISETTLE_SECRET_KEY and MEDISETTLE_MASTER_KEYS."""
    return {
        "MEDISETTLE_SECRET_KEY": secrets.token_urlsafe(64),
        "MEDISETTLE_MASTER_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    }
