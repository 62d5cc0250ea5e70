"""What is agreed with an insurer, and how much room its credit line has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from core.errors import Conflict
from settlement import contracts
from settlement.contracts import ContractTerms
from settlement.models import Contract, CreditLine
from settlement.states import LineKind


class ContractMissing(Conflict):
    code = "contract_missing"
    title = "No contract on that day"
    detail = "Nothing was agreed about advances with organisation {organisation_id} for {on}."
    detail_zh = "机构 {organisation_id} 在 {on} 没有有效的垫付合同。"
    fix = "Have the contract signed; the claim waits until then."
    fix_zh = "请先签订合同；在此之前该申请等待垫付。"


@dataclass(frozen=True, slots=True)
class Agreed:
    contract_id: UUID
    number: int
    effective_from: date
    terms: ContractTerms


def contract_on(*, organisation_id: int, on: date) -> Agreed:
    """The contract in force with that insurer on the day: the latest by its day, then by number.

    Raises ContractMissing.
    """
    rows = Contract.objects.filter(organisation_id=organisation_id, effective_from__lte=on)
    row = rows.order_by("-effective_from", "-number").first()
    if row is None:
        raise ContractMissing(organisation_id=organisation_id, on=on)
    return Agreed(row.pk, row.number, row.effective_from, contracts.parse(row.body))


def line_minor(*, organisation_id: int, kind: LineKind, currency: str = "CNY") -> int:
    """The most that may be open with this insurer or pharmacy chain, minor units; 0 while nobody has set it."""
    rows = CreditLine.objects.filter(organisation_id=organisation_id, kind=kind, currency=currency)
    return rows.order_by("-number").values_list("amount_minor", flat=True).first() or 0
