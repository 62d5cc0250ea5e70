"""Following the abnormal feed of the real platform: each entry once per change, over restarts, kills and outages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue

import pytest

from medisettle_client import Change, Client, Limits
from tests.live import LiveStack, until

NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
PROGRAM = """
import json, sys, time
from medisettle_client import Client
addresses, key, store = json.load(sys.stdin)
for change in Client(addresses, key, store=store).watch():
    print(change.entry.his_no, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def client(stack: LiveStack, tmp_path: Path) -> Iterator[Client]:
    with client_of(stack, tmp_path) as made:
        yield made


def client_of(stack: LiveStack, store: Path, *, limits: Limits | None = None) -> Client:
    return Client(stack.base_urls, stack.client_keys["HOSP-A"], store=store, limits=limits)


def shown(client: Client, *his_nos: str, name: str = "watch") -> list[tuple[str, str, str]]:
    """What one reading shows of these."""
    return [
        (change.what, change.entry.kind, change.entry.his_no)
        for change in client.changes(name=name)
        if change.entry.his_no in his_nos
    ]


def settled(stack: LiveStack, client: Client, count: int) -> list[str]:
    """Fees that are settled, and that nobody has booked."""
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(client.settle, [stack.wish() for _ in range(count)]))
    assert all(verdict.succeeded for verdict in verdicts)
    return [verdict.his_no for verdict in verdicts]


def test_an_entry_is_shown_when_it_comes_when_it_changes_and_when_it_leaves(
    stack: LiveStack, client: Client, tmp_path: Path
) -> None:
    (his_no,) = settled(stack, client, 1)
    assert shown(client, his_no) == [("new", "unacknowledged", his_no)]
    assert shown(client, his_no) == []
    with client_of(stack, tmp_path) as restarted:
        assert shown(restarted, his_no) == []
        restarted.acknowledge(his_no)
        assert shown(restarted, his_no) == [("left", "unacknowledged", his_no)]
        assert shown(restarted, his_no) == []


def test_a_doubt_is_followed_to_its_end(stack: LiveStack, client: Client) -> None:
    stack.faults("SANDBOX-A", "commit_then_silence")
    wish = stack.wish(wait_seconds=0)
    his_no = wish["his_no"]
    client.settle(wish)
    stack.wait_for(his_no, "IN_DOUBT", "SUCCEEDED")
    seen: list[tuple[str, str]] = []
    for change in client.watch(every_seconds=0.1):
        if change.entry.his_no == his_no:
            seen.append((change.what, change.entry.kind))
        if seen[-1:] == [("new", "unacknowledged")]:
            client.acknowledge(his_no)
        if seen[-1:] == [("left", "unacknowledged")]:
            break
    # Whatever the doubt looked like on the way: each kind came, and has left as often as it came.
    kinds = {kind for _, kind in seen}
    histories = [[what for what, one in seen if one == kind] for kind in kinds]
    assert {(history[0], history[-1]) for history in histories} == {("new", "left")}
    assert all(history.count("new") == history.count("left") for history in histories)


def test_many_pages_are_one_reading_and_nothing_is_lost_or_doubled(stack: LiveStack, client: Client) -> None:
    his_nos = settled(stack, client, 250)
    listed = [entry.his_no for entry in client.abnormal()]
    assert sorted(set(listed) & set(his_nos)) == sorted(his_nos)
    assert sorted(his_no for _, _, his_no in shown(client, *his_nos)) == sorted(his_nos)
    assert shown(client, *his_nos) == []
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client.acknowledge, his_nos))
    assert {(what, his_no) for what, _, his_no in shown(client, *his_nos)} == {("left", one) for one in his_nos}


def test_each_watcher_has_a_memory_of_its_own(stack: LiveStack, client: Client) -> None:
    (his_no,) = settled(stack, client, 1)
    assert len(shown(client, his_no, name="till")) == 1
    assert len(shown(client, his_no, name="back office")) == 1
    assert shown(client, his_no, name="till") == []


def test_what_was_being_worked_on_when_the_program_was_killed_is_shown_again(
    stack: LiveStack, client: Client, tmp_path: Path
) -> None:
    his_nos = settled(stack, client, 3)
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert program.stdin is not None
    assert program.stdout is not None
    store = tmp_path / "watcher"
    with program.stdin as told, program.stdout as output:
        told.write(json.dumps([stack.base_urls, stack.client_keys["HOSP-A"], str(store)]).encode())
        told.close()
        first = output.readline().decode().strip()
        program.send_signal(signal.SIGKILL)
        assert program.wait(10) == -signal.SIGKILL
    with client_of(stack, store) as again:
        changes = list(again.changes())
        assert changes[0].entry.his_no == first
        assert set(his_nos) <= {change.entry.his_no for change in changes}


def test_it_waits_out_an_outage(stack: LiveStack, tmp_path: Path) -> None:
    names = ("listener-1", "listener-2")
    limits = Limits(deadline_seconds=0.5, pauses_seconds=(0.05,))
    found: Queue[Change] = Queue()
    stop = threading.Event()
    with client_of(stack, tmp_path, limits=limits) as client, client_of(stack, tmp_path / "till") as till:

        def follow() -> None:
            for change in client.watch(every_seconds=0.1):
                found.put(change)
                if stop.is_set():
                    return

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        (before,) = settled(stack, till, 1)
        until(lambda: found.get(timeout=10).entry.his_no == before)
        for name in names:
            stack.kill(name)
        for name in names:
            stack.start_again(name)
        (after,) = settled(stack, till, 1)
        until(lambda: found.get(timeout=20).entry.his_no == after)
        stop.set()
        till.acknowledge(after)
        thread.join(20)
        assert not thread.is_alive()
