"""PostgreSQL: the truth. One login per kind of process takes one of three roles; each role has its time limits."""

from __future__ import annotations

import os

from psycopg.conninfo import make_conninfo

from config.settings import environment

ROLES = ("owner", "app", "worker")
DATABASE_ROLE = environment.choice("MEDISETTLE_DB_ROLE", ROLES, "app")
_URLS = {"owner": "DATABASE_URL", "app": "DATABASE_URL_APP", "worker": "DATABASE_URL_WORKER"}
_TIMEOUTS = {
    "owner": "",
    "app": "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
    "worker": "-c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
}

# Limits on the server cannot help when the server is gone: a dead line is noticed here, within about ten seconds.
_LINK = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}


def options_for(role: str) -> str:
    """libpq `options` that take `role` and its limits, and make a commit mean: it is on disk."""
    return f"-c role=medisettle_{role} -c synchronous_commit=on -c timezone=UTC {_TIMEOUTS[role]}".strip()


def _connection(role: str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        **environment.database(_URLS[role], "DATABASE_URL"),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"options": options_for(role), "connect_timeout": 5, **_LINK},
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


DATABASES = {"default": _connection(DATABASE_ROLE)}
# `database_prepare` creates roles: it needs the bare login, without a role taken.
_admin = environment.database("DATABASE_URL", "DATABASE_URL")
DATABASE_ADMIN_DSN = make_conninfo(
    host=_admin["HOST"],
    port=_admin["PORT"],
    user=_admin["USER"],
    password=_admin["PASSWORD"],
    dbname=os.environ.get("MEDISETTLE_MAINTENANCE_DATABASE", "postgres"),
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
