"""A hospital's list of a business day held against ours: pure, over plain values. Minor units throughout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from exchange.states import OperationClass, TransactionState

AMOUNTS = ("total_minor", "fund_minor", "account_minor", "hospital_minor", "cash_minor")
# A success that was given up because the list lacks it stays absent until it is undone.
BEING_UNDONE = (TransactionState.REVERSING, TransactionState.NEEDS_HUMAN)
# Until insurers' files are read.
NOT_RECEIVED = "not_received"


class DayCaseKind(StrEnum):
    ABSENT = "absent"  # Settled here, and not on the list.
    UNKNOWN = "unknown"  # On the list, and not known here.
    NOT_SUCCEEDED = "not_succeeded"  # On the list, and not settled here.
    AMOUNTS_DIFFER = "amounts_differ"
    DUPLICATE = "duplicate"  # It stands on the list more than once.
    UNACKNOWLEDGED = "unacknowledged"  # On the list, settled here, and never said to be booked.
    OTHER_DAY = "other_day"  # On the list, and settled on quite another day.


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySuccess:
    """A wish of ours, as a day's list is held against it. `settled_at` is when its state was reached."""

    id: UUID
    his_no: str
    operation: str
    operation_class: str
    state: str
    settled_at: datetime
    received_at: datetime
    amounts: Mapping[str, int | None]
    currency: str
    shares: Sequence[Mapping[str, Any]]
    acknowledged: bool
    insurer: str
    interface: str

    @property
    def succeeded(self) -> bool:
        return self.operation_class == OperationClass.MOVES and self.state == TransactionState.SUCCEEDED

    def shown(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "settled_at": self.settled_at.isoformat().replace("+00:00", "Z"),
            **self.amounts,
            "currency": self.currency,
            "acknowledged": self.acknowledged,
            "insurer": self.insurer,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    kind: DayCaseKind
    his_no: str
    transaction_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def day_bounds(day: date, zone_name: str) -> tuple[datetime, datetime]:
    """First moment of a business day, and of the next one, in the hospital's time zone."""
    zone = ZoneInfo(zone_name)
    return datetime.combine(day, time.min, zone), datetime.combine(day + timedelta(days=1), time.min, zone)


def day_differences(
    listed: Sequence[Mapping[str, Any]],
    known: Mapping[str, DaySuccess],
    of_the_day: Iterable[DaySuccess],
    *,
    elsewhere: Collection[str],
    begin: datetime,
    end: datetime,
) -> list[Difference]:
    """What differs between the list and ours.

    `known`: ours, by the names on the list and of what was absent from it before; `of_the_day`: what was settled
    between `begin` and `end`; `elsewhere`: names that stand on the list of the day before or after, where a fee around
    midnight may have been booked.
    """
    counts = Counter(row["his_no"] for row in listed)
    found: list[Difference] = []
    seen: set[str] = set()
    for row in listed:
        his_no = row["his_no"]
        if his_no in seen:
            continue
        seen.add(his_no)
        ours = known.get(his_no)
        if counts[his_no] > 1:
            found.append(_difference(DayCaseKind.DUPLICATE, row, ours, times=counts[his_no]))
        found += _row_differences(row, ours, begin=begin, end=end)
    for ours in of_the_day:
        if ours.his_no not in counts and ours.his_no not in elsewhere:
            found.append(Difference(DayCaseKind.ABSENT, ours.his_no, ours.id, {"ours": ours.shown()}))
    for ours in known.values():
        if ours.his_no not in counts and ours.state in BEING_UNDONE:
            found.append(Difference(DayCaseKind.ABSENT, ours.his_no, ours.id, {"ours": ours.shown(), "disowned": True}))
    return found


def _row_differences(
    row: Mapping[str, Any], ours: DaySuccess | None, *, begin: datetime, end: datetime
) -> Iterable[Difference]:
    if ours is None:
        yield _difference(DayCaseKind.UNKNOWN, row, None)
        return
    # Settled that day and cancelled on a later one: on its own day it was right.
    cancelled_later = ours.state == TransactionState.CANCELLED and ours.settled_at >= end
    if not ours.succeeded and not cancelled_later:
        yield _difference(DayCaseKind.NOT_SUCCEEDED, row, ours, operation=ours.operation)
        return
    differing = _differing(row, ours)
    if differing:
        yield _difference(DayCaseKind.AMOUNTS_DIFFER, row, ours, differing=differing)
    a_day = timedelta(days=1)
    near = begin - a_day <= ours.settled_at < end + a_day or begin <= ours.received_at < end
    if not near and not cancelled_later:
        yield _difference(DayCaseKind.OTHER_DAY, row, ours)
    if not ours.acknowledged:
        yield _difference(DayCaseKind.UNACKNOWLEDGED, row, ours)


def _differing(row: Mapping[str, Any], ours: DaySuccess) -> list[str]:
    """The members that both sides have and that are not equal."""
    names = [name for name in AMOUNTS if row.get(name) is not None and row[name] != ours.amounts[name]]
    if row.get("currency") not in (None, ours.currency):
        names.append("currency")
    if row.get("shares") is not None and _by_payer(row["shares"]) != _by_payer(ours.shares):
        names.append("shares")
    return names


def _by_payer(shares: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for share in shares:
        sums[share["payer"]] += share["amount_minor"]
    return {payer: minor for payer, minor in sums.items() if minor}


def _difference(kind: DayCaseKind, row: Mapping[str, Any], ours: DaySuccess | None, **details: Any) -> Difference:
    theirs = {name: value for name, value in row.items() if name != "his_no" and value is not None}
    shown = {"theirs": theirs, **({"ours": ours.shown()} if ours else {}), **details}
    return Difference(kind, row["his_no"], ours.id if ours else None, shown)
