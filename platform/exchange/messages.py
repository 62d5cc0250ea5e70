"""What passes between a dialect, an envelope, the transport and the services: plain values, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from exchange.states import CallKind, CallOutcome

PLATFORM_CODE = "MEDISETTLE"


@dataclass(frozen=True, slots=True)
class Wish:
    """A transaction as a dialect sees it. `body` is the hospital's canonical body."""

    his_no: str
    hospital_code: str
    operation: str
    total_minor: int | None
    currency: str
    body: Mapping[str, Any]

    @property
    def person(self) -> Mapping[str, Any]:
        person: Mapping[str, Any] = self.body["person"]
        return person


@dataclass(frozen=True, slots=True)
class Original:
    """The act that a query, a reversal or a cancel speaks of.

    A cancel is asked for by the number of the settlement it undoes: that works with every insurer.
    """

    kind: CallKind
    msgid: str
    settlement_no: str = ""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A built message: where under the interface's address it goes, and its exact bytes."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Routing facts that the envelope binds to the message, so that no hop can change them."""

    sender: str
    recipient: str
    message_id: str
    correlation_id: str
    path: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Split:
    """How the insurer divided the fee, minor units. total = fund + account + hospital + cash."""

    total_minor: int
    fund_minor: int
    account_minor: int
    hospital_minor: int
    cash_minor: int
    shares: tuple[tuple[str, int], ...]
    settlement_no: str


class Held(StrEnum):
    """What an insurer holds of an act that we asked about."""

    STANDS = "stands"
    UNDONE = "undone"  # By a reversal.
    CANCELLED = "cancelled"
    REFUSED = "refused"
    ANOTHER = "another"  # Under our message id, but of another person or total: a contradiction.


@dataclass(frozen=True, slots=True)
class Reply:
    """A counterparty's answer in our words. What happens next is decided by the services, never by the codec.

    `held` is what a DONE query found, with `split` where the act stands. A DONE reversal names in `undone` the
    settlement that it undid; without one, nothing was held.
    """

    outcome: CallOutcome
    reason_code: str = ""
    explanation: str = ""
    insurer_code: str = ""
    insurer_text: str = ""
    split: Split | None = None
    held: Held | None = None
    undone: str = ""


def untrusted(explanation: str) -> Reply:
    """An answer that proves nothing."""
    return Reply(CallOutcome.UNKNOWN, reason_code="answer_not_trusted", explanation=explanation)
