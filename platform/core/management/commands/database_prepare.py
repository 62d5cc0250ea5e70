"""What must exist before the first migration: the database, its roles, and who may take them."""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg import sql

ROLES = ("medisettle_owner", "medisettle_app", "medisettle_worker")
# Logins that may take a role, where the cluster has them; a login outside this table needs the grant by hand.
LOGINS = {"medisettle_app_login": "medisettle_app", "medisettle_worker_login": "medisettle_worker"}
FLOOR = 150000


def prepare(dsn: str, database: str) -> None:
    """Create `database` where missing, the three roles and their grants. Idempotent; `dsn` may create roles.

    Raises psycopg.Error when the login lacks a right, RuntimeError when the server is older than PostgreSQL 15.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.info.server_version < FLOOR:
            raise RuntimeError("PostgreSQL 15 or newer is needed")
        # Two test workers may prepare one cluster at once.
        connection.execute("SELECT pg_advisory_lock(7266001)")
        for role in ROLES:
            _create_role(connection, role)
        grants = [(role, connection.info.user) for role in ROLES]
        # The owner may hand a function to worker (SECURITY DEFINER functions run as worker).
        grants.append(("medisettle_worker", "medisettle_owner"))
        existing = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        grants += [(role, login) for login, role in LOGINS.items() if login in existing]
        for role, member in grants:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(database))
            )
        connection.execute("SELECT pg_advisory_unlock(7266001)")
    with psycopg.connect(dsn, dbname=database, autocommit=True) as connection:
        connection.execute("GRANT ALL ON SCHEMA public TO medisettle_owner WITH GRANT OPTION")
        connection.execute("GRANT USAGE ON SCHEMA public TO medisettle_app, medisettle_worker")
        connection.execute(
            "ALTER DEFAULT PRIVILEGES FOR ROLE medisettle_owner IN SCHEMA public "
            "GRANT USAGE ON SEQUENCES TO medisettle_app, medisettle_worker"
        )


def _create_role(connection: psycopg.Connection[Any], role: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))


class Command(BaseCommand):
    help = "Create the database and the roles owner, app and worker. Run it before `migrate`; it may run again."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        database = str(settings.DATABASES["default"]["NAME"])
        try:
            prepare(settings.DATABASE_ADMIN_DSN, database)
        except (psycopg.Error, RuntimeError) as error:
            raise CommandError(f"Cannot prepare the database: {error}".strip()) from error
        self.stdout.write(f"database {database} and its roles are ready")
