"""Advances: room held on the credit line, drawn when goods leave, collected from the insurer.

Who bears what the insurer does not pay stands in `recourse.py`; steps that move goods too in `process.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F, Sum

from claims.selectors.claims import claim_by_id
from claims.services.desk import claim_lock
from core.errors import Conflict
from core.ids import uuid7
from core.money import Money
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from ledger.selectors import holds_of
from ledger.services import BookKey, BookKind, HoldDraft, HoldVoid, Room, Side, holds_place, holds_void, rooms_lock
from settlement.contracts import ContractTerms
from settlement.models import Advance, AdvanceMove, Mandate
from settlement.selectors.advances import overdue_of
from settlement.selectors.contracts import contract_on
from settlement.services.moves import (
    CAUSE,
    MoveDraft,
    advance_lock,
    book_of,
    counter_book,
    move_write,
    state_follow,
)
from settlement.states import AdvanceMoveKind
from settlement.states.advances import ENDED

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from claims.models import Claim
    from ledger.models import Hold

K = AdvanceMoveKind
Rooms = dict[tuple[BookKey, str, str], Room]
HOLD, COUNTER_HOLD = "HOLD", "COUNTER_HOLD"


class MandateMissing(Conflict):
    code = "mandate_missing"
    title = "The patient has not signed the mandate"
    detail = "Claim {claim_no}: without the signed mandate to claim and collect no money is laid out."
    detail_zh = "理赔申请 {claim_no}：申请人尚未签署理赔与收款委托书，不能垫付。"
    fix = "Ask the patient to sign; the claim goes on by itself then."
    fix_zh = "请申请人签署委托书；签署后自动继续办理。"


class MandateTooSmall(Conflict):
    code = "mandate_too_small"
    title = "The mandate names a smaller amount"
    detail = "Claim {claim_no}: {amount} would be at risk, the mandate names {at_most} at most."
    detail_zh = "理赔申请 {claim_no}：风险金额为 {amount}，超过委托书约定的最高金额 {at_most}。"
    fix = "Ask the patient to sign a mandate that names this amount."
    fix_zh = "请申请人重新签署载明该金额的委托书。"


class CreditLineFull(Conflict):
    code = "credit_line_full"
    title = "The credit line is full"
    detail = "Claim {claim_no}: {amount} is asked, {free} is free on the {whose}."
    detail_zh = "理赔申请 {claim_no}：需占用 {amount}，{whose_zh}仅余 {free}。"
    fix = "The claim waits and goes on as money comes in, or once the line is raised."
    fix_zh = "该申请等待中；回款到账或额度上调后自动继续。"


class AdvancesStopped(Conflict):
    code = "advances_stopped"
    title = "No new advances for this insurer"
    detail = "Claim {claim_no}: {count} advance(s) are open for more than {days} days, the oldest since {since}."
    detail_zh = "理赔申请 {claim_no}：该保险公司有 {count} 笔垫付款超过 {days} 天未收回，最早自 {since} 起。"
    fix = "Collect what is overdue, or have it written off; claims that wait go on by themselves then."
    fix_zh = "请催收或核销逾期款项；等待中的申请随后自动继续。"


class AdvanceNotHeld(Conflict):
    code = "advance_not_held"
    title = "No money is held for this"
    detail = "Claim {claim_no}: {minor} is to be drawn, {held_minor} is held (minor units)."
    detail_zh = "理赔申请 {claim_no}：需垫付 {minor}，已预留 {held_minor}（最小货币单位）。"
    fix = "No goods leave now. Have the money held first, then hand over."
    fix_zh = "现在不能交付药品；请先完成资金预留再交付。"


# Why a claim waits for its money: the reasons that go away by themselves or by somebody's act.
WAITING = (MandateMissing, MandateTooSmall, CreditLineFull, AdvancesStopped)


def advance_running(claim_id: UUID) -> Advance | None:
    """The claim's advance that has not ended, locked. Lock claim and order first."""
    rows = Advance.objects.select_for_update().filter(claim_id=claim_id).exclude(state__in=ENDED)
    return rows.first()


def advance_latest(claim_id: UUID) -> Advance | None:
    """The claim's last advance, ended or not, locked. Lock claim and order first."""
    return Advance.objects.select_for_update().filter(claim_id=claim_id).order_by("-episode").first()


def laid_out_minor(claim_id: UUID) -> int:
    """Drawn for the claim in all its advances, without what came back as goods. Minor units."""
    rows = Advance.objects.filter(claim_id=claim_id)
    return rows.aggregate(minor=Sum(F("drawn_minor") - F("returned_minor")))["minor"] or 0


def advance_hold(
    *,
    claim_id: UUID,
    open_minor: int,
    until: datetime,
    by: str,
    now: datetime,
    trace_id: str,
    order_id: UUID | None = None,
    pharmacy_id: int | None = None,
) -> Advance:
    """Room for `open_minor` more to be drawn for the claim, until `until`; `pharmacy_id` is the chain whose exposure it
    counts on too, for the order `order_id`: none while no shop has taken it.

    The claim's running advance takes it, else a new one. What is held like this already stays as it is.
    Raises NotFound, ContractMissing, MandateMissing, MandateTooSmall, AdvancesStopped, CreditLineFull.
    """
    with seen_by(EVERYTHING):
        claim = claim_lock(claim_id=claim_id)
        advance = advance_running(claim_id)
        if advance is not None and _held_like(advance, open_minor, until, pharmacy_id, order_id, now):
            return advance
        terms = contract_on(organisation_id=claim.organisation_id, on=now.date()).terms
        held = open_of(advance) if advance is not None else 0
        mandate = _mandate(claim.pk, claim.claim_no, laid_out_minor(claim_id) + open_minor)
        if open_minor > held:
            stop_check(organisation_id=claim.organisation_id, claim_no=claim.claim_no, terms=terms, now=now)
        if advance is None:
            advance = _new(claim, mandate, terms, now=now, by=by, trace_id=trace_id)
        advance.order_id = order_id
        _hold_anew(advance, claim.claim_no, open_minor, until, pharmacy_id, by=by, now=now, trace_id=trace_id)
    return advance


def advance_release(*, advance_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Advance:
    """What is held and was not drawn is free again. Nothing held, nothing done. Raises NotFound."""
    with seen_by(EVERYTHING):
        advance = advance_lock(advance_id)
        _lock_rooms(advance, advance.pharmacy_id, now)
        _void(advance, reason, by=by, now=now)
        if open_of(advance):
            advance.held_minor = advance.drawn_minor
            _write(advance, ["held_minor"], by=by, now=now, trace_id=trace_id, reason=reason)
        state_follow(advance, by=by, now=now, trace_id=trace_id, reason=reason)
    return advance


def advance_draw(
    *,
    advance_id: UUID,
    amount_minor: int,
    handover_id: UUID,
    more_to_come: bool,
    against: str,
    by: str,
    now: datetime,
    trace_id: str,
) -> AdvanceMove:
    """`amount_minor` of what is held is owed to `against` (payable:p7, payable:patients) now.

    With `more_to_come` the rest stays held, else it is free. The same hand-over again changes nothing.
    Raises NotFound, AdvanceNotHeld.
    """
    with seen_by(EVERYTHING):
        advance = advance_lock(advance_id)
        known = AdvanceMove.objects.filter(advance=advance, kind=K.DRAW, cause_id=handover_id).first()
        if known is not None:
            return known
        _lock_rooms(advance, advance.pharmacy_id, now)
        holds = {hold.kind: hold.pk for hold in _open_holds(advance) if hold.expires_at > now}
        held = open_of(advance) if HOLD in holds else 0
        if not 0 < amount_minor <= held:
            raise AdvanceNotHeld(claim_no=_claim_no(advance), minor=amount_minor, held_minor=held)
        draft = MoveDraft(
            kind=K.DRAW,
            amount_minor=amount_minor,
            cause="handover",
            cause_id=handover_id,
            against=against,
            hold_id=holds[HOLD],
            counter_hold_id=holds.get(COUNTER_HOLD),
        )
        if advance.drawn_at is None:
            advance.drawn_at = now
            _write(advance, ["drawn_at"], by=by, now=now, trace_id=trace_id)
        move, _ = move_write(advance=advance, draft=draft, by=by, now=now, trace_id=trace_id)
        rest = held - amount_minor
        if rest and more_to_come:
            _place(advance, rest, advance.held_until, advance.pharmacy_id, by=by, now=now, trace_id=trace_id)
        elif rest:
            advance.held_minor = advance.drawn_minor
            _write(advance, ["held_minor"], by=by, now=now, trace_id=trace_id)
        state_follow(advance, kind=K.DRAW, by=by, now=now, trace_id=trace_id)
    return move


def open_of(advance: Advance) -> int:
    """Held and not drawn, minor units."""
    return advance.held_minor - advance.drawn_minor


def stop_check(*, organisation_id: int, claim_no: str, terms: ContractTerms, now: datetime) -> None:
    """Raises AdvancesStopped when something of this insurer is open for longer than agreed."""
    count, since = overdue_of(organisation_id=organisation_id, days=terms.stop_after_days, now=now)
    if count and since is not None:
        raise AdvancesStopped(
            claim_no=claim_no, count=count, days=terms.stop_after_days, since=since.date().isoformat()
        )


def _mandate(claim_id: UUID, claim_no: str, at_risk_minor: int) -> Mandate:
    mandate = Mandate.objects.filter(claim_id=claim_id).order_by("-episode").first()
    if mandate is None:
        raise MandateMissing(claim_no=claim_no)
    if mandate.at_most_minor < at_risk_minor:
        amount, most = (Money(minor, mandate.currency) for minor in (at_risk_minor, mandate.at_most_minor))
        raise MandateTooSmall(claim_no=claim_no, amount=amount, at_most=most)
    return mandate


def _held_like(
    advance: Advance, open_minor: int, until: datetime, pharmacy_id: int | None, order_id: UUID | None, now: datetime
) -> bool:
    same = (open_of(advance), advance.pharmacy_id, advance.order_id) == (open_minor, pharmacy_id, order_id)
    return same and advance.held_until >= until and advance.held_until > now


def _new(claim: Claim, mandate: Mandate, terms: ContractTerms, *, now: datetime, by: str, trace_id: str) -> Advance:
    episode = Advance.objects.filter(claim_id=claim.pk).count() + 1
    advance = Advance(
        id=uuid7(now),
        organisation_id=claim.organisation_id,
        claim_id=claim.pk,
        episode=episode,
        mandate=mandate,
        currency=claim.currency,
        held_minor=0,
        hold_number=0,
        held_until=now,
        funder=terms.funders[0],
        created_at=now,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )
    advance.save(force_insert=True)
    return advance


def _hold_anew(
    advance: Advance,
    claim_no: str,
    open_minor: int,
    until: datetime,
    pharmacy_id: int | None,
    *,
    by: str,
    now: datetime,
    trace_id: str,
) -> None:
    _lock_rooms(advance, pharmacy_id, now)
    _void(advance, "held anew", by=by, now=now)
    rooms = _lock_rooms(advance, pharmacy_id, now)
    for (book, _, currency), room in rooms.items():
        if open_minor > room.free_minor:
            counter = book.kind == BookKind.COUNTER_EXPOSURE
            raise CreditLineFull(
                claim_no=claim_no,
                amount=Money(open_minor, currency),
                free=Money(max(0, room.free_minor), currency),
                whose="pharmacy's exposure" if counter else "insurer's credit line",
                whose_zh="药房敞口额度" if counter else "保险公司授信额度",
            )
    advance.held_minor = advance.drawn_minor + open_minor
    _place(advance, open_minor, until, pharmacy_id, by=by, now=now, trace_id=trace_id)


def _place(
    advance: Advance,
    open_minor: int,
    until: datetime,
    pharmacy_id: int | None,
    *,
    by: str,
    now: datetime,
    trace_id: str,
) -> None:
    advance.hold_number += 1
    books: list[tuple[str, BookKey]] = [(HOLD, book_of(advance))]
    if pharmacy_id is not None:
        books.append((COUNTER_HOLD, counter_book(pharmacy_id)))
    drafts = [
        HoldDraft(
            book=book,
            account="exposure",
            side=Side.DEBIT,
            amount=Money(open_minor, advance.currency),
            cause_kind=CAUSE,
            cause_id=advance.pk,
            kind=kind,
            episode=advance.hold_number,
            expires_at=until,
            by=by,
            trace_id=trace_id,
        )
        for kind, book in books
    ]
    holds_place(drafts=drafts, now=now)
    advance.pharmacy_id, advance.held_until = pharmacy_id, until
    fields = ["held_minor", "hold_number", "held_until", "pharmacy", "order"]
    _write(advance, fields, by=by, now=now, trace_id=trace_id)


def _void(advance: Advance, reason: str, *, by: str, now: datetime) -> None:
    holds = [hold.pk for hold in _open_holds(advance)]
    holds_void(voids=[HoldVoid(hold_id=hold_id, by=by, reason=reason) for hold_id in holds], now=now)


def _open_holds(advance: Advance) -> QuerySet[Hold]:
    return holds_of(cause_kind=CAUSE, cause_ids=[advance.pk], organisations=EVERYTHING).filter(state="OPEN")


def _lock_rooms(advance: Advance, pharmacy_id: int | None, now: datetime) -> Rooms:
    """Both limited accounts at once, in the ledger's order: nobody who holds one waits for the other."""
    chains = {chain for chain in (pharmacy_id, advance.pharmacy_id) if chain is not None}
    books = [book_of(advance), *(counter_book(chain) for chain in sorted(chains))]
    return rooms_lock(accounts=[(book, "exposure", advance.currency) for book in books], now=now)


def _write(advance: Advance, fields: list[str], *, by: str, now: datetime, trace_id: str, reason: str = "") -> None:
    advance.trace_id = trace_id
    advance.moved(now=now, by=by, reason=reason)
    write_many([advance], fields=[*fields, "trace_id"])


def _claim_no(advance: Advance) -> str:
    claim = claim_by_id(claim_id=advance.claim_id)
    return claim.claim_no if claim is not None else str(advance.claim_id)
