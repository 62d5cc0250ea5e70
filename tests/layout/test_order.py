"""The files that come first are files of ours, and each is there."""

from __future__ import annotations

import pytest

from deploy.local.folders import ROOT
from tests.order import LONG, long_files_first


class Named:
    """All of a test that the order looks at."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


@pytest.mark.parametrize("name", LONG)
def test_it_exists(name: str) -> None:
    assert (ROOT / name).is_file()


def test_long_ones_come_first_then_those_of_many_tests_and_inside_a_file_nothing_moves() -> None:
    names = ["tests/a.py::one", "tests/b.py::two", "tests/b.py::one", f"{LONG[1]}::one", f"{LONG[0]}::one"]
    items = [Named(name) for name in names]

    long_files_first(items)  # type: ignore[arg-type]

    expected = [f"{LONG[0]}::one", f"{LONG[1]}::one", "tests/b.py::two", "tests/b.py::one", "tests/a.py::one"]
    assert [item.nodeid for item in items] == expected
