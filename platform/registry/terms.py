"""The terms of a product on a day, typed. Pure: reads a Terms.body, knows no database.

Every parameter of a product is data of its terms and has its unit in its name; nothing here has a default that would
decide a claim silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from core.errors import Problem
from registry.states import ClaimKind, ConfirmationMode, DocumentKind

PAYERS = ("basic", "other", "commercial", "charity", "patient")
WHOLE_BASIS_POINTS = 10_000
COUNTS = ("_minor", "_days", "_years", "_most")


class TermsInvalid(Problem):
    code = "terms_invalid"
    status = 422
    title = "The terms cannot be read"
    detail = "{place}: {fault}"
    detail_zh = "条款无法读取。{place}：{fault}"
    fix = "Correct that place of the terms; nothing was stored."
    fix_zh = "请更正该处条款后重新提交；本次未保存任何内容。"


@dataclass(frozen=True, slots=True)
class Listed:
    """A drug on the product's list."""

    drug: str
    category: str
    cap_minor: int | None  # Per policy year; None: no cap of its own.
    indications: tuple[str, ...]  # ICD-10 codes or beginnings of them.
    clause: str
    clause_zh: str

    def indicated(self, icd10: str) -> bool:
        """Whether the list names this diagnosis for the drug."""
        return any(icd10.upper().startswith(begin.upper()) for begin in self.indications)


@dataclass(frozen=True, slots=True)
class Material:
    """One line of the checklist."""

    kind: DocumentKind
    needed_for: tuple[ClaimKind, ...]
    drugs: tuple[str, ...]  # Empty: all drugs.
    maximum_age_days: int | None
    hint: str
    hint_zh: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """Which part is paid, by what is known of the member and the claim."""

    pre_existing: bool
    basic_settled: bool
    basis_points: int


@dataclass(frozen=True, slots=True)
class TermsOfProduct:
    confirmation_mode: ConfirmationMode
    delegated_limit_minor: int  # Above it a delegated product is confirmed by the insurer after all.
    drugs: tuple[Listed, ...]
    materials: tuple[Material, ...]
    ratios: tuple[Ratio, ...]
    waiting_days: int
    grace_days: int  # After the last day of cover, while a renewal is awaited.
    diagnosis_window_years: int
    days_of_supply_most: int
    early_refill_days: int  # A refill may be asked for so many days before the supply is used up.
    deductible_minor: int
    deductible_offsets: tuple[str, ...]  # Of PAYERS: what counts toward it.
    deductible_order: str  # "as_listed" or "dearest_first"
    annual_cap_minor: int | None
    category_caps_minor: Mapping[str, int]
    payers: tuple[str, ...]  # Order of payers, each of PAYERS once.
    paper_above_minor: int | None  # Paper originals are due above this payable.
    decide_within_days: int
    decide_complex_within_days: int
    pay_within_days: int
    refusal_letter_within_days: int
    materials_within_days: int  # The patient's time to supply them.
    appeal_within_days: int
    authorisation_cycles_most: int  # Cycles that a first confirmation authorises; 0: none, each claim is a first one.
    authorisation_days: int  # From the first day of service, and never beyond the policy.
    re_evaluation_cycles_most: int  # After so many cycles the materials are looked at anew.
    running_on_delisting: str  # "continue" or "end": authorisations that run when a drug leaves the list.
    list_date: str  # "service" or "prescription" or "submission": which date's list counts.

    def listed(self, drug: str) -> Listed | None:
        return next((one for one in self.drugs if one.drug == drug), None)

    def ratio_basis_points(self, *, pre_existing: bool, basic_settled: bool) -> int:
        """Raises LookupError for a combination that the terms do not name; parse() refuses such terms."""
        for one in self.ratios:
            if (one.pre_existing, one.basic_settled) == (pre_existing, basic_settled):
                return one.basis_points
        raise LookupError("ratio")

    def checklist(self, *, drug: str, kind: ClaimKind) -> tuple[Material, ...]:
        """What the patient has to hand in, in the order of the terms."""
        return tuple(one for one in self.materials if kind in one.needed_for and (not one.drugs or drug in one.drugs))

    def indicated(self, *, drug: str, icd10: str) -> bool:
        one = self.listed(drug)
        return one is not None and one.indicated(icd10)


def parse(body: Mapping[str, Any]) -> TermsOfProduct:
    """The terms in `body`. Raises TermsInvalid with the first place that is missing, unknown or contradicts itself."""
    names = {field.name for field in fields(TermsOfProduct)}
    for name in sorted(set(body) - names):
        raise TermsInvalid(place=name, fault="unknown parameter")
    for name in sorted(names - set(body)):
        raise TermsInvalid(place=name, fault="missing")
    _shapes(body)
    values = dict(body)
    values["confirmation_mode"] = _choice(ConfirmationMode, body["confirmation_mode"], "confirmation_mode")
    values["drugs"] = tuple(_listed(one, f"drugs[{at}]") for at, one in enumerate(body["drugs"]))
    values["materials"] = tuple(_material(one, f"materials[{at}]") for at, one in enumerate(body["materials"]))
    values["ratios"] = tuple(_made(Ratio, one, f"ratios[{at}]") for at, one in enumerate(body["ratios"]))
    values["deductible_offsets"], values["payers"] = tuple(body["deductible_offsets"]), tuple(body["payers"])
    terms = TermsOfProduct(**values)
    _check(terms)
    return terms


def _shapes(body: Mapping[str, Any]) -> None:
    """JSON of the right kinds, so that what follows may take them for granted."""
    for name in ("drugs", "materials", "ratios", "deductible_offsets", "payers"):
        inner = str if name in ("deductible_offsets", "payers") else Mapping
        _list(body[name], inner, name)
    if not isinstance(body["category_caps_minor"], Mapping):
        raise TermsInvalid(place="category_caps_minor", fault="not an object of amounts by category")
    for at, one in enumerate(body["drugs"]):
        _listed_shape(one, f"drugs[{at}]")
    for at, one in enumerate(body["materials"]):
        _material_shape(one, f"materials[{at}]")
    for at, one in enumerate(body["ratios"]):
        for name in ("pre_existing", "basic_settled"):
            if not isinstance(one.get(name), bool):
                raise TermsInvalid(place=f"ratios[{at}].{name}", fault="not true or false")


def _listed_shape(one: Mapping[str, Any], place: str) -> None:
    _list(one.get("indications", []), str, f"{place}.indications")
    for name in ("drug", "category", "clause", "clause_zh"):
        if not isinstance(one.get(name), str):
            raise TermsInvalid(place=f"{place}.{name}", fault="not a text")


def _material_shape(one: Mapping[str, Any], place: str) -> None:
    for name in ("needed_for", "drugs"):
        _list(one.get(name, []), str, f"{place}.{name}")
    if one.get("maximum_age_days") is not None:
        _amount(one["maximum_age_days"], f"{place}.maximum_age_days")


def _list(value: object, inner: type[Any], place: str) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(one, inner) for one in value):
        raise TermsInvalid(place=place, fault=f"not a list of {'texts' if inner is str else 'objects'}")


def _made(kind: type[Any], one: Mapping[str, Any], place: str) -> Any:
    try:
        return kind(**one)
    except TypeError as error:
        raise TermsInvalid(place=place, fault=str(error).partition(" ")[2]) from None


def _listed(one: Mapping[str, Any], place: str) -> Listed:
    listed: Listed = _made(Listed, {**one, "indications": tuple(one.get("indications", ()))}, place)
    if not listed.indications or not listed.clause or not listed.clause_zh:
        raise TermsInvalid(place=place, fault="a listed drug has indications and a clause in both languages")
    if listed.cap_minor is not None:
        _amount(listed.cap_minor, f"{place}.cap_minor")
    return listed


def _material(one: Mapping[str, Any], place: str) -> Material:
    for name in sorted(set(one) - {field.name for field in fields(Material)}):
        raise TermsInvalid(place=f"{place}.{name}", fault="unknown parameter")
    return Material(
        kind=_choice(DocumentKind, one.get("kind"), f"{place}.kind"),
        needed_for=tuple(_choice(ClaimKind, kind, f"{place}.needed_for") for kind in one.get("needed_for", ())),
        drugs=tuple(one.get("drugs", ())),
        maximum_age_days=one.get("maximum_age_days"),
        hint=str(one.get("hint", "")),
        hint_zh=str(one.get("hint_zh", "")),
    )


def _choice(choices: type[Any], value: object, place: str) -> Any:
    try:
        return choices(value)
    except ValueError:
        raise TermsInvalid(place=place, fault=f"{value!r} is not one of {', '.join(choices.values)}") from None


def _amount(value: object, place: str) -> None:
    if type(value) is not int or value < 0:
        raise TermsInvalid(place=place, fault="not a whole number of at least 0")


def _check(terms: TermsOfProduct) -> None:
    _check_counts(terms)
    _check_words(terms)
    drugs = [one.drug for one in terms.drugs]
    if len(drugs) != len(set(drugs)):
        raise TermsInvalid(place="drugs", fault="a drug is listed twice")
    combinations = {(one.pre_existing, one.basic_settled) for one in terms.ratios}
    if len(combinations) != len(terms.ratios) or len(combinations) != 4:
        raise TermsInvalid(place="ratios", fault="each combination of pre_existing and basic_settled stands once")


def _check_counts(terms: TermsOfProduct) -> None:
    for field in fields(TermsOfProduct):
        value = getattr(terms, field.name)
        may_be_none = "None" in str(field.type)
        if field.name.endswith(COUNTS) and not isinstance(value, Mapping) and not (value is None and may_be_none):
            _amount(value, field.name)
    for category, cap in terms.category_caps_minor.items():
        _amount(cap, f"category_caps_minor.{category}")
    for ratio in terms.ratios:
        if type(ratio.basis_points) is not int or not 0 <= ratio.basis_points <= WHOLE_BASIS_POINTS:
            raise TermsInvalid(place="ratios", fault="basis_points are whole numbers from 0 to 10000")


def _check_words(terms: TermsOfProduct) -> None:
    if sorted(terms.payers) != sorted(PAYERS):
        raise TermsInvalid(place="payers", fault=f"each of {', '.join(PAYERS)} stands once")
    if set(terms.deductible_offsets) - {"basic", "other", "charity"}:
        raise TermsInvalid(place="deductible_offsets", fault="only basic, other and charity can count toward it")
    for name, words in (
        ("deductible_order", ("as_listed", "dearest_first")),
        ("running_on_delisting", ("continue", "end")),
        ("list_date", ("service", "prescription", "submission")),
    ):
        if getattr(terms, name) not in words:
            raise TermsInvalid(place=name, fault=f"not one of {', '.join(words)}")
