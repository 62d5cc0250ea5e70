"""Which files come first when two processes share the tests: the long ones, so that none begins when all else is done.

xdist hands out files in the order of collection (`--no-loadscope-reorder`). Its own order, by the number of tests, puts
a single test of two minutes last, beside which the other process has nothing to do. No result may hang on this order.
"""

from __future__ import annotations

from collections import Counter

import pytest

# By what they take where two cores are free. The first two bring their own database, while the template is still made.
LONG = (
    "tests/chaos/test_short.py",
    "tests/deploy/test_demo.py",
    "tests/journal/test_live.py",
    "tests/simulation/test_seeds.py",
    "tests/journeys/test_hospital.py",
    "tests/clients/python/test_acts_live.py",
    "tests/clients/python/test_live.py",
    "tests/insurers/test_docking.py",
    "tests/simulation/test_machine.py",
    "tests/exchange/test_live.py",
    "tests/journeys/test_review.py",
    "tests/journeys/test_slip.py",
    "tests/journeys/test_insurer.py",
    "tests/journeys/test_whole_day.py",
    "tests/exchange/test_monitor_live.py",
    "tests/hospitals/portal/test_strangers.py",
    "tests/hospitals/portal/test_pages.py",
)


def long_files_first(items: list[pytest.Item]) -> None:
    """Sort by file: LONG as it stands, then those with the most tests. Inside a file nothing moves."""
    tests = Counter(_file(item) for item in items)
    ranks = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: (ranks.get(_file(item), len(LONG)), -tests[_file(item)], _file(item)))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
