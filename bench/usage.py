"""CPU seconds by kind of process, and what the machine is."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from deploy.local.folders import ROOT


def cpu_seconds(process_id: int) -> float:
    """User and system time of a process, its descendants, and those of them that have ended. 0 when it has gone."""
    try:
        root = psutil.Process(process_id)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def snapshot(kinds: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """CPU seconds so far of each kind, given the process ids of its roots."""
    return {kind: sum(cpu_seconds(process_id) for process_id in ids) for kind, ids in kinds.items()}


def machine() -> dict[str, Any]:
    """What a reader must know to compare: processor, cores, memory, kernel, how busy it was before."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def revision() -> dict[str, Any]:
    """The commit that was measured, and whether the checkout differed from it."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD") or None,
        "changed": bool(changed),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
