"""Which insurer a wish goes to: the table, its order, and the command that explains it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from exchange.models import InsurerInterface
from exchange.persons import person_index_of
from exchange.selectors.routing import NoRoute, route_explain, route_find
from exchange.services.interfaces import route_add
from tests.exchange.house import House, connect, forget_processes
from tests.roles import as_role, refused

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
BEGIN = date(2026, 1, 1)
ON = date(2026, 11, 22)
NOBODY = b"nobody"


@pytest.fixture
def insurers(house: House) -> list[InsurerInterface]:
    """Connected, and without any rule but the ones a test makes."""
    made = [connect(f"INS-{letter}") for letter in "XYZ"]
    for interface in (*made, house.interface):
        interface.routes.all().delete()
    forget_processes()
    return made


def found(scheme: str, region: str, *, person: bytes = NOBODY, on: date = ON) -> str:
    forget_processes()
    with as_role("app"):
        return route_find(scheme=scheme, region=region, person_index=person, on=on).interface_code


def test_the_named_region_goes_before_any_region(insurers: list[InsurerInterface]) -> None:
    route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN)
    route_add(scheme="310", region="110000", interface=insurers[1], valid_from=BEGIN)
    assert found("310", "110000") == "INS-Y"
    assert found("310", "310000") == "INS-X"


def test_a_named_scheme_goes_before_a_named_region(insurers: list[InsurerInterface]) -> None:
    route_add(scheme="*", region="110000", interface=insurers[0], valid_from=BEGIN)
    route_add(scheme="310", region="*", interface=insurers[1], valid_from=BEGIN)
    assert found("310", "110000") == "INS-Y"
    assert found("390", "110000") == "INS-X"


def test_a_rule_for_one_person_goes_before_all(insurers: list[InsurerInterface]) -> None:
    index = person_index_of({"id_type": "01", "id_no": "11010119900101123x"}, now=NOW)
    route_add(scheme="310", region="110000", interface=insurers[0], valid_from=BEGIN)
    route_add(scheme="*", region="*", interface=insurers[1], valid_from=BEGIN, person_index=index)
    same = person_index_of({"id_no": " 11010119900101123X"}, now=NOW)
    assert found("310", "110000", person=same) == "INS-Y"
    assert found("310", "110000") == "INS-X"


@pytest.mark.parametrize(
    ("on", "to"),
    [
        (date(2025, 12, 31), ""),
        (date(2026, 1, 1), "INS-X"),
        (date(2026, 6, 30), "INS-X"),
        (date(2026, 7, 1), "INS-Y"),
        (date(2026, 12, 31), "INS-Y"),
        (date(2027, 1, 1), ""),
    ],
)
def test_rules_hold_from_their_first_day_to_their_last(insurers: list[InsurerInterface], on: date, to: str) -> None:
    route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN, valid_to=date(2026, 6, 30))
    route_add(scheme="310", region="*", interface=insurers[1], valid_from=date(2026, 7, 1), valid_to=date(2026, 12, 31))
    if to:
        assert found("310", "110000", on=on) == to
    else:
        with pytest.raises(NoRoute):
            found("310", "110000", on=on)


def test_of_two_rules_alike_the_later_one_holds(insurers: list[InsurerInterface]) -> None:
    route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN)
    route_add(scheme="310", region="*", interface=insurers[1], valid_from=date(2026, 7, 1))
    assert found("310", "110000") == "INS-Y"
    assert found("310", "110000", on=date(2026, 6, 30)) == "INS-X"


def test_the_same_rule_stands_once_also_without_a_person(insurers: list[InsurerInterface]) -> None:
    first = route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN)
    again = route_add(scheme="310", region="*", interface=insurers[1], valid_from=BEGIN)
    assert first.pk == again.pk
    assert found("310", "110000") == "INS-Y"
    with refused("one_route_per_rule_and_day"):
        insurers[2].routes.create(scheme="310", region="*", valid_from=BEGIN)


def test_no_rule_ends_before_it_begins(insurers: list[InsurerInterface]) -> None:
    with refused("a_route_ends_after_it_begins"):
        route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN, valid_to=date(2025, 1, 1))


def test_role_app_cannot_turn_a_route(insurers: list[InsurerInterface]) -> None:
    with as_role("app"), refused("permission denied"):
        route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN)


def test_every_rule_is_explained(insurers: list[InsurerInterface]) -> None:
    route_add(scheme="310", region="110000", interface=insurers[0], valid_from=BEGIN)
    route_add(scheme="310", region="*", interface=insurers[1], valid_from=BEGIN)
    route_add(scheme="390", region="*", interface=insurers[2], valid_from=BEGIN)
    lines = route_explain(scheme="310", region="110000", person_index=NOBODY, on=ON)
    assert {rule.interface_code: verdict for rule, verdict in lines} == {
        "INS-X": "chosen",
        "INS-Y": "would apply, but comes later",
        "INS-Z": "for scheme 390",
    }


def explained(*arguments: str) -> str:
    out = StringIO()
    with as_role("worker"):
        call_command("route_explain", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_which_and_why(insurers: list[InsurerInterface]) -> None:
    route_add(scheme="310", region="*", interface=insurers[0], valid_from=BEGIN, valid_to=date(2026, 6, 30))
    route_add(scheme="310", region="*", interface=insurers[1], valid_from=date(2026, 7, 1))
    text = explained("--scheme", "310", "--region", "110000", "--on", "2026-11-22")
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["INS-Y"].endswith("chosen")
    assert lines["INS-X"].endswith("ended on 2026-06-30")


def test_the_command_says_when_nothing_applies(insurers: list[InsurerInterface]) -> None:
    assert "No rule applies" in explained("--scheme", "999")
