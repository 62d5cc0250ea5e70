"""The real platform with two listeners, as a hospital would have them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveStack, live_stack, live_template

__all__ = ["live_template", "stack"]


@pytest.fixture(scope="module")
def stack(live_template: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """One per test module."""
    with live_stack(tmp_path_factory.mktemp("client"), listeners=2) as running:
        yield running
