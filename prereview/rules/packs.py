"""A rule pack: which rules run for a product, with which clauses and parameters, and the cases that prove it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import Problem
from prereview.rules.checks import HIGH, LOW, MEDIUM, RULES, Finding
from prereview.rules.facts import Facts, FactsInvalid, changed
from prereview.rules.sound import SOUND

WHOLE_BASIS_POINTS = 10_000
CASES_LIMIT = 500
# Rules that speak of the list: where the pack has no clause of its own, that of the list is quoted.
OF_THE_LIST = ("drug_listed", "indication")
KEYS = {"rules", "look_from_minor", "sample_basis_points", "straight_through"}


class PackInvalid(Problem):
    code = "pack_invalid"
    status = 422
    title = "The rule pack cannot be read"
    detail = "{place}: {fault}"
    detail_zh = "规则包无法读取。{place}：{fault}"
    fix = "Correct that place of the pack; nothing was stored."
    fix_zh = "请更正该处后重新提交；本次未保存任何内容。"


@dataclass(frozen=True, slots=True)
class PackRule:
    """`clause` is quoted where the rule routes and a person refuses; empty: the general clause of the terms."""

    rule: str
    clause: str = ""
    clause_zh: str = ""


@dataclass(frozen=True, slots=True)
class StraightThrough:
    """Claims of these kinds pass without a person when every rule passes and no more than this is payable."""

    kinds: tuple[str, ...] = ()
    up_to_minor: int = 0


@dataclass(frozen=True, slots=True)
class Pack:
    """`sample_basis_points`: the part of the claims drawn for a second look; `look_from_minor`: of large_amount."""

    rules: tuple[PackRule, ...]
    look_from_minor: int | None = None
    sample_basis_points: int = 0
    straight_through: StraightThrough = field(default_factory=StraightThrough)


@dataclass(frozen=True, slots=True)
class Case:
    """Facts that are sound but for `changes`, and whether `rule` must let them pass."""

    name: str
    rule: str
    passes: bool
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """{rule, version, passed, evidence, clause}, and the risk that it stands for."""

    rule: str
    version: int
    passed: bool
    evidence: Mapping[str, Any]
    clause: str
    clause_zh: str
    grade: str


def pack_read(body: Mapping[str, Any]) -> Pack:
    """The pack in `body`. Raises PackInvalid with the first place that is wrong."""
    for name in sorted(set(body) - KEYS):
        raise PackInvalid(place=name, fault="unknown parameter")
    rules = tuple(_rule(one, f"rules[{at}]") for at, one in enumerate(_list(body.get("rules"), "rules")))
    named = [one.rule for one in rules]
    if len(named) != len(set(named)):
        raise PackInvalid(place="rules", fault="a rule stands twice")
    for missing in sorted(set(RULES) - set(named)):
        raise PackInvalid(place="rules", fault=f"the standing check {missing} is missing")
    look_from = body.get("look_from_minor")
    return Pack(
        rules=rules,
        look_from_minor=None if look_from is None else _count(look_from, "look_from_minor"),
        sample_basis_points=_count(body.get("sample_basis_points", 0), "sample_basis_points", WHOLE_BASIS_POINTS),
        straight_through=_straight_through(body.get("straight_through") or {}),
    )


def cases_read(cases: Any) -> tuple[Case, ...]:
    """Raises PackInvalid."""
    rows = _list(cases, "cases")
    if len(rows) > CASES_LIMIT:
        raise PackInvalid(place="cases", fault=f"more than {CASES_LIMIT}")
    return tuple(_case(one, f"cases[{at}]") for at, one in enumerate(rows))


def pack_run(pack: Pack, facts: Facts) -> list[Result]:
    """Every rule of the pack over the facts, in its order. A rule that raises routes: nothing passes by a fault."""
    return [_ran(one, pack, facts) for one in pack.rules]


def pack_prove(pack: Pack, cases: Sequence[Case]) -> list[str]:
    """What is wrong with the pack by its own cases; empty when it may be published.

    Each rule has at least one case that passes and one that routes, and all of them come out as they say.
    """
    faults = [
        f"{one.rule}: no {word} case"
        for one in pack.rules
        for word, passes in (("passing", True), ("routing", False))
        if not any(case.rule == one.rule and case.passes == passes for case in cases)
    ]
    return [*faults, *(fault for case in cases if (fault := _case_fault(pack, case)))]


def risk_of(results: Sequence[Result]) -> str:
    """The highest grade of what routed; LOW when everything passed."""
    grades = {one.grade for one in results if not one.passed}
    return next((grade for grade in (HIGH, MEDIUM) if grade in grades), LOW)


def _ran(one: PackRule, pack: Pack, facts: Facts) -> Result:
    rule = RULES[one.rule]
    try:
        finding = rule.check(facts, {"look_from_minor": pack.look_from_minor})
    except Exception as error:
        finding = Finding(False, "rule_failed", {"fault": type(error).__name__})
    clause, clause_zh = one.clause, one.clause_zh
    if not clause and facts.clause and one.rule in OF_THE_LIST:
        clause, clause_zh = facts.clause, facts.clause_zh
    if not clause:
        clause = f"Terms version {facts.terms_number}"
        clause_zh = f"条款第 {facts.terms_number} 版"
    return Result(rule.code, rule.version, finding.passed, finding.evidence, clause, clause_zh, rule.grade)


def _case_fault(pack: Pack, case: Case) -> str:
    ran = {one.rule: one for one in pack_run(pack, changed(SOUND, case.changes))}
    if case.rule not in ran:
        return f"{case.name}: {case.rule} is no rule of the pack"
    result = ran[case.rule]
    if result.passed == case.passes:
        return ""
    return f"{case.name}: {case.rule} {'passes' if result.passed else 'routes'} ({result.evidence['code']})"


def _rule(one: Any, place: str) -> PackRule:
    if not isinstance(one, Mapping) or set(one) - {"rule", "clause", "clause_zh"}:
        raise PackInvalid(place=place, fault="has rule, clause and clause_zh")
    if one.get("rule") not in RULES:
        raise PackInvalid(place=place, fault=f"{one.get('rule')!r} is no rule")
    clause, clause_zh = one.get("clause", ""), one.get("clause_zh", "")
    if not isinstance(clause, str) or not isinstance(clause_zh, str) or bool(clause) != bool(clause_zh):
        raise PackInvalid(place=place, fault="a clause stands in both languages")
    return PackRule(one["rule"], clause, clause_zh)


def _case(one: Any, place: str) -> Case:
    if not isinstance(one, Mapping) or set(one) != {"name", "rule", "passes", "changes"}:
        raise PackInvalid(place=place, fault="has name, rule, passes and changes")
    if type(one["passes"]) is not bool or not isinstance(one["changes"], Mapping):
        raise PackInvalid(place=place, fault="passes is true or false, changes an object of facts")
    try:
        changed(SOUND, one["changes"])
    except FactsInvalid as error:
        raise PackInvalid(place=place, fault=str(error)) from None
    return Case(str(one["name"]), str(one["rule"]), one["passes"], one["changes"])


def _straight_through(value: Any) -> StraightThrough:
    if not isinstance(value, Mapping) or set(value) - {"kinds", "up_to_minor"}:
        raise PackInvalid(place="straight_through", fault="has kinds and up_to_minor")
    kinds = _list(value.get("kinds", []), "straight_through.kinds")
    for kind in kinds:
        if kind not in ("FIRST", "RENEWAL"):
            raise PackInvalid(place="straight_through.kinds", fault=f"{kind!r} is not FIRST or RENEWAL")
    return StraightThrough(tuple(kinds), _count(value.get("up_to_minor", 0), "straight_through.up_to_minor"))


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise PackInvalid(place=place, fault="not a list")
    return value


def _count(value: Any, place: str, most: int | None = None) -> int:
    if type(value) is not int or value < 0 or (most is not None and value > most):
        raise PackInvalid(place=place, fault="not a whole number that is possible there")
    return value
