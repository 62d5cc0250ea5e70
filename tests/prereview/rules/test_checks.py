"""Each rule at its edges. A rule passes or routes; it has no way to refuse."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import pytest

from core.clock import years_before
from prereview.rules.checks import RULES, Finding, early_refill
from prereview.rules.facts import Alike, Facts, FactsInvalid, Paper, changed
from prereview.rules.packs import Case, pack_run, risk_of
from prereview.rules.reasons import REASONS, found_in_words
from prereview.rules.sound import SOUND
from prereview.rules.standing import STANDING_CASES, standing_pack


def found(rule: str, facts: Facts) -> Finding:
    return RULES[rule].check(facts, {"look_from_minor": 5_000_000})


def test_sound_facts_pass_every_rule() -> None:
    results = pack_run(standing_pack(), SOUND)
    assert [one.rule for one in results] == list(RULES)
    assert [one.rule for one in results if not one.passed] == []
    assert risk_of(results) == "LOW"


@pytest.mark.parametrize("case", STANDING_CASES, ids=lambda case: f"{case.rule}: {case.name}")
def test_the_standing_cases_come_out_as_they_say(case: Case) -> None:
    assert found(case.rule, changed(SOUND, case.changes)).passed is case.passes


@pytest.mark.parametrize("case", [case for case in STANDING_CASES if not case.passes], ids=lambda case: case.name)
def test_what_routes_says_why_in_both_languages(case: Case) -> None:
    evidence = found(case.rule, changed(SOUND, case.changes)).evidence
    for chinese in (False, True):
        words = found_in_words(evidence, chinese=chinese, currency="CNY")
        assert words != evidence["code"]
        assert "{" not in words
        assert any("一" <= letter <= "鿿" for letter in words) is chinese


def test_no_result_can_say_more_than_passed_or_not() -> None:
    assert [field.name for field in fields(Finding)] == ["passed", "code", "values"]


def test_a_finding_leaves_json_behind() -> None:
    evidence = found("diagnosis_window", replace(SOUND, diagnosed_on=date(2020, 1, 1))).evidence
    assert evidence == {
        "code": "diagnosed_too_long_ago",
        "diagnosed_on": "2020-01-01",
        "service_on": "2026-11-25",
        "years": 3,
    }


@pytest.mark.parametrize(
    ("day", "years", "first"),
    [
        (date(2026, 11, 25), 3, date(2023, 11, 25)),
        (date(2028, 2, 29), 3, date(2025, 2, 28)),
        (date(2028, 2, 29), 4, date(2024, 2, 29)),
    ],
)
def test_the_diagnosis_window_begins_on_the_same_day_of_its_year(day: date, years: int, first: date) -> None:
    assert years_before(day, years) == first


@pytest.mark.parametrize(
    ("supplied_until", "passes"),
    [
        (date(2026, 11, 25), True),  # Used up today.
        (date(2026, 11, 30), True),  # Five days are left, five are allowed.
        (date(2026, 12, 1), False),  # Six days are left.
        (date(2026, 12, 16), False),  # 21 days of a charity box more.
    ],
)
def test_a_refill_may_be_asked_for_five_days_before_the_supply_is_used_up(supplied_until: date, passes: bool) -> None:
    assert early_refill(replace(SOUND, supplied_until=supplied_until), {}).passed is passes


def test_a_duplicate_names_the_other_claims_once() -> None:
    alike = (Alike("C-2", "file"), Alike("C-1", "file"), Alike("C-2", "file"))
    assert found("duplicate", replace(SOUND, alike=alike)).values == {"claims": ["C-1", "C-2"]}


def test_an_invoice_is_a_duplicate_even_where_the_prescription_may_repeat() -> None:
    facts = replace(SOUND, prescription_repeats=3, alike=(Alike("C-1", "prescription"), Alike("C-1", "invoice")))
    assert found("duplicate", facts).code == "duplicate_invoice"


def test_what_is_missing_is_not_called_old_as_well() -> None:
    facts = replace(SOUND, papers=())
    assert not found("materials_complete", facts).passed
    assert found("materials_age", facts).passed


def test_a_paper_from_after_the_service_day_is_not_too_old() -> None:
    papers = (*SOUND.papers[1:], Paper("PRESCRIPTION", date(2026, 11, 26)))
    assert found("materials_age", replace(SOUND, papers=papers)).passed


def test_what_several_claims_share_of_a_cap_is_told() -> None:
    finding = found("cap_left", replace(SOUND, cap_left_minor=100_000, others_hold_minor=900_000))
    assert finding.values == {"payable": 400_000, "wanted": 400_000, "left": 100_000, "others": 900_000}
    words = found_in_words(finding.evidence, chinese=False, currency="CNY")
    assert "1,000.00 CNY of 4,000.00 CNY" in words
    assert "9,000.00 CNY" in words


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({}, "LOW"),
        ({"waiting_until": "2026-12-01"}, "MEDIUM"),
        ({"waiting_until": "2026-12-01", "alike": [{"claim_no": "C-1", "same": "invoice"}]}, "HIGH"),
        ({"on_policy": False}, "HIGH"),
    ],
)
def test_the_risk_is_the_highest_of_what_routed(changes: dict[str, object], grade: str) -> None:
    assert risk_of(pack_run(standing_pack(), changed(SOUND, changes))) == grade


def test_a_rule_that_breaks_routes_to_a_person() -> None:
    broken = replace(SOUND, quantity=None)  # type: ignore[arg-type]
    (result,) = [one for one in pack_run(standing_pack(), broken) if one.rule == "prescription_valid"]
    assert not result.passed
    assert result.evidence == {"code": "rule_failed", "fault": "TypeError"}


def test_the_clause_of_the_list_is_quoted_where_the_pack_has_none() -> None:
    results = pack_run(standing_pack(), replace(SOUND, clause="Article 5.2", clause_zh="第5.2条"))
    quoted = {one.rule for one in results if (one.clause, one.clause_zh) == ("Article 5.2", "第5.2条")}
    assert quoted == {"drug_listed", "indication"}
    assert pack_run(standing_pack(), SOUND)[0].clause == "Terms version 1"


@pytest.mark.parametrize(
    "changes",
    [{"nonsense": 1}, {"quantity": "1"}, {"on_policy": 1}, {"service_on": None}, {"papers": [{"what": 1}]}],
)
def test_a_case_with_impossible_facts_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(FactsInvalid):
        changed(SOUND, changes)


def test_every_reason_has_both_languages() -> None:
    for code, (english, chinese) in REASONS.items():
        assert english.isascii(), code
        assert chinese, code
        assert not chinese.isascii(), code
