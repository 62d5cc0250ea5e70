"""What is read beside verdicts: bills, the abnormal list, lanes, messages, slips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from medisettle_client.answers import Reason, Verdict, whole

# Members of a feed entry that differ at every look: no change by themselves.
PASSING = frozenset({"age_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BillTransaction(Verdict):
    """A wish on its bill, and how it stands to the others there."""

    batch_no: str = ""
    of: str | None = None
    replaces: str | None = None
    retry_of: str | None = None
    cancel_open: bool = False
    received_at: datetime | None = None
    abandoned_at: datetime | None = None
    disowned_at: datetime | None = None
    service_cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillPayment:
    """Cash that was told with `abandon`."""

    his_no: str
    state: str
    amount_minor: int
    currency: str
    collected_at: datetime
    tender: str = ""
    receipt_no: str = ""
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRefund:
    """Cash that was told with `refunded`."""

    his_no: str
    amount_minor: int
    currency: str
    refund_no: str
    tender: str = ""
    original_tender_ref: str = ""
    red_receipt_no: str = ""
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillResettle:
    """A fee that is settled anew for its rest: the his_no of both halves."""

    cancel: str
    rest: str
    state: str
    since: datetime
    age_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Everything on one bill, as of one moment. Minor units. `square`: payers + net cash = price."""

    visit_no: str
    bill_no: str
    square: bool
    outside: bool = False
    resting: bool = True
    currency: str = "CNY"
    price_minor: int = 0
    payers_minor: int = 0
    own_share_minor: int = 0
    self_paid_minor: int = 0
    refunded_minor: int = 0
    net_cash_minor: int = 0
    refund_due_minor: int = 0
    refund_due_since: datetime | None = None
    unclaimed: bool = False
    cash_short_minor: int = 0
    not_square_since: datetime | None = None
    transactions: tuple[BillTransaction, ...] = ()
    self_payments: tuple[BillPayment, ...] = ()
    refunds: tuple[BillRefund, ...] = ()
    resettles: tuple[BillResettle, ...] = ()
    raw: Mapping[str, Any] = whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class AbnormalEntry:
    """One thing that needs somebody: in doubt, unacknowledged, refund due, bill not square, needs a person.

    Kind and his_no name it from reading to reading; of a bill's entry the his_no is that of its latest wish.
    """

    kind: str
    his_no: str
    operation: str = ""
    verdict: str = ""
    state: str = ""
    visit_no: str | None = None
    bill_no: str | None = None
    amount_minor: int | None = None
    currency: str = "CNY"
    since: datetime | None = None
    age_seconds: int = 0
    unclaimed: bool = False
    owner: str | None = None
    operator_no: str | None = None
    shift_no: str | None = None
    reason: Reason | None = None
    raw: Mapping[str, Any] = whole()

    @property
    def name(self) -> str:
        """The same at every reading."""
        return f"{self.kind} {self.his_no}"

    @property
    def told(self) -> Mapping[str, Any]:
        """What is said about it, without what passes by itself."""
        return {name: value for name, value in self.raw.items() if name not in PASSING}


@dataclass(frozen=True, slots=True, kw_only=True)
class AbnormalPage:
    """`cursor` turns pages within one reading; None on the last."""

    entries: tuple[AbnormalEntry, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The way to one insurer: open, slow, broken or paused."""

    insurer: str
    state: str
    interface: str = ""
    name: str = ""
    name_zh: str = ""
    paused_since: datetime | None = None
    paused_reason: str | None = None
    raw: Mapping[str, Any] = whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One direction of a message, personal data masked. `sealed_away`: its key is gone, nothing can be shown."""

    headers: Mapping[str, Any]
    body: str
    sealed_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to an insurer and its answer; `outcome` is None while there is none."""

    kind: str
    msgid: str
    insurer: str = ""
    interface: str = ""
    armed_at: datetime | None = None
    deadline: datetime | None = None
    outcome: str | None = None
    outcome_at: datetime | None = None
    outcome_reason: str = ""
    http_status: int | None = None
    elapsed_ms: int | None = None
    request: Wire | None = None
    answer: Wire | None = None
    raw: Mapping[str, Any] = whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePath:
    """What was asked, and every message that followed, oldest first."""

    his_no: str
    wish: Wire | None = None
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """The printable slip of a pending transaction: a whole HTML page or a PDF file."""

    media_type: str
    content: bytes
