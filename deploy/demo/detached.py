"""A demo that runs on after the command has returned, and the way to end exactly that one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from deploy.demo.instance import instance_folder
from deploy.local.folders import ROOT, VAR, is_claimed, write_private

READY = b"ready"
_STOP_SECONDS = 90.0


def start_detached() -> int:
    """Start the supervisor as a process of its own; return 0 once everything answers, else 1.

    Until then it writes to our output, so that whoever waits sees what happens.
    """
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.demo", "--report-to", str(write_end)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        pass_fds=[write_end],
        start_new_session=True,
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end, "rb") as reader:
            is_ready = reader.read() == READY
        if is_ready:
            return 0
        process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return 1


def report_ready(write_end: int, log: Path) -> None:
    """In the detached supervisor: write to `log` from now on, and tell the starter. Raises BrokenPipeError."""
    sys.stdout.flush()
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.write(write_end, READY)
    os.close(write_end)


def record_supervisor(folder: Path, *, detached: bool) -> None:
    """Note who supervises the instance. The note counts only while that process holds the folder."""
    write_private(folder / "supervisor.json", json.dumps({"pid": os.getpid(), "detached": detached}))


def stop_detached(asked_port: str | None) -> int:
    """End the detached demo on `asked_port`, or those of this checkout when None. Returns 0 when they have gone."""
    folders = [instance_folder(int(asked_port))] if asked_port else sorted(VAR.glob("demo-*"))
    supervisors = {folder: pid for folder in folders if (pid := _detached_supervisor(folder))}
    if not supervisors:
        print("No detached demo is running.")
    for folder, process_id in supervisors.items():
        os.kill(process_id, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while is_claimed(folder) or _is_alive(process_id):
            if time.monotonic() > deadline:
                print(
                    f"The demo in {folder} (process {process_id}) has not stopped within {_STOP_SECONDS:.0f} seconds."
                )
                return 1
            time.sleep(0.1)
        print(f"Stopped the demo in {folder}.")
    return 0


def _is_alive(process_id: int) -> bool:
    """Whether the process runs. One that has ended and waits for its parent (state Z) does not."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not status.rpartition(")")[2].lstrip().startswith(("Z", "X"))


def _detached_supervisor(folder: Path) -> int | None:
    note = folder / "supervisor.json"
    if not note.exists() or not is_claimed(folder):
        return None
    facts = json.loads(note.read_text())
    return int(facts["pid"]) if facts["detached"] else None
