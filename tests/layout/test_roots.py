"""The folder `platform/` must never get in the way of Python's own module of that name."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = (ROOT, ROOT / "platform", ROOT / "clients" / "python")


def test_platform_is_a_source_root_and_not_a_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert list((ROOT / "platform").glob("*.py")) == []


def test_pythons_own_platform_module_answers() -> None:
    assert platform.system()
    assert platform.__file__ is not None
    assert not Path(platform.__file__).is_relative_to(ROOT)


def test_it_answers_in_a_fresh_process_that_has_both_roots_in_front() -> None:
    program = f"import sys; sys.path[:0] = {[str(root) for root in SOURCE_ROOTS]!r}; import platform; platform.system()"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_no_package_of_ours_has_the_name_of_a_standard_module() -> None:
    names = {path.parent.name for root in SOURCE_ROOTS for path in root.glob("*/__init__.py")}
    assert "core" in names
    assert names & sys.stdlib_module_names == set()


def test_every_folder_with_tests_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert sorted(folder for folder in folders if not (folder / "__init__.py").exists()) == []
