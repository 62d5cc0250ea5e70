"""What a hospital sends, as typed dictionaries: the JSON of the hospital interface, member by member.

Money is whole minor units (fen); quantities and prices are decimal texts ("1", "100.000000"). Members not named here
may be added: the platform keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class Operator(TypedDict, total=False):
    no: str | None
    name: str | None
    terminal_no: str | None
    shift_no: str | None


class Person(TypedDict, total=False):
    """`id_no` or `credential` is needed."""

    id_type: str | None
    id_no: str | None
    name: str | None
    credential: str | None
    contact: str | None


class Diagnosis(TypedDict, total=False):
    code: Required[str]
    name: str | None


class Visit(TypedDict, total=False):
    visit_no: Required[str]
    kind: str | None
    med_type: str | None
    department: str | None
    doctor_no: str | None
    registration_no: str | None
    diagnoses: Sequence[Diagnosis]


class BillName(TypedDict, total=False):
    bill_no: str | None
    batch_no: str | None


class Insurance(TypedDict, total=False):
    scheme: Required[str]
    region: str | None


class Item(TypedDict, total=False):
    line_no: Required[int]
    code: Required[str]
    hospital_code: str | None
    name: str | None
    quantity: Required[str]
    unit_price: str
    unit_price_minor: int
    amount_minor: Required[int]


class Wish(TypedDict, total=False):
    """One wish toward an insurer. The client sets `operation`, and `of` where it is named in the call."""

    his_no: Required[str]
    operation: str
    operator: Operator | None
    person: Person
    visit: Visit
    bill: BillName | None
    insurance: Insurance | None
    items: Sequence[Item]
    total_minor: int
    currency: str
    of: str | None
    retry_of: str | None
    replaces: str | None
    presettle_of: str | None
    expect_cash_minor: int | None


class ListedShare(TypedDict):
    payer: str
    amount_minor: int


class ListedFee(TypedDict, total=False):
    """A fee that the hospital has booked as settled, for the list of a day. What is left out is not compared."""

    his_no: Required[str]
    visit_no: str | None
    bill_no: str | None
    total_minor: Required[int]
    fund_minor: int | None
    account_minor: int | None
    hospital_minor: int | None
    cash_minor: int | None
    currency: str | None
    shares: Sequence[ListedShare] | None
    tender: str | None
    operator_no: str | None
    shift_no: str | None
