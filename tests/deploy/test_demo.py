"""The parts of the demo that need no running platform."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.instance import PortTaken, choose_port
from deploy.local import ports
from deploy.local.folders import ROOT, claimed


def listen(port: int = 0) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port))
    listener.listen()
    return listener


def run_demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_busy_port_is_not_free_and_is_free_again_at_once() -> None:
    with listen() as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert not ports.is_free(port)
    assert ports.is_free(port)


def test_a_reserved_port_is_refused_to_another_process() -> None:
    port = ports.reserve_any()
    program = f"from deploy.local import ports; raise SystemExit(ports.reserve({port}))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_of_a_pair_it_takes_both_or_none() -> None:
    with listen() as listener:
        second = listener.getsockname()[1]
        assert not ports.reserve(second - 1, second)
    assert ports.reserve(second - 1, second)


def test_a_port_that_was_asked_for_and_is_busy_is_refused() -> None:
    with listen() as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"PORT={port}: {port} or {port + 1} is in use"):
            choose_port(str(port))


def test_the_command_says_so_and_fails() -> None:
    with listen() as listener:
        result = run_demo(PORT=str(listener.getsockname()[1]))
    assert result.returncode == 1
    assert "is in use (make demo-stop ends a detached demo). Choose another, or leave PORT out." in result.stderr


@pytest.mark.parametrize("port", ["http", "0", "65535", "-1", "80"])
def test_nonsense_in_port_is_refused_by_name(port: str) -> None:
    result = run_demo(PORT=port)
    assert result.returncode == 2
    assert f"PORT={port}" in result.stderr


def test_clean_removes_the_data_of_demos_that_do_not_run(tmp_path: Path) -> None:
    # The folder is found beside the code, so a copy of the code has one of its own.
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in ("demo-9000", "static"):
        (tmp_path / "var" / name).mkdir(parents=True)
    (tmp_path / "var" / "demo-9000" / "lock").touch()
    (tmp_path / "var" / "demo.json").touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "deploy.local", "clean"], cwd=tmp_path, env=environment, check=True)
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["static"]


def test_clean_leaves_a_demo_that_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with claimed(tmp_path / "var" / "demo-9000"):
        (tmp_path / "var" / "demo.json").touch()
        subprocess.run([sys.executable, "-m", "deploy.local", "clean"], cwd=tmp_path, env=environment, check=True)
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == ["demo-9000", "demo.json"]


def test_stopping_when_nothing_runs_is_no_failure() -> None:
    result = run_demo("--stop", PORT="1234")
    assert (result.returncode, result.stdout.strip()) == (0, "No detached demo is running.")
