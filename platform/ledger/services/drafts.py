"""What callers hand to the ledger: drafts in words of the chart, with Money. The services turn them into rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from core.money import Money
from ledger.chart import BookKind, Side


@dataclass(frozen=True, slots=True)
class BookKey:
    """Names a book; it is opened at its first use. Organisation ids are those of `accounts`."""

    organisation_id: int
    insurer_organisation_id: int
    kind: str = BookKind.INSURANCE_MEMO


@dataclass(frozen=True, slots=True)
class LegDraft:
    """One side of a posting: `amount` (above zero) on the account with the chart's code `account`."""

    account: str
    side: Side
    amount: Money


def debit(account: str, amount: Money) -> LegDraft:
    return LegDraft(account=account, side=Side.DEBIT, amount=amount)


def credit(account: str, amount: Money) -> LegDraft:
    return LegDraft(account=account, side=Side.CREDIT, amount=amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingDraft:
    """A posting to be. (cause_kind, cause_id, kind, episode) is its identity: written twice, it is one posting.

    `value_date` None means the day it is booked on.
    """

    book: BookKey
    cause_kind: str
    cause_id: UUID
    kind: str
    episode: int = 1
    legs: Sequence[LegDraft]
    evidence_id: UUID
    by: str
    reason: str = ""
    trace_id: str
    value_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorDraft:
    """The undoing of posting `original_id`: its exact mirror, with the original's cause and episode and this `kind`."""

    original_id: UUID
    kind: str
    evidence_id: UUID
    by: str
    reason: str = ""
    trace_id: str
    value_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDraft:
    """Room for a later leg of up to `amount` on `side` of a limited account, free again at `expires_at`."""

    book: BookKey
    account: str
    side: Side
    amount: Money
    cause_kind: str
    cause_id: UUID
    kind: str
    episode: int = 1
    expires_at: datetime
    by: str
    reason: str = ""
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPost:
    """Resolve a hold by `posting`: its legs on the hold's account and side are what is used; the rest is free again."""

    hold_id: UUID
    posting: PostingDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldVoid:
    hold_id: UUID
    by: str
    reason: str
