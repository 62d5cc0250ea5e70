"""`insurance` left out: the insurers are asked who covers the person, and the first who does is the wish's insurer."""

from __future__ import annotations

import socket
from datetime import date
from typing import Any

import pytest

from core.clock import database_now
from exchange.models import Call, Transaction
from exchange.persons import person_index_of
from exchange.services.interfaces import interface_define, route_add
from tests.exchange.house import House, conclude, connect, draft, fresh, perform, receive, received, take
from tests.exchange.peer import Script, answering, peer
from tests.roles import as_role, rows

# An insurer's own answers: covered or not, and what it settles.
COVERS: Script = answering(covered=True)
COVERS_NOT: Script = answering(covered=False)


def silent(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
    return False


@pytest.fixture
def second(house: House) -> Any:
    return connect("INS-B", scheme="390")


def located(house: House, second: Any, first_says: Script, second_says: Script, **changes: Any) -> Transaction:
    """One wish without insurance, worked off with two insurers that follow these scripts."""
    (row,) = received(draft(house, scheme="", region="", **changes))
    with peer(first_says) as one, peer(second_says) as two:
        for interface, served in ((house.interface, one), (second, two)):
            interface_define(
                code=interface.code, insurer_id=interface.insurer_id, lane=interface.lane, base_url=served.base_url
            )
        for _ in range(6):
            turn = take(house)
            both = [*turn.works, *take_of(second)]
            if not both and not turn.claimed:
                break
            conclude(perform(both))
    return fresh(row)


def take_of(interface: Any) -> list[Any]:
    from datetime import timedelta

    from journal import drain

    with as_role("worker"):
        return drain.jobs_take(free_slots={interface.lane_id: 10}, overdue=timedelta(0)).works


def test_the_first_who_covers_settles_it(house: House, second: Any) -> None:
    row = located(house, second, COVERS, COVERS)
    assert (row.state, row.interface_id) == ("SUCCEEDED", house.interface.pk)
    assert [call.kind for call in Call.objects.order_by("armed_at")] == ["ELIGIBILITY", "SETTLE"]


def test_one_who_does_not_cover_is_passed_over(house: House, second: Any) -> None:
    row = located(house, second, COVERS_NOT, COVERS)
    assert (row.state, row.interface_id) == ("SUCCEEDED", second.pk)
    assert [call.kind for call in Call.objects.order_by("armed_at")] == ["ELIGIBILITY", "ELIGIBILITY", "SETTLE"]


def test_where_nobody_covers_it_is_refused_with_the_reason(house: House, second: Any) -> None:
    row = located(house, second, COVERS_NOT, COVERS_NOT)
    assert (row.state, row.reason_code, row.interface_id) == ("REJECTED", "nobody_covers", None)


def test_where_one_is_silent_nobody_knows_and_nothing_is_sent(house: House, second: Any) -> None:
    row = located(house, second, COVERS_NOT, silent)
    assert (row.state, row.reason_code) == ("NOT_SENT", "coverage_unknown")
    assert not Call.objects.filter(kind="SETTLE").exists()


def test_a_rule_for_the_person_needs_no_question(house: House, second: Any) -> None:
    index = person_index_of(draft(house).body["person"], now=database_now())
    route_add(scheme="390", region="*", interface=second, valid_from=date(2020, 1, 1), person_index=index)
    row = located(house, second, COVERS, COVERS)
    assert (row.state, row.interface_id) == ("SUCCEEDED", second.pk)
    assert [call.kind for call in Call.objects.all()] == ["SETTLE"]


def test_the_insurer_that_was_found_does_not_change(house: House, second: Any) -> None:
    row = located(house, second, COVERS, COVERS)
    from tests.roles import refused

    with as_role("worker"), refused("what the hospital asked for does not change"):
        rows(
            "UPDATE exchange_transaction SET interface_id = %s, version = version + 1 WHERE id = %s",
            [second.pk, row.pk],
        )


def test_without_any_route_it_is_refused_at_the_door(house: House) -> None:
    rows("DELETE FROM exchange_route")
    from exchange.selectors.routing import routes_forget

    routes_forget()
    (result,) = receive(draft(house, scheme="", region=""))
    assert result.problem is not None
    assert result.problem.code == "no_route"
