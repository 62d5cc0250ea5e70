"""Entries: postings whose accounts are resolved, and the two statements that write any number of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection

from core.errors import Problem
from ledger.locks import balances_lock
from ledger.models import AccountBalance, Posting
from ledger.services.directory import AccountRef

Cause = tuple[str, UUID, str, int]  # cause_kind, cause_id, kind, episode


class PeriodClosed(Problem):
    code = "period_closed"
    status = 409
    title = "The day is closed"
    detail = "{explanation}"
    detail_zh = "账期已关闭，不能再记账（{explanation}）。"
    fix = "Book the correction today, with the value date of the day it belongs to."
    fix_zh = "请在今日记更正账，起息日填写其所属日期。"


class CauseConflict(Problem):
    code = "posting_differs"
    status = 409
    title = "Already posted, with other content"
    detail = "{kind} of {cause_kind} {cause_id} (episode {episode}) is already posted and says something else."
    detail_zh = "{cause_kind} {cause_id} 的 {kind}（第 {episode} 次）已记账，且内容不同。"
    fix = "Read the stored posting. What is posted never changes: mirror it and post anew under the next episode."
    fix_zh = "请查看已有记账。已记账内容不可修改：请冲销后以下一次序重新记账。"


class AlreadyMirrored(Problem):
    code = "posting_already_mirrored"
    status = 409
    title = "Already undone"
    detail = "Posting {original_id} already has its mirror."
    detail_zh = "记账 {original_id} 已被冲销。"
    fix = "Nothing is left to undo."
    fix_zh = "无需再冲销。"


class LimitExceeded(Problem):
    code = "limit_exceeded"
    status = 409
    title = "Beyond the limit"
    detail = "Account {account_id} would come to {after_minor} minor units, outside {floor_minor} to {limit_minor}."
    detail_zh = "科目 {account_id} 将达到 {after_minor}（最小货币单位，含预留），超出 {floor_minor} 至 {limit_minor}。"
    fix = "Wait until room is free, ask for less, or have the limit raised."
    fix_zh = "请等待额度释放、减少金额，或申请提高额度。"


@dataclass(frozen=True, slots=True)
class Line:
    account: AccountRef
    side: str
    amount_minor: int
    currency: str

    @property
    def change_minor(self) -> int:
        """By how much the balance grows, counted on the account's normal side."""
        return self.amount_minor if self.side == self.account.normal_side else -self.amount_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    id: UUID
    book_id: int
    cause_kind: str
    cause_id: UUID
    kind: str
    episode: int
    evidence_id: UUID
    value_date: date | None
    reverses_id: UUID | None
    by: str
    reason: str
    trace_id: str
    lines: tuple[Line, ...]

    @property
    def cause(self) -> Cause:
        return (self.cause_kind, self.cause_id, self.kind, self.episode)

    def content(self) -> tuple[object, ...]:
        """What makes two entries of one cause the same."""
        lines = sorted((line.account.id, line.side, line.amount_minor, line.currency) for line in self.lines)
        return (self.book_id, self.reverses_id, tuple(lines))


@contextmanager
def refusals_named() -> Iterator[None]:
    """Turn a refusal that only the database can see in time into its Problem; others are faults and stay."""
    try:
        yield
    except IntegrityError as error:
        refusal = getattr(error.__cause__, "diag", None)
        if refusal is not None and refusal.constraint_name == "no_posting_into_a_closed_period":
            raise PeriodClosed(explanation=refusal.message_primary) from error
        raise


def entries_write(entries: Sequence[Entry], *, now: datetime) -> list[Posting]:
    """Write `entries`; those already stored with the same content are returned as they are. In order of `entries`.

    Two statements whatever the number, one more where limited accounts are touched, two more where entries are known.
    Raises AlreadyMirrored, CauseConflict, LimitExceeded, PeriodClosed.
    """
    by_cause: dict[Cause, Entry] = {}
    for entry in entries:
        if by_cause.setdefault(entry.cause, entry).content() != entry.content():
            raise _conflict(entry)
    balances = balances_lock(line.account.id for entry in entries for line in entry.lines if line.account.limited)
    with refusals_named():
        postings = _headers_insert(list(by_cause.values()), now=now)
        fresh = [entry for entry in by_cause.values() if entry.cause in postings]
        limits_check(balances, (line for entry in fresh for line in entry.lines))
        _legs_insert(fresh, postings)
    known = [entry for entry in by_cause.values() if entry.cause not in postings]
    if known:
        postings |= _replayed(known)
    return [postings[entry.cause] for entry in entries]


def limits_check(balances: dict[int, AccountBalance], lines: Iterable[Line]) -> None:
    """Raises LimitExceeded when `lines` would carry a locked balance out of its range. The CHECK constraints agree."""
    changes: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.account.limited:
            changes[line.account.id] += line.change_minor
    for account_id, change_minor in changes.items():
        row = balances[account_id]
        range_check(row, row.balance_minor + change_minor, row.held_up_minor, row.held_down_minor)


def range_check(row: AccountBalance, balance_minor: int, held_up_minor: int, held_down_minor: int) -> None:
    """Raises LimitExceeded when these would break the range of `row`."""
    upper, lower = balance_minor + held_up_minor, balance_minor - held_down_minor
    if upper > row.limit_minor or lower < row.floor_minor:
        raise LimitExceeded(
            account_id=row.account_id,
            floor_minor=row.floor_minor,
            limit_minor=row.limit_minor,
            after_minor=upper if upper > row.limit_minor else lower,
        )


HEADERS = """
INSERT INTO ledger_posting (id, book_id, organisation_id, cause_kind, cause_id, kind, episode, evidence_id, value_date,
    booked_at, booked_day, reverses_id, by, reason, trace_id)
SELECT n.id, b.id, b.organisation_id, n.cause_kind, n.cause_id, n.kind, n.episode, n.evidence_id,
    coalesce(n.value_date, today.day), clock.at, today.day, n.reverses_id, n.by, n.reason, n.trace_id
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::uuid[], %s::text[], %s::integer[], %s::uuid[], %s::date[],
    %s::uuid[], %s::text[], %s::text[], %s::text[])
    AS n (id, book_id, cause_kind, cause_id, kind, episode, evidence_id, value_date, reverses_id, by, reason, trace_id)
JOIN ledger_book b ON b.id = n.book_id
CROSS JOIN (SELECT %s::timestamptz AS at) clock
CROSS JOIN LATERAL (SELECT (clock.at AT TIME ZONE b.time_zone)::date AS day) today
ORDER BY n.cause_id, n.cause_kind, n.kind, n.episode
ON CONFLICT DO NOTHING
RETURNING id, organisation_id, value_date, booked_day
"""
HEADER_FIELDS = (
    "id",
    "book_id",
    "cause_kind",
    "cause_id",
    "kind",
    "episode",
    "evidence_id",
    "value_date",
    "reverses_id",
    "by",
    "reason",
    "trace_id",
)

LEGS = """
INSERT INTO ledger_leg (posting_id, line_no, account_id, organisation_id, booked_day, side, amount_minor, currency)
SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::bigint[], %s::bigint[], %s::date[], %s::text[], %s::bigint[],
    %s::text[])
"""


def _headers_insert(entries: list[Entry], *, now: datetime) -> dict[Cause, Posting]:
    """The postings that were new. Sorted by cause, so that two batches never wait for each other crosswise."""
    columns = [[getattr(entry, name) for entry in entries] for name in HEADER_FIELDS]
    with connection.cursor() as cursor:
        cursor.execute(HEADERS, [*columns, now])
        returned = {row[0]: row[1:] for row in cursor.fetchall()}
    postings = {}
    for entry in entries:
        if entry.id in returned:
            organisation_id, value_date, booked_day = returned[entry.id]
            posting = Posting(
                **{name: getattr(entry, name) for name in HEADER_FIELDS if name != "value_date"},
                value_date=value_date,
                organisation_id=organisation_id,
                booked_at=now,
                booked_day=booked_day,
            )
            posting._state.adding = False
            posting._state.db = connection.alias
            postings[entry.cause] = posting
    return postings


def _legs_insert(entries: list[Entry], postings: dict[Cause, Posting]) -> None:
    if not entries:
        return
    rows = [(postings[entry.cause], number, line) for entry in entries for number, line in enumerate(entry.lines, 1)]
    columns: list[Any] = [
        [posting.pk for posting, _, _ in rows],
        [number for _, number, _ in rows],
        [line.account.id for _, _, line in rows],
        [posting.organisation_id for posting, _, _ in rows],
        [posting.booked_day for posting, _, _ in rows],
        [str(line.side) for _, _, line in rows],
        [line.amount_minor for _, _, line in rows],
        [line.currency for _, _, line in rows],
    ]
    with connection.cursor() as cursor:
        cursor.execute(LEGS, columns)


def _replayed(entries: list[Entry]) -> dict[Cause, Posting]:
    """The stored postings of entries that were not new. Raises AlreadyMirrored, CauseConflict."""
    rows = Posting.objects.filter(cause_id__in={entry.cause_id for entry in entries}).prefetch_related("legs")
    stored = {(row.cause_kind, row.cause_id, row.kind, row.episode): row for row in rows}
    for entry in entries:
        row = stored.get(entry.cause)
        if row is None:
            if entry.reverses_id is None:
                raise RuntimeError(f"posting {entry.cause} was neither written nor found")
            raise AlreadyMirrored(original_id=entry.reverses_id)
        legs = sorted((leg.account_id, leg.side, leg.amount_minor, leg.currency) for leg in row.legs.all())
        dated = entry.value_date in (None, row.value_date)
        if (row.book_id, row.reverses_id, tuple(legs)) != entry.content() or not dated:
            raise _conflict(entry)
    return {entry.cause: stored[entry.cause] for entry in entries}


def _conflict(entry: Entry) -> CauseConflict:
    return CauseConflict(kind=entry.kind, cause_kind=entry.cause_kind, cause_id=entry.cause_id, episode=entry.episode)
