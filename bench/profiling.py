"""Where the CPU of listener and worker goes under full load, sampled from outside by py-spy.

A sampler inside the process would see only the moments at which the interpreter lock changes hands.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from bench import runs
from bench.contenders import Started
from bench.stage import WORLD, Stage
from deploy.local.folders import VAR
from deploy.local.processes import ProcessFailed

FOLDER = VAR / "bench"
KINDS = ("listener", "worker")
SHOWN = 40
SAMPLES_PER_SECOND = 200


def profile(stage: Stage, orders: dict[str, Any]) -> int:
    """Run the platform, sample its processes, write `var/bench/profile-<kind>.txt` and `.folded`; returns 0."""
    program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        raise ProcessFailed("py-spy is missing: install the dependency group `bench`")
    FOLDER.mkdir(parents=True, exist_ok=True)
    samplers: list[subprocess.Popen[bytes]] = []

    def sample(started: Started) -> None:
        for kind in KINDS:
            target = FOLDER / f"profile-{kind}.folded"
            options = (
                "--format",
                "raw",
                "--rate",
                str(SAMPLES_PER_SECOND),
                "--duration",
                str(round(orders["seconds"])),
            )
            process_id = _busiest(started.kinds[kind][0].process.pid)
            samplers.append(
                subprocess.Popen(
                    [program, "record", *options, "--nonblocking", "--output", str(target), "--pid", str(process_id)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.STDOUT,
                )
            )

    try:
        run = runs.play(stage, "platform", orders, world=WORLD, measuring=sample)
        for sampler in samplers:
            sampler.wait(60)
    finally:
        for sampler in samplers:
            sampler.kill()
            sampler.wait()
    print(f"{run.per_second:.1f} settlements/s while sampled; CPU ms per settlement: {run.cpu_ms}")
    for kind in KINDS:
        text = table((FOLDER / f"profile-{kind}.folded").read_text())
        (FOLDER / f"profile-{kind}.txt").write_text(text)
        print(f"\n{kind}\n{text}")
    return 0


def _busiest(root: int) -> int:
    """Of the processes under `root` that have no children the one that has used most CPU: parents only watch."""
    family = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    leaves = [process for process in family if not process.children()]
    return int(max(leaves, key=lambda process: sum(process.cpu_times()[:2])).pid)


def table(folded: str) -> str:
    """Shares of the sampled CPU: by function with all it calls, and by function alone."""
    inclusive: Counter[str] = Counter()
    own: Counter[str] = Counter()
    total = 0
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_named(frame) for frame in stack.split(";")]
        total += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            inclusive[frame] += int(count)
    lines = [f"{total} samples", "", "with callees", *_shares(inclusive, total), "", "alone", *_shares(own, total)]
    return "\n".join(lines) + "\n"


def _shares(counter: Counter[str], total: int) -> list[str]:
    return [f"{100 * count / max(1, total):6.1f} %  {name}" for name, count in counter.most_common(SHOWN)]


def _named(frame: str) -> str:
    """`function (path:line)` as `path function`, with the path from the last two folders on."""
    function, _, place = frame.partition(" (")
    path = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    return f"{'/'.join(path.split('/')[-3:])} {function}"
