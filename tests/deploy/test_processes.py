"""The supervisor, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.folders import ROOT
from deploy.local.processes import Command, ProcessFailed, Supervisor, log_tail

LIMIT_SECONDS = 30.0


def shell(name: str, script: str, **options: object) -> Command:
    return Command(name=name, arguments=["sh", "-c", script], environment=dict(os.environ), folder=ROOT, **options)  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs", said.append) as supervisor:
        yield supervisor


def test_it_waits_until_the_process_answers(supervisor: Supervisor, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    supervisor.start(shell("slow", f"sleep 0.3; touch '{answer}'; sleep 600", ready=answer.exists))
    assert answer.exists()


def test_a_process_that_ends_before_it_answers_is_reported_with_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match=r"broken ended with exit code 3(.|\n)*the disk is full"):
        supervisor.start(shell("broken", "echo the disk is full; exit 3", ready=lambda: False))


def test_a_process_that_never_answers_is_given_up(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match="did not answer within 0 seconds"):
        supervisor.start(shell("mute", "sleep 600", ready=lambda: False, ready_seconds=0.2))


def test_a_step_that_fails_is_reported_with_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match=r"step ended with exit code 4(.|\n)*no such table"):
        supervisor.run(shell("step", "echo no such table >&2; exit 4"))


def test_what_dies_is_started_again_and_said(supervisor: Supervisor, said: list[str]) -> None:
    running = supervisor.start(shell("worker", "echo started; sleep 600", restarts_per_minute=1))
    until(lambda: "started" in log_tail(running.log))
    first = running.process.pid
    os.kill(first, signal.SIGKILL)
    running.process.wait()
    supervisor.check()
    assert running.process.pid != first
    assert running.process.poll() is None
    assert said == ["worker ended with SIGKILL: it is started again"]


def test_what_dies_too_often_ends_the_instance(supervisor: Supervisor) -> None:
    running = supervisor.start(shell("worker", "echo cannot go on; exit 1", restarts_per_minute=2))

    def watch_for_a_while() -> None:
        for _ in range(3):
            running.process.wait()
            supervisor.check()

    with pytest.raises(ProcessFailed, match=r"exit code 1(.|\n)*cannot go on"):
        watch_for_a_while()


def test_a_process_without_a_probe_counts_when_it_has_lived_long_enough(supervisor: Supervisor) -> None:
    supervisor.start(shell("worker", "sleep 600"))
    supervisor.confirm(0.3)
    supervisor.start(shell("short", "echo no worker group; exit 1"))
    with pytest.raises(ProcessFailed, match=r"short ended with exit code 1(.|\n)*no worker group"):
        supervisor.confirm(0.3)


def test_it_stops_the_last_started_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    with Supervisor(tmp_path / "logs") as supervisor:
        for name in ("first", "second"):
            on_stop = f"trap 'echo {name} >>\"{order}\"; exit 0' TERM"
            script = f"{on_stop}; touch '{tmp_path}/{name}'; while :; do sleep 0.05; done"
            supervisor.start(shell(name, script, ready=(tmp_path / name).exists))
    assert order.read_text().split() == ["second", "first"]


def test_what_ignores_the_request_to_stop_is_killed_with_its_children(supervisor: Supervisor, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"trap '' TERM; sleep 600 & touch '{mark}'; while :; do sleep 0.05; done"
    running = supervisor.start(shell("deaf", script, ready=mark.exists, stop_seconds=0.2))
    family = [psutil.Process(running.process.pid), *psutil.Process(running.process.pid).children(recursive=True)]
    supervisor.stop()
    until(lambda: not any(process.is_running() for process in family))


def test_a_command_in_front_gives_its_exit_code(supervisor: Supervisor) -> None:
    assert supervisor.run_in_front(shell("command", "exit 7")) == 7


def test_restart_starts_the_same_command_again(supervisor: Supervisor) -> None:
    running = supervisor.start(shell("server", "echo here; sleep 600"))
    first = running.process.pid
    supervisor.restart(running)
    assert running.process.pid != first
    assert running.process.poll() is None


def test_a_killed_launcher_leaves_no_process() -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "run", "--", "sh", "-c", "echo ready; exec sleep 600"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "BROKER_URL")},
        stdout=subprocess.PIPE,
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == b"ready\n"
    family = psutil.Process(launcher.pid).children(recursive=True)
    assert {"postgres", "valkey-server"} <= {process.name() for process in family}
    launcher.kill()
    launcher.wait()
    until(lambda: not any(process.is_running() for process in family))
