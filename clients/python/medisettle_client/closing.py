"""What a shift and a business day come to. Minor units throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from medisettle_client.answers import whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many fees, and their sum; `own_minor` are the patients' own shares of what is settled."""

    count: int = 0
    total_minor: int = 0
    own_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFee:
    """A fee of the shift that is told by name; `paid_minor` is the cash told for it."""

    his_no: str
    state: str = ""
    total_minor: int = 0
    paid_minor: int = 0
    since: datetime | None = None
    operator_no: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    """`count` counts all; so many by name as the platform lists."""

    count: int = 0
    total_minor: int = 0
    transactions: tuple[NamedFee, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BillDue:
    visit_no: str
    bill_no: str
    refund_due_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDue:
    count: int = 0
    amount_minor: int = 0
    bills: tuple[BillDue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tender:
    """One tender: what the till told, and what the platform knows of it."""

    tender: str
    told_minor: int = 0
    taken_minor: int = 0
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftResult:
    """The shift at the moment it was closed. `difference_minor`: what the till told less what it should hold."""

    shift_no: str
    difference_minor: int
    currency: str = "CNY"
    closed_at: datetime | None = None
    settled: Count = Count()
    refused: Count = Count()
    not_sent: Count = Count()
    reversed: Count = Count()
    cancelled: Count = Count()
    unknown: ByName = ByName()
    unacknowledged: ByName = ByName()
    refund_due: RefundDue = RefundDue()
    own_shares_minor: int = 0
    cash_taken_minor: int = 0
    refunded_minor: int = 0
    given_back_minor: int = 0
    till_minor: int = 0
    told_minor: int = 0
    tenders: tuple[Tender, ...] = ()
    raw: Mapping[str, Any] = whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayList:
    """The latest list that the hospital sent for a day."""

    version: int
    rows: int
    received_at: datetime
    as_of: datetime | None = None
    signed_by: str | None = None
    second_by: str | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySums:
    """Sums of one currency; a part that one row leaves out is None."""

    currency: str
    count: int
    total_minor: int | None = None
    fund_minor: int | None = None
    account_minor: int | None = None
    hospital_minor: int | None = None
    cash_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayInsurer:
    """`file`: what has come of the insurer's own file."""

    insurer: str
    interface: str = ""
    file: str = "not_received"
    ours: tuple[DaySums, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCase:
    """One difference between the hospital's list and ours."""

    kind: str
    his_no: str
    opened_at: datetime | None = None
    insurer: str = "not_received"
    ours: Mapping[str, Any] | None = None
    theirs: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """A fee up to that day that has not ended."""

    his_no: str
    operation: str = ""
    state: str = ""
    total_minor: int | None = None
    received_at: datetime | None = None
    insurer: str | None = None
    can_be_queried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """A business day: the hospital's list against ours and, once they are read, the insurers' files."""

    business_date: date
    agrees: bool
    time_zone: str = ""
    list: DayList | None = None
    insurer: str = "not_received"
    ours: tuple[DaySums, ...] = ()
    theirs: tuple[DaySums, ...] = ()
    insurers: tuple[DayInsurer, ...] = ()
    cases_open: int = 0
    cases_closed: int = 0
    cases: tuple[DayCase, ...] = ()
    unresolved_count: int = 0
    unresolved: tuple[Unresolved, ...] = ()
    raw: Mapping[str, Any] = whole()
