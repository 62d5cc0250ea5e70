"""Days drawn from seeds. `make simulate SEEDS=5000 TX=20 FROM=1` is the long form of the same test."""

from __future__ import annotations

import os
from random import Random

from ledger.services.proof import prove
from tests.simulation.conftest import Complaints
from tests.simulation.day import Day, profiles
from tests.simulation.truth import holds_at_rest
from tests.simulation.walk import walk

SEEDS = int(os.environ.get("SIMULATE_SEEDS", "100"))
FIRST = int(os.environ.get("SIMULATE_FROM", "1"))
WRONG_AT_MOST = 5  # Days that went wrong; then it is enough.
TRANSACTIONS = int(os.environ.get("SIMULATE_TX", "20"))


def test_every_day_ends_with_square_books(clock: None, complaints: Complaints) -> None:
    wrong: list[str] = []
    for seed in range(FIRST, FIRST + SEEDS):
        wrong += _wrong_of(seed, complaints)
        assert len(wrong) < WRONG_AT_MOST, "\n\n".join(wrong)
    assert not wrong, "\n\n".join(wrong)
    assert prove().holds


def _wrong_of(seed: int, complaints: Complaints) -> list[str]:
    """What was wrong with a seed's day, with its steps."""
    complaints.heard.clear()
    day = Day(Random(seed), profiles()[seed % len(profiles())])
    try:
        walk(day, transactions=TRANSACTIONS)
        holds_at_rest(day)
        assert complaints.heard == []
    except Exception as error:
        what = f"seed {seed}, {day.insurer.profile_name}: {type(error).__name__} {error}"
        return ["\n".join([what, *complaints.heard, *day.steps])]
    return []
