"""`make mutants`: each patch in this folder breaks one promise; the tests that it names must go red.

A patch is applied to a copy of the tree, and only its own tests run there. Its head says in a sentence what it breaks
and, line by line, `Killed by: ` a test. ARGS takes names of patches; without any, all are tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.folders import ROOT, temporary

HERE = Path(__file__).parent
KILLED_BY = "Killed by: "
SECONDS = 600.0
FAILED = 1  # pytest's exit code for tests that ran and went red; anything else is no kill.


@dataclass(frozen=True)
class Mutant:
    name: str
    breaks: str
    killed_by: tuple[str, ...]
    patch: Path


def mutants() -> list[Mutant]:
    """Every patch of this folder, by name."""
    return [_read(path) for path in sorted(HERE.glob("*.patch"))]


def _read(path: Path) -> Mutant:
    head = path.read_text().partition("diff --git")[0].strip().splitlines()
    tests = tuple(line.removeprefix(KILLED_BY) for line in head if line.startswith(KILLED_BY))
    return Mutant(path.stem, head[0], tests, path)


def applies(mutant: Mutant, tree: Path, *, check: bool) -> str:
    """Apply a patch to `tree`, or with `check` only try to; returns what git complains of, or nothing."""
    options = ["--check"] if check else []
    # Told that there is no repository: the paths are then those below `tree`, wherever it lies.
    environment = {**os.environ, "GIT_DIR": os.devnull, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    command = ["git", "apply", *options, str(mutant.patch)]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True).stderr.strip()


def survives(mutant: Mutant, folder: Path) -> str:
    """Why the mutant lives, or nothing when its tests have killed it."""
    tree = folder / mutant.name
    ignored = shutil.ignore_patterns(".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, tree, ignore=ignored)
    if complaint := applies(mutant, tree, check=False):
        return f"does not apply: {complaint}"
    # Processes that the tests start take the copy too, not the tree that is installed.
    paths = (tree, tree / "platform", tree / "clients" / "python")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "--tb=line", *mutant.killed_by]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS)
    shutil.rmtree(tree)
    return (
        "" if done.returncode == FAILED else f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    )


def main(names: list[str]) -> int:
    alive = 0
    wanted = [mutant for mutant in mutants() if not names or mutant.name in names]
    with temporary("mutants") as folder:
        for mutant in wanted:
            why = survives(mutant, folder)
            alive += bool(why)
            sys.stdout.write(f"{'ALIVE ' if why else 'killed'} {mutant.name}: {mutant.breaks}\n{why and why + chr(10)}")
            sys.stdout.flush()
    sys.stdout.write(f"{len(wanted) - alive} of {len(wanted)} killed\n")
    return 1 if alive or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
