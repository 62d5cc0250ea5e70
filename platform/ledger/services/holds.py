"""Holds: room on a limited account, kept for a movement to come and resolved once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from core.errors import Problem
from core.ids import uuid7
from core.transitions import write_many
from ledger.chart import account_kind
from ledger.locks import balances_lock, holds_lock
from ledger.models import AccountBalance, Hold, LedgerAccount, Posting
from ledger.services.directory import AccountRef, accounts_resolve
from ledger.services.drafts import HoldDraft, HoldPost, HoldVoid
from ledger.services.entries import Entry, entries_write, range_check
from ledger.services.postings import entries_of
from ledger.states import HoldState

EXPIRED_AT_ONCE = 500
RESOLUTION = ["state", "resolved_minor", "posting"]


class AccountNotLimited(Problem):
    code = "account_not_limited"
    status = 422
    title = "This account carries no limit"
    detail = "Account {account} is not limited: it has no room to hold and no limit to set."
    detail_zh = "科目 {account} 未设额度控制，不能预留，也不能设置额度。"
    fix = "Name a limited account of the chart."
    fix_zh = "请填写科目表中设有额度控制的科目。"


class HoldUnknown(Problem):
    code = "hold_unknown"
    status = 404
    title = "No such hold"
    detail = "There is no hold {hold_id}."
    detail_zh = "没有预留 {hold_id}。"
    fix = "Check the number of the hold."
    fix_zh = "请核对预留编号。"


class HoldConflict(Problem):
    code = "hold_differs"
    status = 409
    title = "Already held, with other content"
    detail = "{kind} of {cause_kind} {cause_id} (episode {episode}) already holds something else."
    detail_zh = "{cause_kind} {cause_id} 的 {kind}（第 {episode} 次）已有不同内容的预留。"
    fix = "Void the stored hold and place another under the next episode."
    fix_zh = "请撤销已有预留，并以下一次序重新预留。"


class HoldInvalid(Problem):
    code = "hold_invalid"
    status = 422
    title = "This cannot be held"
    detail = "A hold needs an amount above zero and a time to expire that lies ahead."
    detail_zh = "预留金额必须大于零，到期时间必须晚于当前时间。"
    fix = "Correct the amount or the time."
    fix_zh = "请更正金额或到期时间。"


class HoldResolved(Problem):
    code = "hold_resolved"
    status = 409
    title = "The hold is gone"
    detail = "Hold {hold_id} is {state}: a hold is resolved once, and not after its time."
    detail_zh = "预留 {hold_id} 的状态为 {state}，预留只能处理一次，且不能在到期后使用。"
    fix = "Place a new hold."
    fix_zh = "请重新预留。"


class HoldTooSmall(Problem):
    code = "hold_too_small"
    status = 409
    title = "The hold does not cover the posting"
    detail = "Hold {hold_id} keeps {held_minor} minor units; the posting moves {posted_minor} on its account and side."
    detail_zh = "预留 {hold_id} 为 {held_minor}（最小货币单位），记账在该科目同侧为 {posted_minor}。"
    fix = "Void the hold and place one of the new amount; post at least one unit against it."
    fix_zh = "请撤销该预留并按新金额重新预留；使用预留记账时金额至少为一个最小货币单位。"


def holds_place(*, drafts: Sequence[HoldDraft], now: datetime) -> list[Hold]:
    """Keep room for each draft, all or none; the same draft again returns the stored hold.

    Raises AccountNotLimited, HoldConflict, HoldInvalid, LimitExceeded, UnknownAccount.
    """
    with transaction.atomic():
        accounts = _limited_accounts(drafts, now=now)
        balances = balances_lock({account.id for account in accounts})
        stored = _stored_holds(drafts)
        rows: dict[tuple[str, UUID, str, int], Hold] = {}
        for draft, account in zip(drafts, accounts, strict=True):
            cause = (draft.cause_kind, draft.cause_id, draft.kind, draft.episode)
            known = rows.get(cause) or stored.get(cause)
            if known is None:
                rows[cause] = _placed(draft, account, balances[account.id], now)
            elif (known.account_id, known.side, known.amount_minor) != (account.id, draft.side, draft.amount.minor):
                raise HoldConflict(
                    kind=draft.kind, cause_kind=draft.cause_kind, cause_id=draft.cause_id, episode=draft.episode
                )
        Hold.objects.bulk_create(rows.values())
        every = stored | rows
        return [every[draft.cause_kind, draft.cause_id, draft.kind, draft.episode] for draft in drafts]


def holds_post(*, posts: Sequence[HoldPost], now: datetime) -> list[Posting]:
    """Write each posting and resolve its hold by it, in one commit; what it leaves of the hold is free again.

    The same post again returns the stored posting. Raises HoldResolved, HoldTooSmall, HoldUnknown and what
    postings_write raises.
    """
    with transaction.atomic():
        entries = entries_of([post.posting for post in posts], now=now)
        holds = _locked([post.hold_id for post in posts], entries)
        replayed = _causes([hold.posting_id for hold in holds.values()])
        resolved = []
        for post, entry in zip(posts, entries, strict=True):
            hold = holds[post.hold_id]
            if hold.posting_id is not None and replayed.get(hold.posting_id) == entry.cause:
                continue
            if hold.state != HoldState.OPEN or hold.expires_at <= now:
                raise HoldResolved(hold_id=hold.pk, state=_state(hold))
            posted_minor = sum(
                line.amount_minor
                for line in entry.lines
                if (line.account.id, line.side) == (hold.account_id, hold.side)
            )
            if not 0 < posted_minor <= hold.amount_minor:
                raise HoldTooSmall(hold_id=hold.pk, held_minor=hold.amount_minor, posted_minor=posted_minor)
            hold.post(posting_id=entry.id, amount_minor=posted_minor)
            hold.moved(now=now, by=entry.by, reason=entry.reason)
            resolved.append(hold)
        # The holds first: their room must be free before the legs take it. The locked balances let nobody in between.
        write_many(resolved, fields=RESOLUTION)
        postings = entries_write(entries, now=now)
        fresh = {posting.pk for posting in postings}
        for hold in resolved:
            if hold.posting_id not in fresh:
                raise HoldResolved(hold_id=hold.pk, state="open, but its posting was written without it")
        return postings


def holds_void(*, voids: Sequence[HoldVoid], now: datetime) -> list[Hold]:
    """Free holds that are not needed; voiding a voided one again changes nothing. Raises HoldResolved, HoldUnknown."""
    with transaction.atomic():
        holds = _locked([void.hold_id for void in voids])
        moved = {}
        for void in voids:
            hold = holds[void.hold_id]
            if hold.state == HoldState.VOIDED:
                continue
            if hold.state != HoldState.OPEN:
                raise HoldResolved(hold_id=hold.pk, state=_state(hold))
            hold.void()
            hold.moved(now=now, by=void.by, reason=void.reason)
            moved[hold.pk] = hold
        write_many(list(moved.values()), fields=RESOLUTION)
        return [holds[void.hold_id] for void in voids]


def holds_expire(*, now: datetime, by: str, at_most: int = EXPIRED_AT_ONCE) -> list[Hold]:
    """Free up to `at_most` open holds whose time has run out, the oldest first. Call again while it returns as many."""
    with transaction.atomic():
        due = Hold.objects.filter(state=HoldState.OPEN, expires_at__lte=now).order_by("expires_at")
        holds = _locked(due.values_list("pk", flat=True)[:at_most])
        # Somebody may have resolved one between the reading and the lock.
        expired = [hold for hold in holds.values() if hold.state == HoldState.OPEN]
        for hold in expired:
            hold.expire()
            hold.moved(now=now, by=by, reason="expired")
        write_many(expired, fields=RESOLUTION)
        return expired


def _limited_accounts(drafts: Sequence[HoldDraft], *, now: datetime) -> list[AccountRef]:
    for draft in drafts:
        if not account_kind(book_kind=draft.book.kind, account=draft.account).limited:
            raise AccountNotLimited(account=draft.account)
    keys = [(draft.book, draft.account, draft.amount.currency) for draft in drafts]
    accounts = accounts_resolve(keys, now=now)
    return [accounts[key] for key in keys]


def _stored_holds(drafts: Sequence[HoldDraft]) -> dict[tuple[str, UUID, str, int], Hold]:
    """Read after the lock on the balances, so that two placings of one cause see each other."""
    rows = Hold.objects.filter(cause_id__in={draft.cause_id for draft in drafts})
    return {(row.cause_kind, row.cause_id, row.kind, row.episode): row for row in rows}


def _placed(draft: HoldDraft, account: AccountRef, balance: AccountBalance, now: datetime) -> Hold:
    """The new row; counts its amount into `balance`, whose stored row the trigger moves."""
    if draft.amount.minor <= 0 or draft.expires_at <= now:
        raise HoldInvalid()
    if draft.side == account.normal_side:
        balance.held_up_minor += draft.amount.minor
    else:
        balance.held_down_minor += draft.amount.minor
    range_check(balance, balance.balance_minor, balance.held_up_minor, balance.held_down_minor)
    hold = Hold(
        id=uuid7(now),
        account_id=account.id,
        organisation_id=balance.organisation_id,
        cause_kind=draft.cause_kind,
        cause_id=draft.cause_id,
        kind=draft.kind,
        episode=draft.episode,
        side=draft.side,
        amount_minor=draft.amount.minor,
        expires_at=draft.expires_at,
        placed_at=now,
        trace_id=draft.trace_id,
    )
    hold.moved(now=now, by=draft.by, reason=draft.reason)
    return hold


def _locked(hold_ids: Iterable[UUID], entries: Sequence[Entry] = ()) -> dict[UUID, Hold]:
    """The holds, locked after the balances that they and `entries` touch. Raises HoldUnknown."""
    wanted = list(hold_ids)
    accounts = set(LedgerAccount.objects.filter(holds__in=wanted).values_list("pk", flat=True))
    accounts |= {line.account.id for entry in entries for line in entry.lines if line.account.limited}
    balances_lock(accounts)
    holds = holds_lock(wanted)
    for hold_id in wanted:
        if hold_id not in holds:
            raise HoldUnknown(hold_id=hold_id)
    return holds


def _causes(posting_ids: Iterable[UUID | None]) -> dict[UUID, tuple[str, UUID, str, int]]:
    rows = Posting.objects.filter(pk__in=[posting_id for posting_id in posting_ids if posting_id])
    return {row.pk: (row.cause_kind, row.cause_id, row.kind, row.episode) for row in rows}


def _state(hold: Hold) -> str:
    return "past its time" if hold.state == HoldState.OPEN else str(hold.state)
