"""PostgreSQL and Valkey from wheels, really started."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from deploy.local.folders import FolderInUse, claimed, is_claimed, remove, temporary
from deploy.local.processes import Supervisor
from deploy.local.servers import LocalServers, start_servers

NO_BROKER = {"BROKER_URL": "redis://127.0.0.1:1/0"}


@contextmanager
def running_postgres(folder: Path) -> Iterator[LocalServers]:
    with Supervisor(folder / "logs") as supervisor:
        yield start_servers(supervisor, folder, durable=False, given=NO_BROKER)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A path with a space, and as root one that the server's account cannot reach: pytest keeps its folders private."""
    folder = tmp_path / "a demo"
    folder.mkdir()
    yield folder
    remove(folder)


def first_value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_the_second_start_in_a_folder_finds_the_data_of_the_first(folder: Path) -> None:
    with running_postgres(folder) as servers, psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with running_postgres(folder) as servers:
        assert first_value(servers.database_url, "SELECT answer FROM kept") == 42


def test_it_starts_after_the_server_was_killed(folder: Path) -> None:
    with Supervisor(folder / "logs") as supervisor:
        servers = start_servers(supervisor, folder, durable=False, given=NO_BROKER)
        with psycopg.connect(servers.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert servers.postgres_process is not None
        os.kill(servers.postgres_process.process.pid, signal.SIGKILL)
        servers.postgres_process.process.wait()
        supervisor.check()
        assert first_value(servers.database_url, "SELECT answer FROM kept") == 42


def test_the_mark_of_a_server_long_gone_does_not_stop_the_next(folder: Path) -> None:
    with running_postgres(folder) as servers:
        data = Path(str(first_value(servers.database_url, "SHOW data_directory")))
    # The number in the mark now belongs to some other process: to this one.
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    with running_postgres(folder) as servers:
        assert first_value(servers.database_url, "SELECT 1") == 1


def test_the_server_runs_unprivileged_and_commits_to_disk(folder: Path) -> None:
    with running_postgres(folder) as servers:
        assert servers.postgres_process is not None
        process_id = servers.postgres_process.process.pid
        assert Path(f"/proc/{process_id}").stat().st_uid != 0
        assert first_value(servers.database_url, "SHOW synchronous_commit") == "on"
        assert first_value(servers.database_url, "SHOW listen_addresses") == "127.0.0.1"


def test_the_lesser_logins_are_no_superusers_and_need_their_password(folder: Path) -> None:
    with running_postgres(folder) as servers:
        for url in (servers.database_url_app, servers.database_url_worker):
            assert url is not None
            assert first_value(url, "SELECT usesuper FROM pg_user WHERE usename = current_user") is False
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(url, password="wrong")


def test_it_never_loosens_the_folders_above_its_own(folder: Path) -> None:
    parent = folder.parent
    parent.chmod(0o700)
    with running_postgres(folder):
        assert stat.S_IMODE(parent.stat().st_mode) == 0o700


def test_passwords_are_readable_by_their_owner_only(folder: Path) -> None:
    with running_postgres(folder):
        assert stat.S_IMODE((folder / "logins.json").stat().st_mode) == 0o600


def test_servers_named_in_the_environment_are_used_and_not_started(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://me@db.example.org/settle", **NO_BROKER}
    with Supervisor(tmp_path / "logs") as supervisor:
        servers = start_servers(supervisor, tmp_path, given=given)
        assert supervisor.running == []
    assert servers.environment() == given


def test_the_broker_saves_nothing_and_has_room_for_every_test_worker(tmp_path: Path) -> None:
    import redis

    given = {"DATABASE_URL": "postgresql://me@db.example.org/settle"}
    with Supervisor(tmp_path / "logs") as supervisor:
        url = start_servers(supervisor, tmp_path, given=given).broker_url
        with redis.Redis.from_url(url.replace("/0", "/63")) as broker:
            broker.set("hint", "1")
            assert broker.config_get("save") == {"save": ""}
    assert list(tmp_path.glob("*.rdb")) == []


def test_a_folder_is_claimed_by_one_process_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path):
        assert is_claimed(tmp_path)
        with pytest.raises(FolderInUse), claimed(tmp_path):
            pass
    assert not is_claimed(tmp_path)


def test_a_temporary_folder_goes_and_takes_along_what_a_killed_one_left() -> None:
    with temporary("proof") as first:
        with temporary("proof") as second:
            assert first.exists()
            assert second.exists()
        assert not second.exists()
        left = first.with_name("proof-left")
        with claimed(left):
            pass
        with temporary("proof"):
            assert not left.exists()
            assert first.exists()
    assert not first.exists()
