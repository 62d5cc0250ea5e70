"""The mutants fit the tree as it is, and each names tests that exist: `make mutants` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.folders import ROOT
from tests.mutants.__main__ import Mutant, applies, mutants

MUTANTS = mutants()


def test_there_are_mutants_of_every_promise_that_can_be_broken_by_now() -> None:
    assert len(MUTANTS) >= 14


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_still_applies(mutant: Mutant) -> None:
    assert applies(mutant, ROOT, check=True) == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_names_tests_that_exist(mutant: Mutant) -> None:
    assert mutant.killed_by
    for test in mutant.killed_by:
        path, _, name = test.partition("::")
        source = (ROOT / path).read_text()
        assert f"def {name or 'test_'}" in source, test


def test_one_that_does_not_apply_would_be_seen(tmp_path: Path) -> None:
    """The tree of this test is empty: nothing can be applied to it."""
    assert all(applies(mutant, tmp_path, check=True) for mutant in MUTANTS)
