"""What is not answered yet survives on the disk, and nobody else can read it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medisettle_client import Client, Kept, StoreError
from medisettle_client.keys import key_of
from medisettle_client.store import FILE, KEY_FILE, Store

PERSON = {"id_no": "110101199001011237", "name": "张三"}
WISH: dict[str, Any] = {"his_no": "S-1", "operation": "settle", "person": PERSON, "total_minor": 10000}
SINCE = datetime(2026, 11, 25, 8, tzinfo=UTC)


def kept_wish(his_no: str = "S-1") -> Kept:
    return Kept(key=f"settle.{his_no}", his_no=his_no, act="settle", since=SINCE, body={**WISH, "his_no": his_no})


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_it_gives_back_what_was_kept_oldest_first(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=10)
    assert [store.keep(kept_wish(his_no)) for his_no in ("S-2", "S-1")] == [False, False]
    assert store.keep(kept_wish("S-2")), "it was there before"
    store.close()
    assert Store(tmp_path, limit=10).kept() == [kept_wish("S-2"), kept_wish("S-1")]


def test_only_its_owner_may_read_it_and_nobody_reads_a_person_in_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "till", limit=10)
    store.keep(kept_wish())
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "till").iterdir()} == {0o600}
    assert (tmp_path / "till").stat().st_mode & 0o777 == 0o700
    found = all_bytes(tmp_path / "till")
    assert PERSON["id_no"].encode() not in found
    assert PERSON["name"].encode() not in found
    assert PERSON["id_no"] not in repr(store.kept())


def test_what_is_answered_is_gone_from_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=10)
    store.keep(kept_wish())
    with closing(sqlite3.connect(tmp_path / FILE)) as reader:
        (sealed,) = reader.execute("SELECT sealed FROM kept").fetchone()
    store.forget("settle.S-1")
    store.close()
    assert sealed not in all_bytes(tmp_path)
    assert Store(tmp_path, limit=10).kept() == []


def test_it_opens_only_with_its_own_key(tmp_path: Path) -> None:
    Store(tmp_path, limit=10).keep(kept_wish())
    (tmp_path / KEY_FILE).write_bytes(bytes(32))
    with pytest.raises(StoreError, match="another key"):
        Store(tmp_path, limit=10).kept()


def test_it_makes_no_new_key_beside_what_an_old_one_sealed(tmp_path: Path) -> None:
    Store(tmp_path, limit=10).keep(kept_wish())
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(StoreError, match="missing"):
        Store(tmp_path, limit=10)


@pytest.mark.parametrize("name", [FILE, KEY_FILE])
def test_it_refuses_files_that_others_can_read(tmp_path: Path, name: str) -> None:
    Store(tmp_path, limit=10)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(StoreError, match="chmod 600"):
        Store(tmp_path, limit=10)


def test_a_sealed_body_counts_for_its_own_key_only(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=10)
    store.keep(kept_wish("S-1"))
    store.keep(kept_wish("S-2"))
    store.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as thief:
        thief.execute("UPDATE kept SET sealed = (SELECT sealed FROM kept WHERE his_no = 'S-1')")
        thief.commit()
    with pytest.raises(StoreError):
        Store(tmp_path, limit=10).kept()


def test_it_takes_no_more_than_its_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=2)
    store.keep(kept_wish("S-1"))
    store.keep(kept_wish("S-2"))
    with pytest.raises(StoreError, match="2 requests"):
        store.keep(kept_wish("S-3"))
    assert store.keep(kept_wish("S-2")), "what is there may be asked again"


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from datetime import *; from medisettle_client.store import *; "
        "Store(Path(sys.argv[1]), limit=99).keep(Kept(key=sys.argv[2], his_no=sys.argv[2], act='settle',"
        " since=datetime.now(UTC), body={'n': sys.argv[2]}))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, tmp_path / "s", f"S-{n}"]) for n in range(6)]
    assert [process.wait(30) for process in running] == [0] * 6
    assert {kept.body["n"] for kept in Store(tmp_path / "s", limit=99).kept()} == {f"S-{n}" for n in range(6)}


def test_a_folder_that_cannot_be_used_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError):
        Client(["http://127.0.0.1:1"], "key", store=tmp_path / "taken")


def test_without_a_store_nothing_that_acts_is_sent() -> None:
    with Client(["http://127.0.0.1:1"], "key") as client, pytest.raises(StoreError, match="no store"):
        client.settle(WISH)


def test_a_key_is_the_same_at_every_repeat_and_tells_nothing_about_the_person() -> None:
    key = key_of("settle", "S-1", WISH)
    assert key == key_of("settle", "S-1", dict(reversed(WISH.items())) | {"wait_seconds": 3})
    assert key == key_of("settle", "S-1", {**WISH, "person": {"id_no": "another"}})
    assert key.isascii()
    assert len(key) < 255
    different = {key_of("settle", "S-2", WISH), key_of("cancel", "S-1", WISH), key_of("settle", "S-1", {"a": 1})}
    assert key not in different
