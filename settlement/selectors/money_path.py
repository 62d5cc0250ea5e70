"""Ask the money: for any amount the way it took through the books, each posting with its evidence and message.

The caller must see what he asks about. Of books that are not his own he is shown the accounts that are kept for him;
all others are one line `platform`, so that each posting still balances before his eyes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.selectors import Seen, organisations_seen_by
from core.errors import Conflict, NotFound
from core.row_security import EVERYTHING, seen_by
from exchange.selectors.money import EvidenceRead, bills_asked, evidence_read, transactions_asked
from ledger.selectors import MoneyAsked, holds_about, postings_about
from settlement.selectors.money_asked import (
    advances_asked,
    claims_asked,
    entries_asked,
    legs_asked,
    payments_asked,
    statements_asked,
)
from settlement.selectors.money_evidence import (
    advance_moves_read,
    allocations_read,
    entries_read,
    fees_read,
    payments_read,
)

if TYPE_CHECKING:
    from accounts.models import User
    from ledger.models import Hold, LedgerBook, Posting

STEPS_AT_MOST = 1_000
KEY_AT_MOST = 120
OTHER_SIDE = "platform"

# What may be asked about -> who finds it by its number or id, within what the caller sees.
Finder = Callable[..., list[MoneyAsked]]
FINDERS: dict[str, Finder] = {
    "transaction": transactions_asked,
    "bill": bills_asked,
    "claim": claims_asked,
    "advance": advances_asked,
    "leg": legs_asked,
    "payment": payments_asked,
    "bank_entry": entries_asked,
    "statement": statements_asked,
}
# Who knows evidence by its id; each is asked for what the ones before it did not know.
READERS: tuple[Callable[..., dict[UUID, EvidenceRead]], ...] = (
    evidence_read,
    advance_moves_read,
    allocations_read,
    entries_read,
    fees_read,
    payments_read,
)
# Accounts of the platform's book with an insurer that the insurer is shown.
INSURERS_ACCOUNTS = ("receivable", "prefund")


class SeveralFound(Conflict):
    code = "several_amounts_found"
    title = "More than one has this number"
    detail = "Several organisations have a {kind} with the number {key}."
    detail_zh = "有多家机构的{kind}使用编号 {key}。"
    fix = "Ask by its id."
    fix_zh = "请使用其唯一标识查询。"


class PathTooLong(Conflict):
    code = "money_path_too_long"
    title = "Too many postings for one answer"
    detail = "More than {limit} postings are about {kind} {key}."
    detail_zh = "与{kind} {key} 有关的记账超过 {limit} 笔。"
    fix = "Ask about one of its parts."
    fix_zh = "请查询其中的一部分。"


@dataclass(frozen=True, slots=True)
class PathLine:
    """One side of a posting. `amount_minor` is above zero; side D or C."""

    account: str
    side: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PathStep:
    """One posting. `about` names its cause; `evidence` is None where what proves it is not for the caller to see."""

    posting_id: UUID
    book: str
    about: str
    kind: str
    booked_at: datetime
    value_date: date
    undoes: UUID | None
    by: str
    reason: str
    lines: tuple[PathLine, ...]
    evidence: EvidenceRead | None


@dataclass(frozen=True, slots=True)
class PathHold:
    """Room kept on a limited account for money to come."""

    about: str
    kind: str
    account: str
    state: str
    amount_minor: int
    placed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PathSum:
    """What all steps together did to one account: above zero on the debit side, below on the credit side."""

    book: str
    account: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MoneyPath:
    """The whole way of one amount, oldest step first. `amount_minor` is None where what is due is not known yet."""

    kind: str
    id: UUID
    name: str
    amount_minor: int | None
    currency: str
    steps: tuple[PathStep, ...]
    holds: tuple[PathHold, ...]
    sums: tuple[PathSum, ...]

    @property
    def foots(self) -> bool:
        """Debits equal credits in every step, and so over all."""
        return all(_difference(step.lines) == {} for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for an API's answer."""
        return {**asdict(self), "foots": self.foots}


def money_path(*, kind: str, key: str, user: User) -> MoneyPath:
    """How the money of `key` moved, as far as `user` may see. See `money_path_of`."""
    return money_path_of(kind=kind, key=key, seen=organisations_seen_by(user=user))


def money_path_of(*, kind: str, key: str, seen: Seen) -> MoneyPath:
    """The same for a program. `kind` is one of FINDERS; `key` the number that people use for it, or its id.

    Raises NotFound (also for what the caller may not see), PathTooLong, SeveralFound.
    """
    finder = FINDERS.get(kind)
    if finder is None or not 0 < len(key) <= KEY_AT_MOST:
        raise NotFound(noun=kind[:20] or "amount", noun_zh="款项", key=key[:KEY_AT_MOST])
    with seen_by(seen):
        found = finder(key=key, organisations=seen)
    if not found:
        raise NotFound(noun=kind, noun_zh="款项", key=key)
    if len(found) > 1:
        raise SeveralFound(kind=kind, key=key)
    return _path(found[0], seen)


def _path(asked: MoneyAsked, seen: Seen) -> MoneyPath:
    # The caller sees what he asks about; of the books of others `_lines` shows him his own part.
    with seen_by(EVERYTHING):
        postings = list(postings_about(cause_ids=asked.causes, organisations=EVERYTHING)[: STEPS_AT_MOST + 1])
        if len(postings) > STEPS_AT_MOST:
            raise PathTooLong(kind=asked.kind, key=asked.name, limit=STEPS_AT_MOST)
        shown = [(posting, lines) for posting in postings if (lines := _lines(posting, seen))]
        proofs = _evidence({posting.evidence_id for posting, _ in shown})
        holds = [
            _hold(hold, asked.causes[hold.cause_id])
            for hold in holds_about(cause_ids=asked.causes, organisations=EVERYTHING)
            if _whole(hold.account.book, seen)
        ]
    steps = [_step(posting, lines, asked.causes, proofs) for posting, lines in shown]
    return MoneyPath(
        kind=asked.kind,
        id=asked.id,
        name=asked.name,
        amount_minor=None if asked.amount is None else asked.amount.minor,
        currency="" if asked.amount is None else asked.amount.currency,
        steps=tuple(steps),
        holds=tuple(holds),
        sums=_sums(steps),
    )


def _evidence(ids: Collection[UUID]) -> dict[UUID, EvidenceRead]:
    read: dict[UUID, EvidenceRead] = {}
    for reader in READERS:
        missing = [one for one in ids if one not in read]
        if missing:
            read |= reader(ids=missing)
    return read


def _step(
    posting: Posting, lines: tuple[PathLine, ...], causes: dict[UUID, str], proofs: dict[UUID, EvidenceRead]
) -> PathStep:
    return PathStep(
        posting_id=posting.pk,
        book=_book(posting.book),
        about=causes[posting.cause_id],
        kind=posting.kind,
        booked_at=posting.booked_at,
        value_date=posting.value_date,
        undoes=posting.reverses_id,
        by=posting.by,
        reason=posting.reason,
        lines=lines,
        evidence=proofs.get(posting.evidence_id),
    )


def _hold(hold: Hold, about: str) -> PathHold:
    return PathHold(about, hold.kind, hold.account.code, hold.state, hold.amount_minor, hold.placed_at, hold.expires_at)


def _book(book: LedgerBook) -> str:
    return f"{book.kind} {book.organisation.code}/{book.insurer_organisation.code}"


def _whole(book: LedgerBook, seen: Seen) -> bool:
    """Whether the caller sees all accounts of the book: it is his own."""
    return isinstance(seen, str) or book.organisation_id in seen


def _lines(posting: Posting, seen: Seen) -> tuple[PathLine, ...]:
    """The posting's lines for the caller's eyes; none when no account of his is in it."""
    legs = sorted(posting.legs.all(), key=lambda leg: leg.line_no)
    every = [PathLine(leg.account.code, leg.side, leg.amount_minor, leg.currency) for leg in legs]
    if isinstance(seen, str) or _whole(posting.book, seen):
        return tuple(every)
    own = [line for line in every if _kept_for(line.account, posting.book, seen)]
    if not own:
        return ()
    others = [
        PathLine(OTHER_SIDE, "C" if minor > 0 else "D", abs(minor), currency)
        for currency, minor in sorted(_difference(own).items())
    ]
    return (*own, *others)


def _kept_for(account: str, book: LedgerBook, seen: Sequence[int]) -> bool:
    code, _, detail = account.partition(":")
    if detail[:1] in ("p", "o") and detail[1:].isdigit():
        return int(detail[1:]) in seen
    return code in INSURERS_ACCOUNTS and book.insurer_organisation_id in seen


def _difference(lines: Iterable[PathLine]) -> dict[str, int]:
    """Debits minus credits by currency, where they are not equal."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.currency] += line.amount_minor if line.side == "D" else -line.amount_minor
    return {currency: minor for currency, minor in sums.items() if minor}


def _sums(steps: Sequence[PathStep]) -> tuple[PathSum, ...]:
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for step in steps:
        for line in step.lines:
            signed = line.amount_minor if line.side == "D" else -line.amount_minor
            sums[step.book, line.account, line.currency] += signed
    return tuple(PathSum(*place, minor) for place, minor in sorted(sums.items()))
