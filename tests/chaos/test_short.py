"""The short form of the proof: everything is started, loaded and broken for a minute; then every book must agree.

`make chaos` is the long form. Another seed: `CHAOS_SEED=7 pytest tests/chaos/test_short.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.local.folders import ROOT
from insurers.sandbox.faults import FAULTS

WISHES = 400
# Under three minutes where two cores are free; a machine that does other things at once needs longer.
LIMIT_SECONDS = 480.0


def test_under_faults_and_blows_every_book_agrees(tmp_path: Path) -> None:
    seed = os.environ.get("CHAOS_SEED", "1")
    options = ["--count", str(WISHES), "--seed", seed, "--form", "short", "--out", str(tmp_path)]
    # In a process of its own: it starts, kills and thaws processes, which wants a main thread.
    ended = subprocess.run(
        [sys.executable, "-m", "chaos", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-6000:]}\n{ended.stderr[-3000:]}"
    (path,) = tmp_path.glob("*.json")
    report = json.loads(path.read_text())
    # It is no proof if nothing was broken.
    assert report["figures"]["transactions"] >= WISHES
    assert len(set(FAULTS) & set(report["figures"]["faults_of_first_calls"])) > len(FAULTS) - 3
    assert report["course"]["blows"]["kill postgres"] == 1
    assert report["figures"]["in_doubt"] > 0
