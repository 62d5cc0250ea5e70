"""What the checker looks at: four records of the same run, each written by somebody else. Plain values, no behaviour.

`his_no` is unique over both hospitals in a run. Amounts in minor units; times in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Told:
    """One line of the hospital's notebook: an answer, in the order in which answers were seen."""

    his_no: str
    act: str
    status: int
    verdict: str
    code: str = ""
    asked: str = ""
    visit: int = 0


@dataclass(frozen=True, kw_only=True)
class Wished:
    """One wish that the hospital made. `insurer` is where it must go."""

    his_no: str
    hospital: str
    visit_no: str
    bill_no: str
    operation: str
    insurer: str
    total_minor: int
    replaces: str = ""
    retry_of: str = ""
    of: str = ""

    @property
    def bill(self) -> tuple[str, str, str]:
        return (self.hospital, self.visit_no, self.bill_no)


@dataclass(frozen=True, kw_only=True)
class Cash:
    """Cash over the counter, noted before the platform was told: above zero it came in, below it went out."""

    his_no: str
    bill: tuple[str, str, str]
    minor: int
    number: str


@dataclass(frozen=True, kw_only=True)
class Held:
    """One settlement in an insurer's own book."""

    insurer: str
    msgid: str
    his_no: str
    total_minor: int
    fund_minor: int
    account_minor: int
    hospital_minor: int
    cash_minor: int
    state: str
    accepted_reversals: int


@dataclass(frozen=True, kw_only=True)
class Ours:
    """A transaction in the platform's database. `settle_msgids` are all its first sends; a healthy one has one."""

    his_no: str
    state: str
    operation_class: str
    insurer: str
    settle_msgids: Sequence[str] = ()
    total_minor: int | None = None
    fund_minor: int | None = None
    account_minor: int | None = None
    hospital_minor: int | None = None
    cash_minor: int | None = None
    of: str = ""
    reason_code: str = ""
    verdicts: Sequence[str] = ()
    moves: Sequence[tuple[str, str, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What the ledger says of one bill: balances on the account's normal side."""

    receivable_minor: int = 0
    hospital_borne_minor: int = 0
    counter_cash_minor: int = 0
    patient_deposits_minor: int = 0
    fees_minor: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything about one run at rest.

    `final`: what GET says of each his_no now, None where it is not found. `bills`: what GET says of each bill.
    `abnormal`: entries of each hospital's list. `posted`: by bill. `ledger`: sentences of `ledger_prove` when it does
    not hold, and of the looks during the run. `surprises`: what the tills met and the contract does not foresee.
    """

    told: Sequence[Told] = ()
    wished: Mapping[str, Wished] = field(default_factory=dict)
    cash: Sequence[Cash] = ()
    held: Sequence[Held] = ()
    ours: Mapping[str, Ours] = field(default_factory=dict)
    final: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    bills: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    abnormal: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    posted: Mapping[tuple[str, str, str], Posted] = field(default_factory=dict)
    ledger: Sequence[str] = ()
    surprises: Sequence[str] = ()
