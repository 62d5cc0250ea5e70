"""What a pack may say, and the gate that it passes before it counts."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from prereview.rules.packs import PackInvalid, cases_read, pack_prove, pack_read
from prereview.rules.standing import BODY, CASES, standing_pack


def body(**changes: Any) -> dict[str, Any]:
    return deepcopy(BODY) | changes


def test_the_standing_pack_is_proven_by_its_own_cases() -> None:
    assert pack_prove(standing_pack(), cases_read(CASES)) == []


def test_a_rule_without_a_case_that_routes_is_not_proven() -> None:
    cases = [case for case in CASES if case["rule"] != "waiting_days" or case["passes"]]
    assert pack_prove(standing_pack(), cases_read(cases)) == ["waiting_days: no routing case"]


def test_a_case_that_comes_out_otherwise_is_named_with_what_was_found() -> None:
    wrong = {"name": "too late", "rule": "waiting_days", "passes": True, "changes": {"waiting_until": "2026-11-25"}}
    assert pack_prove(standing_pack(), cases_read([*CASES, wrong])) == ["too late: waiting_days routes (waiting)"]


def test_another_parameter_makes_its_case_fail() -> None:
    pack = pack_read(body(look_from_minor=6_000_000))
    assert pack_prove(pack, cases_read(CASES)) == ["at the limit: large_amount passes (amount_usual)"]


def test_a_pack_quotes_its_own_clause() -> None:
    rules = [{**one, "clause": "Article 9", "clause_zh": "第9条"} for one in BODY["rules"]]
    assert pack_read(body(rules=rules)).rules[0].clause_zh == "第9条"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"rules": "all"}, "rules"),
        ({"rules": []}, "rules"),
        ({"rules": BODY["rules"][1:]}, "rules"),
        ({"rules": [*BODY["rules"], BODY["rules"][0]]}, "rules"),
        ({"rules": [*BODY["rules"], {"rule": "refuse_at_once"}]}, "rules[16]"),
        ({"rules": [{"rule": "duplicate", "clause": "Only English"}]}, "rules[0]"),
        ({"look_from_minor": -1}, "look_from_minor"),
        ({"look_from_minor": 1.5}, "look_from_minor"),
        ({"sample_basis_points": 10_001}, "sample_basis_points"),
        ({"straight_through": {"kinds": ["ALL"]}}, "straight_through.kinds"),
        ({"straight_through": {"kinds": ["RENEWAL"], "up_to_minor": True}}, "straight_through.up_to_minor"),
        ({"straight_through": {"also": 1}}, "straight_through"),
    ],
)
def test_a_pack_that_cannot_be_read_says_where(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(PackInvalid) as caught:
        pack_read(body(**changes))
    assert caught.value.fields["place"] == place


@pytest.mark.parametrize(
    "case",
    [
        "not a case",
        {"name": "half"},
        {"name": "n", "rule": "duplicate", "passes": "yes", "changes": {}},
        {"name": "n", "rule": "duplicate", "passes": True, "changes": {"nobody": 1}},
    ],
)
def test_a_case_that_cannot_be_read_says_where(case: object) -> None:
    with pytest.raises(PackInvalid, match=r"cases\[0\]"):
        cases_read([case])
