"""A PostgreSQL cluster with the migrated template in it, kept between sessions: migrating costs most of a minute.

It is kept under a hash of all that makes it (migrations, roles, settings, versions), so another one is never taken for
it. `make clean` forgets them all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from deploy.local.folders import ROOT, VAR
from deploy.local.postgres import cluster_home

KEPT = VAR / "templates"
AT_MOST = 3
LOGINS, DATA, MARK = "logins.json", "data", "template-made"
MADE_OF = (
    "requirements.lock",
    "platform/config/settings/apps.py",
    "platform/core/management/commands/database_prepare.py",
    "deploy/local/postgres.py",
)


def cluster_taken(folder: Path) -> None:
    """Put a copy of the kept cluster where the servers of this session look for theirs; nothing where there is none."""
    kept = _place()
    if not (kept / DATA).is_dir():
        return
    os.utime(kept)
    shutil.copy2(kept / LOGINS, folder / LOGINS)
    _copy(kept / DATA, cluster_home(folder) / DATA)
    (folder / MARK).touch()


def cluster_kept(folder: Path) -> None:
    """Keep this session's cluster, whose server has been stopped, if the template was made in it and is new."""
    kept = _place()
    if kept.exists() or not (folder / MARK).exists():
        return
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    draft.mkdir(parents=True, mode=0o700)
    shutil.copy2(folder / LOGINS, draft / LOGINS)
    _copy(cluster_home(folder) / DATA, draft / DATA)
    if kept.exists():
        shutil.rmtree(draft)
        return
    draft.rename(kept)
    for old in sorted(KEPT.iterdir(), key=lambda one: one.stat().st_mtime)[:-AT_MOST]:
        shutil.rmtree(old, ignore_errors=True)


def _place() -> Path:
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("*/migrations/*.py"), *ROOT.glob("platform/*/migrations/*.py")]):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    for name in MADE_OF:
        digest.update((ROOT / name).read_bytes())
    return KEPT / digest.hexdigest()[:24]


def _copy(source: Path, target: Path) -> None:
    """With owner and rights: the server is particular about them."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
