"""The rules, each a pure function over the facts. It passes or routes to a person; none of them refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from core.clock import years_before
from prereview.rules.facts import Facts

LOW, MEDIUM, HIGH = "LOW", "MEDIUM", "HIGH"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is one of reasons.REASONS; `values` are its evidence: no names, no numbers of persons."""

    passed: bool
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def evidence(self) -> dict[str, Any]:
        shown = {name: value.isoformat() if isinstance(value, date) else value for name, value in self.values.items()}
        return {"code": self.code, **shown}


Check = Callable[[Facts, Mapping[str, Any]], Finding]


@dataclass(frozen=True, slots=True)
class Rule:
    """`version` counts up whenever the same facts may give another finding. `grade`: the risk when it routes."""

    code: str
    version: int
    grade: str
    check: Check


def person_on_policy(facts: Facts, _: Mapping[str, Any]) -> Finding:
    return Finding(facts.on_policy, "on_policy" if facts.on_policy else "not_on_policy")


def policy_in_force(facts: Facts, _: Mapping[str, Any]) -> Finding:
    code = "in_force" if facts.in_force else "in_grace" if facts.in_grace else "not_in_force"
    return Finding(facts.in_force, code, {"service_on": facts.service_on})


def waiting_days(facts: Facts, _: Mapping[str, Any]) -> Finding:
    if facts.waiting_until is None:
        return Finding(True, "waiting_over")
    return Finding(False, "waiting", {"waiting_until": facts.waiting_until, "service_on": facts.service_on})


def drug_listed(facts: Facts, _: Mapping[str, Any]) -> Finding:
    values = {"drug": facts.drug, "terms_number": facts.terms_number}
    return Finding(facts.listed, "listed" if facts.listed else "not_listed", values)


def indication(facts: Facts, _: Mapping[str, Any]) -> Finding:
    code = "indicated" if facts.indicated else "not_indicated"
    return Finding(facts.indicated, code, {"icd10": facts.icd10, "drug": facts.drug})


def diagnosis_window(facts: Facts, _: Mapping[str, Any]) -> Finding:
    """A diagnosis on the day so many years before the service day is inside; one of 29 February counts from 28."""
    if facts.diagnosed_on is None:
        return Finding(False, "diagnosis_missing")
    years = facts.diagnosis_window_years
    values = {"diagnosed_on": facts.diagnosed_on, "service_on": facts.service_on, "years": years}
    if facts.diagnosed_on > facts.service_on:
        return Finding(False, "diagnosed_later", values)
    if facts.diagnosed_on < years_before(facts.service_on, years):
        return Finding(False, "diagnosed_too_long_ago", values)
    return Finding(True, "diagnosed_in_window", values)


def diagnosis_under_cover(facts: Facts, _: Mapping[str, Any]) -> Finding:
    if facts.pre_existing or facts.diagnosed_on is None or facts.covered_since is None:
        return Finding(True, "diagnosed_under_cover")
    after_waiting = facts.covered_since + timedelta(days=facts.waiting_days)
    if facts.diagnosed_on < after_waiting:
        return Finding(False, "known_before_cover", {"diagnosed_on": facts.diagnosed_on})
    return Finding(True, "diagnosed_under_cover")


def materials_complete(facts: Facts, _: Mapping[str, Any]) -> Finding:
    there = {paper.kind for paper in facts.papers}
    missing = [needed.kind for needed in facts.needed if needed.kind not in there]
    if missing:
        return Finding(False, "materials_missing", {"missing": missing})
    return Finding(True, "materials_complete", {"count": len(facts.needed)})


def materials_age(facts: Facts, _: Mapping[str, Any]) -> Finding:
    """Of several papers of a kind the freshest counts. A paper exactly as old as allowed is fresh."""
    old = [needed.kind for needed in facts.needed if needed.maximum_age_days is not None and not _fresh(facts, needed)]
    return Finding(False, "materials_old", {"old": old}) if old else Finding(True, "materials_fresh")


def _fresh(facts: Facts, needed: Any) -> bool:
    papers = [paper for paper in facts.papers if paper.kind == needed.kind]
    oldest = facts.service_on - timedelta(days=needed.maximum_age_days)
    # What is not there at all is missing, which is another rule's word.
    return not papers or any(paper.issued_on is not None and paper.issued_on >= oldest for paper in papers)


def prescription_valid(facts: Facts, _: Mapping[str, Any]) -> Finding:
    values = {
        "service_on": facts.service_on,
        "icd10": facts.icd10,
        "prescribed_icd10": facts.prescribed_icd10,
        "quantity": facts.quantity,
        "prescribed_quantity": facts.prescribed_quantity,
    }
    for wrong, code in (
        (not facts.prescribed, "prescription_missing"),
        (bool(facts.prescription_fault), f"prescription_{facts.prescription_fault}"),
        (facts.prescribed_icd10[:3].upper() != facts.icd10[:3].upper(), "prescription_other_illness"),
        (facts.prescribed_quantity < facts.quantity, "prescription_less"),
        (not facts.specialist, "prescription_no_specialist"),
    ):
        if wrong:
            return Finding(False, code, values)
    return Finding(True, "prescription_valid", values)


def days_of_supply(facts: Facts, _: Mapping[str, Any]) -> Finding:
    within = facts.days_of_supply <= facts.days_of_supply_most
    values = {"days_of_supply": facts.days_of_supply, "most": facts.days_of_supply_most}
    return Finding(within, "supply_within" if within else "supply_beyond", values)


def early_refill(facts: Facts, _: Mapping[str, Any]) -> Finding:
    """`supplied_until` is the first day for which nothing is left, charity boxes counted like paid ones."""
    if facts.supplied_until is None:
        return Finding(True, "first_supply")
    refill_from = facts.supplied_until - timedelta(days=facts.early_refill_days)
    values = {"supplied_until": facts.supplied_until, "refill_from": refill_from, "charity": facts.charity_cycles}
    due = facts.service_on >= refill_from
    return Finding(due, "refill_due" if due else "refill_early", values)


def authorisation(facts: Facts, _: Mapping[str, Any]) -> Finding:
    if not facts.authorised:
        first = facts.kind == "FIRST"
        return Finding(first, "no_authorisation_needed" if first else "authorisation_missing")
    if facts.authorisation_fault:
        return Finding(False, f"authorisation_{facts.authorisation_fault}")
    if facts.re_evaluation_due and facts.kind == "RENEWAL":
        return Finding(False, "re_evaluation_due")
    return Finding(True, "authorised")


def duplicate(facts: Facts, _: Mapping[str, Any]) -> Finding:
    """A prescription with repeats may stand in so many claims more; an invoice or a file in one only."""
    for same in ("invoice", "file", "prescription"):
        claims = sorted({one.claim_no for one in facts.alike if one.same == same})
        allowed = facts.prescription_repeats if same == "prescription" else 0
        if len(claims) > allowed:
            return Finding(False, f"duplicate_{same}", {"claims": claims})
    return Finding(True, "no_duplicate")


def cap_left(facts: Facts, _: Mapping[str, Any]) -> Finding:
    if facts.cap_left_minor is None:
        return Finding(False, "nothing_held")
    values = {
        "payable": facts.payable_minor,
        "wanted": facts.lines_payable_minor,
        "left": facts.cap_left_minor,
        "others": facts.others_hold_minor,
    }
    enough = facts.lines_payable_minor <= facts.cap_left_minor
    return Finding(enough, "cap_enough" if enough else "cap_cuts", values)


def large_amount(facts: Facts, parameters: Mapping[str, Any]) -> Finding:
    limit = parameters.get("look_from_minor")
    if limit is None or facts.payable_minor < limit:
        return Finding(True, "amount_usual")
    return Finding(False, "amount_large", {"payable": facts.payable_minor, "limit": limit})


RULES: Mapping[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule("person_on_policy", 1, HIGH, person_on_policy),
        Rule("policy_in_force", 1, MEDIUM, policy_in_force),
        Rule("waiting_days", 1, MEDIUM, waiting_days),
        Rule("drug_listed", 1, MEDIUM, drug_listed),
        Rule("indication", 1, MEDIUM, indication),
        Rule("diagnosis_window", 1, MEDIUM, diagnosis_window),
        Rule("diagnosis_under_cover", 1, HIGH, diagnosis_under_cover),
        Rule("materials_complete", 1, MEDIUM, materials_complete),
        Rule("materials_age", 1, MEDIUM, materials_age),
        Rule("prescription_valid", 1, MEDIUM, prescription_valid),
        Rule("days_of_supply", 1, MEDIUM, days_of_supply),
        Rule("early_refill", 1, MEDIUM, early_refill),
        Rule("authorisation", 1, MEDIUM, authorisation),
        Rule("duplicate", 1, HIGH, duplicate),
        Rule("cap_left", 1, MEDIUM, cap_left),
        Rule("large_amount", 1, MEDIUM, large_amount),
    )
}
