"""What the rules may look at: the facts of one claim, without names or numbers of persons. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Literal


class FactsInvalid(ValueError):
    """A case of a rule pack names a fact that does not exist, or gives it a wrong kind of value."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A line of the checklist that applies to this claim."""

    kind: str
    maximum_age_days: int | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that was handed in and not withdrawn."""

    kind: str
    issued_on: date | None = None


@dataclass(frozen=True, slots=True)
class Alike:
    """Another claim with the same paper: prescription, invoice, or the very same file."""

    claim_no: str
    same: Literal["prescription", "invoice", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Amounts in minor units, days by the calendar of the product. `prescription_fault` and `authorisation_fault` are
    codes of registry.selectors; empty means none."""

    kind: str
    drug: str
    icd10: str
    diagnosed_on: date | None
    service_on: date
    quantity: int
    days_of_supply: int
    lines_payable_minor: int
    payable_minor: int
    terms_number: int
    # Cover.
    on_policy: bool
    in_force: bool
    in_grace: bool
    waiting_until: date | None
    waiting_days: int
    covered_since: date | None
    pre_existing: bool
    # List.
    listed: bool
    indicated: bool
    clause: str
    clause_zh: str
    diagnosis_window_years: int
    days_of_supply_most: int
    # What is left without this claim, with all other claims in flight counted; None: nothing is held for it.
    cap_left_minor: int | None
    others_hold_minor: int
    # Materials.
    needed: tuple[Needed, ...]
    papers: tuple[Paper, ...]
    # Prescription.
    prescribed: bool
    prescription_fault: str
    prescribed_icd10: str
    prescribed_quantity: int
    specialist: bool
    prescription_repeats: int
    # Supply.
    supplied_until: date | None
    early_refill_days: int
    charity_cycles: bool
    # Authorisation.
    authorised: bool
    authorisation_fault: str
    re_evaluation_due: bool
    # Other claims.
    alike: tuple[Alike, ...]


NESTED: Mapping[str, type[Any]] = {"needed": Needed, "papers": Paper, "alike": Alike}


def changed(facts: Facts, changes: Mapping[str, Any]) -> Facts:
    """`facts` with `changes` as JSON has them: days in ISO 8601. Raises FactsInvalid."""
    known = {field.name: str(field.type) for field in fields(Facts)}
    values = {}
    for name, value in changes.items():
        if name not in known:
            raise FactsInvalid(f"{name} is no fact")
        try:
            values[name] = _value(name, known[name], value)
        except (TypeError, ValueError) as error:
            raise FactsInvalid(f"{name}: {error}") from None
    return replace(facts, **values)


def _value(name: str, kind: str, value: Any) -> Any:
    if name in NESTED:
        return tuple(NESTED[name](**_dated(one)) for one in value)
    if value is None and "None" in kind:
        return None
    if kind.startswith("date"):
        return date.fromisoformat(value)
    wanted = {"str": str, "int": int, "bool": bool}[kind.partition(" ")[0]]
    if type(value) is not wanted:
        raise TypeError(f"not of kind {wanted.__name__}")
    return value


def _dated(one: Mapping[str, Any]) -> dict[str, Any]:
    day = one.get("issued_on")
    return {**one, "issued_on": date.fromisoformat(day)} if isinstance(day, str) else dict(one)
