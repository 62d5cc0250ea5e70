"""The folder of one instance: claimed by one process at a time, swept away when its owner has gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
_LOCK = "lock"
# Where a folder had to be made elsewhere (see postgres.py), this file in the instance's folder says where.
ELSEWHERE = "elsewhere"


class FolderInUse(Exception):
    """Another process holds the folder."""


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Hold `folder` for the length of the block; the kernel lets go when the holder dies. Raises FolderInUse."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"{folder} is in use by another process") from None
        yield folder


def is_claimed(folder: Path) -> bool:
    """Whether a living process holds `folder`."""
    try:
        with (folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@contextmanager
def fresh(kind: str) -> Iterator[Path]:
    """A new folder `var/<kind>-...`, held for the block and kept after it until the next of its kind is made."""
    VAR.mkdir(exist_ok=True)
    sweep(f"{kind}-*")
    folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=VAR))
    # mkdtemp says 0700, which would shut out the account that the database server runs as.
    folder.chmod(0o755)
    with claimed(folder):
        yield folder


@contextmanager
def temporary(kind: str) -> Iterator[Path]:
    """The same, removed after the block."""
    with fresh(kind) as folder:
        try:
            yield folder
        finally:
            remove(folder)


def sweep(pattern: str) -> None:
    """Remove the folders in `var` that match `pattern`, have been claimed and are no longer."""
    for folder in VAR.glob(pattern):
        if (folder / _LOCK).exists() and not is_claimed(folder):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove an instance's folder and what it keeps elsewhere."""
    record = folder / ELSEWHERE
    if record.exists():
        shutil.rmtree(record.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
