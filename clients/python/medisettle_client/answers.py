"""What the platform tells. Frozen, typed; each keeps the whole JSON in `raw`, with members that are newer than this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# `pending` is the one verdict that is no answer yet.
PENDING = "pending"
SUCCEEDED = "succeeded"


def whole() -> Any:
    """A member that holds the whole JSON of its answer."""
    return field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Who on the insurer's side pays how much."""

    payer: str
    insurer: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Minor units. total = fund + account + hospital + cash; `cash_minor` is what the patient pays."""

    total_minor: int
    fund_minor: int
    account_minor: int
    hospital_minor: int
    cash_minor: int
    currency: str
    shares: tuple[Share, ...] = ()
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfPayment:
    """Cash taken because no verdict came, and what of it is due back."""

    state: str = "NONE"
    amount_minor: int = 0
    refund_due_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BillState:
    """`square`: payers' shares and cash make the price. `outside`: nothing is live, in doubt or paid in cash."""

    square: bool
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Insurer:
    code: str | None = None
    interface: str | None = None
    settlement_no: str | None = None
    msgid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why it is no success, and who must do what."""

    code: str
    detail: str = ""
    detail_zh: str = ""
    fix: str = ""
    fix_zh: str = ""
    insurer_code: str | None = None
    insurer_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The current verdict on a wish. `state` is for people and support; decide by `verdict`."""

    his_no: str
    verdict: str
    id: str = ""
    operation: str = ""
    state: str = ""
    amounts: Amounts | None = None
    self_payment: SelfPayment = SelfPayment()
    bill: BillState | None = None
    insurer: Insurer | None = None
    reason: Reason | None = None
    acknowledged: bool = False
    cash_difference_minor: int | None = None
    trace_id: str = ""
    # It was here before; nothing happened a second time.
    replayed: bool = False
    raw: Mapping[str, Any] = whole()

    @property
    def is_final(self) -> bool:
        """Whether the platform has answered: everything but `pending`."""
        return self.verdict != PENDING

    @property
    def succeeded(self) -> bool:
        return self.verdict == SUCCEEDED
