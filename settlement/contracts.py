"""What was agreed with an insurer about advances, typed. Pure: reads a Contract.body, knows no database.

Nothing here has a default: what a contract does not say is refused when it is signed, not guessed when money moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from core.errors import Problem
from registry.states import ConfirmationMode
from settlement.states import Bearer, Funder, RefusalClass

COUNTS = ("_minor", "_days", "_hours", "_most")
FEE_KINDS = ("PER_CLAIM", "PER_CENT", "PER_MONTH")
COUNTERPARTIES = ("INSURER", "PHARMACY")
WHOLE_BASIS_POINTS = 10_000


class ContractInvalid(Problem):
    code = "contract_invalid"
    status = 422
    title = "The contract cannot be read"
    detail = "{place}: {fault}"
    detail_zh = "合同无法读取。{place}：{fault}"
    fix = "Correct that place of the contract; nothing was stored."
    fix_zh = "请更正该处合同内容后重新提交；本次未保存任何内容。"


@dataclass(frozen=True, slots=True)
class Fee:
    """One line of the fee agreement. `amount_minor` for PER_CLAIM and PER_MONTH, `basis_points` for PER_CENT."""

    counterparty: str
    kind: str
    amount_minor: int
    basis_points: int
    vat_basis_points: int


@dataclass(frozen=True, slots=True)
class ContractTerms:
    credit_limit_note: str
    stop_after_days: int  # An advance open for longer: no new ones for this insurer.
    held_days: int  # Money stays held for so long where no pick-up code says until when.
    recourse: Mapping[RefusalClass, Mapping[ConfirmationMode, Bearer]]  # Complete.
    refusal_classes: Mapping[str, RefusalClass]  # The insurer's reason codes; any other is OTHER.
    funders: tuple[Funder, ...]  # In this order.
    prefund_warning_minor: int
    object_within_days: int
    instalments_most: int
    three_names_above_minor: int
    payee_rests_hours: int
    collect_within_days: int
    pharmacy_pay_within_days: int
    patient_pay_within_days: int
    cash_advance_limit_minor: int  # Up to it a patient who has paid gets his money before the confirmation; 0: never.
    fees: tuple[Fee, ...]

    def bearer(self, refusal: RefusalClass, mode: ConfirmationMode) -> Bearer:
        """Who bears what the insurer does not pay."""
        return self.recourse[refusal][mode]

    def refusal_class(self, reason_code: str) -> RefusalClass:
        return self.refusal_classes.get(reason_code, RefusalClass.OTHER)


def parse(body: Mapping[str, Any]) -> ContractTerms:
    """The terms in `body`. Raises ContractInvalid with the first place that is missing, unknown or of a wrong kind."""
    names = {field.name for field in fields(ContractTerms)}
    for name in sorted(set(body) - names):
        raise ContractInvalid(place=name, fault="unknown parameter")
    for name in sorted(names - set(body)):
        raise ContractInvalid(place=name, fault="missing")
    for name in sorted(names):
        if name.endswith(COUNTS):
            _count(body[name], name)
    if not isinstance(body["credit_limit_note"], str):
        raise ContractInvalid(place="credit_limit_note", fault="not a text")
    values = dict(body)
    values["recourse"] = _recourse(body["recourse"])
    values["refusal_classes"] = {
        str(code): _choice(RefusalClass, name, f"refusal_classes.{code}")
        for code, name in _object(body["refusal_classes"], "refusal_classes").items()
    }
    values["funders"] = tuple(_choice(Funder, one, "funders") for one in _list(body["funders"], "funders"))
    if not values["funders"] or len(set(values["funders"])) != len(values["funders"]):
        raise ContractInvalid(place="funders", fault="names at least one, each once")
    values["fees"] = tuple(_fee(one, f"fees[{at}]") for at, one in enumerate(_list(body["fees"], "fees")))
    return ContractTerms(**values)


def recourse_by_default() -> dict[str, dict[str, str]]:
    """The table a contract starts from: whoever was wrong bears it, and what nobody can name the platform."""
    bearers = {
        RefusalClass.WITHIN_AUTHORITY: Bearer.INSURER,
        RefusalClass.REVIEW_ERROR: Bearer.PLATFORM,
        RefusalClass.WRONG_DRUG: Bearer.PHARMACY,
        RefusalClass.WRONG_LOT: Bearer.PHARMACY,
        RefusalClass.PRESCRIPTION_MISSING: Bearer.PHARMACY,
        RefusalClass.FALSE_MATERIALS: Bearer.PATIENT,
        RefusalClass.POLICY_VOID: Bearer.PATIENT,
        RefusalClass.OTHER: Bearer.PLATFORM,
    }
    return {
        refusal.value: {mode.value: bearer.value for mode in ConfirmationMode} for refusal, bearer in bearers.items()
    }


def _recourse(table: object) -> dict[RefusalClass, dict[ConfirmationMode, Bearer]]:
    rows = _object(table, "recourse")
    for name in sorted(set(rows) - set(RefusalClass.values)):
        raise ContractInvalid(place=f"recourse.{name}", fault="no such refusal class")
    read: dict[RefusalClass, dict[ConfirmationMode, Bearer]] = {}
    for refusal in RefusalClass:
        row = _object(rows.get(refusal.value), f"recourse.{refusal.value}")
        for name in sorted(set(row) ^ set(ConfirmationMode.values)):
            raise ContractInvalid(place=f"recourse.{refusal.value}.{name}", fault="missing, or no such mode")
        read[refusal] = {
            mode: _choice(Bearer, row[mode.value], f"recourse.{refusal.value}.{mode.value}")
            for mode in ConfirmationMode
        }
    return read


def _fee(one: object, place: str) -> Fee:
    row = _object(one, place)
    for name in sorted(set(row) ^ {"counterparty", "kind", "amount_minor", "basis_points", "vat_basis_points"}):
        raise ContractInvalid(place=f"{place}.{name}", fault="missing, or unknown")
    for name in ("amount_minor", "basis_points", "vat_basis_points"):
        _count(row[name], f"{place}.{name}")
    if row["counterparty"] not in COUNTERPARTIES or row["kind"] not in FEE_KINDS:
        raise ContractInvalid(place=place, fault="counterparty or kind is unknown")
    if max(row["basis_points"], row["vat_basis_points"]) > WHOLE_BASIS_POINTS:
        raise ContractInvalid(place=place, fault="basis points go from 0 to 10000")
    if (row["kind"] == "PER_CENT") != (row["basis_points"] > 0) or (row["kind"] == "PER_CENT") == (
        row["amount_minor"] > 0
    ):
        raise ContractInvalid(place=place, fault="PER_CENT has basis_points and no amount, the others an amount")
    return Fee(**row)


def _count(value: object, place: str) -> None:
    if type(value) is not int or value < 0:
        raise ContractInvalid(place=place, fault="not a whole number of at least 0")


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ContractInvalid(place=place, fault="not an object")
    return value


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ContractInvalid(place=place, fault="not a list")
    return list(value)


def _choice(choices: type[Any], value: object, place: str) -> Any:
    try:
        return choices(value)
    except ValueError:
        raise ContractInvalid(place=place, fault=f"{value!r} is not one of {', '.join(choices.values)}") from None
