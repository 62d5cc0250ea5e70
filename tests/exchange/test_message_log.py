from __future__ import annotations

from tests.world import World, settled_world  # noqa: F401


def test_it(settled_world: World) -> None:
    print(settled_world.answer("A-SHARED"))
    assert 0
