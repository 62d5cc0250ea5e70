"""The one way in which the money of an advance moves: a row, its posting, the advance's columns, then its state.

| kind of move | debit | credit |
| ... | account of the part it goes into | account of the part it comes from |

Whatever changes what the insurer owes or may come to owe moves its credit line in the same posting. What nobody has
confirmed yet counts on the pharmacy's exposure too, in a posting of its own in that memo book.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from accounts.selectors import platform_id
from core.errors import Conflict, NotFound
from core.ids import uuid7
from core.money import Money
from core.transitions import write_many
from ledger.services import (
    BookKey,
    BookKind,
    HoldPost,
    LegDraft,
    PostingDraft,
    credit,
    debit,
    holds_post,
    limit_set,
    postings_write,
    rooms_lock,
)
from settlement.models import Advance, AdvanceMove
from settlement.states import EXPOSED, OUTSIDE, PARTS, AdvanceMoveKind, AdvanceState

CAUSE = "advance"
K = AdvanceMoveKind
A = AdvanceState
# Money itself: what comes and goes through one of these names it in `MoveDraft.against`.
PART_NAMES = ("drawn", "unconfirmed", "receivable", "collected", "clawed_back", "in_recovery", "recovered", "returned")
COUNTED = ["version", "written_off_minor", *(f"{part}_minor" for part in PART_NAMES)]
BESIDE = ("collected", "clawed_back", "recovered", "returned", OUTSIDE)


class AdvanceMoveDiffers(Conflict):
    code = "advance_move_differs"
    title = "Already booked, with another amount"
    detail = "{kind} of this advance for the same cause is booked with {stored_minor}, not {minor} (minor units)."
    detail_zh = "该垫付款的 {kind} 已按同一原因以 {stored_minor} 入账，而非 {minor}（最小货币单位）。"
    fix = "Look at the stored move. What is booked is undone by a move of its own, never changed."
    fix_zh = "请查看已入账的记录；已入账内容只能以新的反向记录撤销。"


class AdvanceTooSmall(Conflict):
    code = "advance_too_small"
    title = "Not so much of this advance is there"
    detail = "{kind} of {minor} was asked; {part} of the advance stands at {there_minor} (minor units)."
    detail_zh = "请求 {kind} 金额 {minor}，而该垫付款的 {part} 仅为 {there_minor}（最小货币单位）。"
    fix = "Move at most what is there; what is left over belongs elsewhere, or into suspense."
    fix_zh = "金额不得超过现有部分；余额请计入其他款项或暂记账户。"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveDraft:
    """`amount_minor` above zero. `against`: account of the chart beside the advance (cash, payable:p7). `bearer`: whose
    recovery. `hold_id`: of DRAW, the hold that it uses; `counter_hold_id` the pharmacy's."""

    kind: AdvanceMoveKind
    amount_minor: int
    cause: str
    cause_id: UUID
    against: str = ""
    bearer: str = ""
    reason: str = ""
    seconded_by: str = ""
    value_date: date | None = None
    hold_id: UUID | None = None
    counter_hold_id: UUID | None = None


def advance_lock(advance_id: UUID) -> Advance:
    """The advance, its row locked until the commit; lock its claim and order first. Raises NotFound."""
    advance = Advance.objects.select_for_update().filter(pk=advance_id).first()
    if advance is None:
        raise NotFound(noun="advance", noun_zh="垫付款", key=advance_id)
    return advance


def book_of(advance: Advance) -> BookKey:
    """The platform's own money with the lead insurer."""
    return BookKey(platform_id(), advance.organisation_id, BookKind.ADVANCE)


def counter_book(pharmacy_id: int) -> BookKey:
    """The memo book of goods that a chain handed over on credit."""
    return BookKey(pharmacy_id, platform_id(), BookKind.COUNTER_EXPOSURE)


def move_write(
    *, advance: Advance, draft: MoveDraft, by: str, now: datetime, trace_id: str
) -> tuple[AdvanceMove, bool]:
    """One move of the locked advance with its postings and state; whether it is new. The same cause again: as it was.

    Raises AdvanceMoveDiffers, AdvanceTooSmall and what the ledger raises.
    """
    known = AdvanceMove.objects.filter(advance=advance, kind=draft.kind, cause_id=draft.cause_id).first()
    if known is not None:
        if known.amount_minor != draft.amount_minor:
            raise AdvanceMoveDiffers(kind=draft.kind, stored_minor=known.amount_minor, minor=draft.amount_minor)
        return known, False
    _part_check(advance, draft)
    move = AdvanceMove(
        id=uuid7(now),
        advance=advance,
        organisation_id=advance.organisation_id,
        kind=draft.kind,
        episode=AdvanceMove.objects.filter(advance=advance, kind=draft.kind).count() + 1,
        amount_minor=draft.amount_minor,
        cause=draft.cause,
        cause_id=draft.cause_id,
        at=now,
        by=by,
        seconded_by=draft.seconded_by,
        reason=draft.reason,
    )
    _post(advance, draft, move, now=now, trace_id=trace_id)
    move.save(force_insert=True)
    advance.refresh_from_db(fields=COUNTED)
    state_follow(advance, kind=draft.kind, by=by, now=now, trace_id=trace_id, reason=draft.reason)
    return move, True


def state_follow(
    advance: Advance, *, kind: AdvanceMoveKind | None = None, by: str, now: datetime, trace_id: str, reason: str = ""
) -> None:
    """Move the advance into the state that its amounts say, where it is not there already."""
    wanted = state_wanted(advance, kind)
    step = {
        A.DRAWN: advance.draw,
        A.PARTLY_COLLECTED: advance.collect_part,
        A.COLLECTED: advance.collect,
        A.CLAWED_BACK: advance.claw_back,
        A.IN_RECOVERY: advance.recover,
        A.WRITTEN_OFF: advance.write_off,
        A.RELEASED: advance.release,
    }.get(wanted)
    if step is None or advance.state == wanted:
        return
    step()
    advance.trace_id = trace_id
    advance.moved(now=now, by=by, reason=reason)
    write_many([advance], fields=["state", "trace_id"])


def state_wanted(advance: Advance, kind: AdvanceMoveKind | None = None) -> AdvanceState:
    """What the amounts of an advance say. `kind` is the move just made: a claw-back is a state of its own."""
    open_minor = advance.unconfirmed_minor + advance.receivable_minor
    came_minor = advance.collected_minor - advance.clawed_back_minor + advance.recovered_minor
    if advance.drawn_minor == 0:
        return A.HELD if advance.held_minor else A.RELEASED
    if advance.in_recovery_minor:
        return A.IN_RECOVERY
    if kind == K.CLAW_BACK or (advance.state == A.CLAWED_BACK and kind != K.COLLECT and open_minor):
        return A.CLAWED_BACK
    if open_minor or advance.held_minor > advance.drawn_minor:
        return A.PARTLY_COLLECTED if came_minor else A.DRAWN
    if advance.returned_minor == advance.drawn_minor:
        return A.RELEASED
    return A.WRITTEN_OFF if advance.written_off_minor else A.COLLECTED


def _part_check(advance: Advance, draft: MoveDraft) -> None:
    source = PARTS[draft.kind][0]
    if draft.amount_minor <= 0:
        raise AdvanceTooSmall(kind=draft.kind, minor=draft.amount_minor, part=source or "held", there_minor=0)
    if draft.kind == K.DRAW:
        there = advance.held_minor - advance.drawn_minor
    elif draft.kind in (K.CLAW_BACK, K.UNCOLLECT):
        there = advance.collected_minor - advance.clawed_back_minor
    else:
        there = getattr(advance, f"{source}_minor")
    if draft.amount_minor > there:
        raise AdvanceTooSmall(kind=draft.kind, minor=draft.amount_minor, part=source or "held", there_minor=there)


def _account(part: str, draft: MoveDraft) -> str:
    if part in BESIDE:
        if not draft.against:
            raise RuntimeError(f"{draft.kind} names no account beside the advance")
        return draft.against
    if part == "in_recovery":
        return f"recovery:{draft.bearer.lower()}" if draft.bearer else "recovery"
    return {"unconfirmed": "advance_unconfirmed", "receivable": "receivable", "written_off": "loss"}[part]


def _change(parts: Sequence[str], draft: MoveDraft) -> int:
    """By how much the move changes the sum of `parts` of the advance."""
    source, target = PARTS[draft.kind]
    return draft.amount_minor * ((target in parts) - (source in parts))


def _memo(change_minor: int, currency: str) -> list[LegDraft]:
    """Both legs on a limited account and its memo account; none when nothing changes."""
    if change_minor == 0:
        return []
    amount = Money(abs(change_minor), currency)
    if change_minor > 0:
        return [debit("exposure", amount), credit("exposure_memo", amount)]
    return [debit("exposure_memo", amount), credit("exposure", amount)]


def _post(advance: Advance, draft: MoveDraft, move: AdvanceMove, *, now: datetime, trace_id: str) -> None:
    source, target = PARTS[draft.kind]
    amount = Money(draft.amount_minor, advance.currency)
    exposed, counter = _change(EXPOSED, draft), _change(("unconfirmed",), draft)
    legs = [debit(_account(target, draft), amount), credit(_account(source, draft), amount)]
    main = _posting(book_of(advance), move, draft, [*legs, *_memo(exposed, advance.currency)], trace_id)
    drafts = [main]
    if advance.pharmacy_id is not None and counter:
        book = counter_book(advance.pharmacy_id)
        drafts.append(_posting(book, move, draft, _memo(counter, advance.currency), trace_id, prefix="COUNTER_"))
    if draft.hold_id is not None:
        holds = [draft.hold_id, *([draft.counter_hold_id] if draft.counter_hold_id else [])]
        posts = [HoldPost(hold_id=hold, posting=one) for hold, one in zip(holds, drafts, strict=True)]
        holds_post(posts=posts, now=now)
        return
    _make_room(drafts, advance.currency, by=move.by, now=now)
    postings_write(drafts=drafts, now=now)


def _posting(
    book: BookKey, move: AdvanceMove, draft: MoveDraft, legs: list[LegDraft], trace_id: str, *, prefix: str = ""
) -> PostingDraft:
    return PostingDraft(
        book=book,
        cause_kind=CAUSE,
        cause_id=move.advance_id,
        kind=f"{prefix}{move.kind}",
        episode=move.episode,
        legs=legs,
        evidence_id=move.pk,
        by=move.by,
        reason=move.reason,
        trace_id=trace_id,
        value_date=draft.value_date,
    )


def _make_room(drafts: Sequence[PostingDraft], currency: str, *, by: str, now: datetime) -> None:
    """What comes back from the insurer is booked, room or not: the limit gives way by as much as is missing, and
    `lines.line_restore` takes it back once there is room again."""
    rising = [draft for draft in drafts if any(leg.account == "exposure" and leg.side == "D" for leg in draft.legs)]
    if not rising:
        return
    limited = {(one.book, code, currency) for one in drafts for code in ("exposure",)}
    limited |= {(one.book, leg.account, currency) for one in drafts for leg in one.legs if leg.account == "cash"}
    rooms = rooms_lock(accounts=limited, now=now)
    for draft in rising:
        room = rooms[draft.book, "exposure", currency]
        more = sum(leg.amount.minor for leg in draft.legs if leg.account == "exposure")
        if more > room.free_minor:
            limit_set(
                book=draft.book,
                account="exposure",
                floor=Money(room.floor_minor, currency),
                limit=Money(room.taken_minor + more, currency),
                by=by,
                reason=f"{draft.kind}: must be booked, beyond the line",
                now=now,
            )
