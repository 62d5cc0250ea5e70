"""`manage.py workers`: which groups it starts, and the settings with which it refuses to start."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from journal.services import lane_define, worker_group_define
from tests.roles import as_role


def start(*arguments: str) -> None:
    with as_role("worker"):
        call_command("workers", *arguments)


def test_it_refuses_to_start_without_a_group_for_its_host(db: None) -> None:
    # The group for work without network is there from the start, and belongs to every host until it is told its own.
    for code in ("east", "platform"):
        worker_group_define(code=code, hosts=["east-1"])
    with pytest.raises(CommandError, match="No worker group is assigned to host west-1"):
        start("--host", "west-1")


@pytest.mark.parametrize(("cap", "concurrency", "hosts"), [(2, 2, []), (1, 2, []), (4, 2, ["a", "b"]), (8, 8, [])])
def test_it_refuses_a_cap_that_leaves_a_child_or_the_sweeper_without_a_slot(
    db: None, cap: int, concurrency: int, hosts: list[str]
) -> None:
    group = worker_group_define(code="main", hosts=hosts, concurrency=concurrency)
    lane_define(code="ins-a", group=group, cap_in_flight=cap)
    with pytest.raises(CommandError, match=f"Lane ins-a allows {cap} calls at once"):
        start("--host", "a")


def test_it_refuses_more_children_than_the_table_shares_the_caps_among(db: None) -> None:
    lane_define(code="ins-a", group=worker_group_define(code="main", concurrency=2), cap_in_flight=9)
    with pytest.raises(CommandError, match="shares its caps among 2 children"):
        start("--concurrency", "3")
