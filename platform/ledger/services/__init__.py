"""The only writers of the ledger. Money moves by adding rows; what must never be false is held by PostgreSQL."""

from ledger.chart import BookKind, Side, UnknownAccount
from ledger.services.directory import UnknownOrganisation
from ledger.services.drafts import (
    BookKey,
    HoldDraft,
    HoldPost,
    HoldVoid,
    LegDraft,
    MirrorDraft,
    PostingDraft,
    credit,
    debit,
)
from ledger.services.entries import AlreadyMirrored, CauseConflict, LimitExceeded, PeriodClosed
from ledger.services.holds import (
    AccountNotLimited,
    HoldConflict,
    HoldInvalid,
    HoldResolved,
    HoldTooSmall,
    HoldUnknown,
    holds_expire,
    holds_place,
    holds_post,
    holds_void,
)
from ledger.services.limits import LimitBelowBalance, limit_set
from ledger.services.periods import PeriodNotOver, period_close, snapshots_take
from ledger.services.postings import OriginalUnknown, UnbalancedPosting, postings_mirror, postings_write
from ledger.services.proof import Check, Proof, prove
from ledger.services.rooms import Room, rooms_lock

__all__ = [
    "AccountNotLimited",
    "AlreadyMirrored",
    "BookKey",
    "BookKind",
    "CauseConflict",
    "Check",
    "HoldConflict",
    "HoldDraft",
    "HoldInvalid",
    "HoldPost",
    "HoldResolved",
    "HoldTooSmall",
    "HoldUnknown",
    "HoldVoid",
    "LegDraft",
    "LimitBelowBalance",
    "LimitExceeded",
    "MirrorDraft",
    "OriginalUnknown",
    "PeriodClosed",
    "PeriodNotOver",
    "PostingDraft",
    "Proof",
    "Room",
    "Side",
    "UnbalancedPosting",
    "UnknownAccount",
    "UnknownOrganisation",
    "credit",
    "debit",
    "holds_expire",
    "holds_place",
    "holds_post",
    "holds_void",
    "limit_set",
    "period_close",
    "postings_mirror",
    "postings_write",
    "prove",
    "rooms_lock",
    "snapshots_take",
]
