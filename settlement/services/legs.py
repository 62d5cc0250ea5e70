"""Settlement legs: one amount that one party owes another. Written when it is owed, moved as it is paid.

A leg says who owes whom; the postings are those of whoever moves the money (advance moves, payments).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from uuid import UUID

from django_fsm import TransitionNotAllowed

from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from settlement.models import Advance, SettlementLeg
from settlement.states import LegKind, LegState

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LETTERS = {LegKind.FIRST: "F", LegKind.SECOND: "S", LegKind.THIRD: "T", LegKind.OWN_SHARE: "W"}
L = LegState
PATIENTS = "payable:patients"  # No person's name in the books: the leg says whose it is.


class LegStateRefuses(Conflict):
    code = "leg_state_refuses"
    title = "Not possible with this settlement leg now"
    detail = "Leg {leg_no} is {state}: {act} is not possible."
    detail_zh = "结算款项 {leg_no} 当前状态为 {state}，不能执行 {act}。"
    fix = "Look at the leg's history; a payment that is under way is waited for."
    fix_zh = "请查看该款项的历史；付款进行中的请等待结果。"


class LegAmountRefused(Problem):
    code = "leg_amount_refused"
    status = 422
    title = "The amount does not fit the settlement leg"
    detail = "Leg {leg_no} of {amount_minor} has {settled_minor} settled; {minor} does not fit (minor units)."
    detail_zh = "结算款项 {leg_no} 金额 {amount_minor}，已结 {settled_minor}，与 {minor} 不符（最小货币单位）。"
    fix = "Settle at most the open rest; book what is left over into suspense."
    fix_zh = "最多结清未结余额，余款请记入暂记账户。"


def leg_write(
    *,
    kind: LegKind,
    organisation_id: int,
    insurer_id: int,
    claim_id: UUID,
    cause_id: UUID,
    amount_minor: int,
    currency: str,
    due_on: date,
    by: str,
    now: datetime,
    trace_id: str,
    advance: Advance | None = None,
    person_id: UUID | None = None,
) -> SettlementLeg:
    """What is owed for `cause_id`, once per kind and party: the same again returns the stored leg.

    `organisation_id`: insurer of FIRST, chain of SECOND and OWN_SHARE, lead insurer of THIRD; `insurer_id`: in whose
    book it is posted. OWN_SHARE is born paid: it is evidence of what the patient paid at the till.
    """
    stored = SettlementLeg.objects.filter(kind=kind, cause_id=cause_id, organisation_id=organisation_id).first()
    if stored is not None:
        return stored
    leg = SettlementLeg(
        id=uuid7(now),
        leg_no=LETTERS[kind] + f"{now:%y%m%d}-" + "".join(secrets.choice(ALPHABET) for _ in range(8)),
        kind=kind,
        organisation_id=organisation_id,
        insurer_id=insurer_id,
        claim_id=claim_id,
        advance=advance,
        person_id=person_id,
        cause_id=cause_id,
        amount_minor=amount_minor,
        currency=currency,
        due_on=due_on,
        created_at=now,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )
    leg.save(force_insert=True)
    if kind == LegKind.OWN_SHARE:
        leg.settled_minor = amount_minor
        _move(leg, leg.pay, act="leg.pay", by=by, now=now, trace_id=trace_id, reason="at the till")
    return leg


def payable_of(leg: SettlementLeg) -> str:
    """The account of the insurer's book on which a pay-out leg is owed: Dr it / Cr cash when it is paid."""
    return PATIENTS if leg.kind == LegKind.THIRD else f"payable:p{leg.organisation_id}"


def legs_lock(leg_ids: Collection[UUID]) -> dict[UUID, SettlementLeg]:
    """These legs, locked in id order until the commit. Raises NotFound."""
    rows = {row.pk: row for row in SettlementLeg.objects.select_for_update().filter(pk__in=leg_ids).order_by("pk")}
    for leg_id in leg_ids:
        if leg_id not in rows:
            raise NotFound(noun="settlement leg", noun_zh="结算款项", key=leg_id)
    return rows


def legs_approve(*, leg_ids: Collection[UUID], by: str, now: datetime, trace_id: str) -> list[SettlementLeg]:
    """Into a pay-out batch: DUE becomes APPROVED, all or none. Raises NotFound, LegStateRefuses."""
    return _each(leg_ids, "approve", by=by, now=now, trace_id=trace_id)


def legs_send(*, leg_ids: Collection[UUID], by: str, now: datetime, trace_id: str) -> list[SettlementLeg]:
    """Their batch was released: APPROVED becomes IN_PAYMENT, all or none. Raises NotFound, LegStateRefuses."""
    return _each(leg_ids, "send", by=by, now=now, trace_id=trace_id)


def legs_reopen(
    *, leg_ids: Collection[UUID], reason: str, by: str, now: datetime, trace_id: str
) -> list[SettlementLeg]:
    """Due again: the batch was not released, or what failed or came back is to be paid once more.

    Raises NotFound, LegStateRefuses.
    """
    return _each(leg_ids, "reopen", by=by, now=now, trace_id=trace_id, reason=reason)


def leg_paid(
    *, leg_id: UUID, amount_minor: int, evidence_id: UUID, value_date: date, by: str, now: datetime, trace_id: str
) -> SettlementLeg:
    """`amount_minor` of it was paid, as `evidence_id` (payment, allocation) proves. Whole: PAID; a part stays DUE.

    A pay-out is whole or not at all. Raises NotFound, LegAmountRefused, LegStateRefuses.
    """
    with seen_by(EVERYTHING):
        leg = legs_lock([leg_id])[leg_id]
        rest = leg.amount_minor - leg.settled_minor
        if not 0 < amount_minor <= rest or (leg.state == L.IN_PAYMENT and amount_minor != rest):
            raise _amount_refused(leg, amount_minor)
        if leg.state not in (L.DUE, L.IN_PAYMENT):
            raise LegStateRefuses(leg_no=leg.leg_no, state=leg.state, act="leg.paid")
        leg.settled_minor += amount_minor
        reason = f"{evidence_id} of {value_date}"
        if leg.settled_minor == leg.amount_minor:
            _move(leg, leg.pay, act="leg.paid", by=by, now=now, trace_id=trace_id, reason=reason)
        else:
            _signed(leg, by=by, now=now, trace_id=trace_id, reason=reason)
    return leg


def leg_failed(*, leg_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> SettlementLeg:
    """Definitely not paid, with the bank's reason; `legs_reopen` makes it due again. Raises NotFound,
    LegStateRefuses."""
    (leg,) = _each([leg_id], "fail", by=by, now=now, trace_id=trace_id, reason=reason)
    return leg


def leg_returned(
    *, leg_id: UUID, amount_minor: int, reason: str, by: str, now: datetime, trace_id: str
) -> SettlementLeg:
    """Paid, and `amount_minor` of it came back or was taken back: a whole pay-out stays RETURNED until somebody reopens
    it; what an insurer takes back, or was matched wrongly, is due again at once.

    Raises NotFound, LegAmountRefused, LegStateRefuses.
    """
    with seen_by(EVERYTHING):
        leg = legs_lock([leg_id])[leg_id]
        whole = leg.kind in (LegKind.FIRST, LegKind.OWN_SHARE) or amount_minor == leg.amount_minor
        if not 0 < amount_minor <= leg.settled_minor or not whole:
            raise _amount_refused(leg, amount_minor)
        if leg.state not in (L.PAID, L.DUE):
            raise LegStateRefuses(leg_no=leg.leg_no, state=leg.state, act="leg.returned")
        leg.settled_minor -= amount_minor
        if leg.state == L.DUE:
            _signed(leg, by=by, now=now, trace_id=trace_id, reason=reason)
            return leg
        _move(leg, leg.give_back, act="leg.returned", by=by, now=now, trace_id=trace_id, reason=reason)
        if leg.kind == LegKind.FIRST:
            _move(leg, leg.reopen, act="leg.returned", by=by, now=now, trace_id=trace_id, reason=reason)
    return leg


def leg_dispute(*, leg_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> SettlementLeg:
    """The counterparty does not agree with it. Raises NotFound, LegStateRefuses."""
    (leg,) = _each([leg_id], "dispute", by=by, now=now, trace_id=trace_id, reason=reason)
    return leg


def leg_dispute_end(*, leg_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> SettlementLeg:
    """It stands after all: due again, or paid as it was. Raises NotFound, LegStateRefuses."""
    with seen_by(EVERYTHING):
        leg = legs_lock([leg_id])[leg_id]
        if leg.state != L.DISPUTED:
            raise LegStateRefuses(leg_no=leg.leg_no, state=leg.state, act="leg.dispute_end")
        _move(leg, leg.reopen, act="leg.dispute_end", by=by, now=now, trace_id=trace_id, reason=reason)
        if leg.settled_minor == leg.amount_minor:
            _move(leg, leg.pay, act="leg.dispute_end", by=by, now=now, trace_id=trace_id, reason=reason)
    return leg


def leg_reverse(*, leg_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> SettlementLeg:
    """It is owed no more: goods came back, or another leg says what is. Not while the bank may be paying it.

    A reversed leg with `settled_minor` above zero was paid: its payee owes that back. Raises NotFound, LegStateRefuses.
    """
    (leg,) = _each([leg_id], "reverse", by=by, now=now, trace_id=trace_id, reason=reason)
    return leg


def due_on(now: datetime, days: int) -> date:
    return (now + timedelta(days=days)).date()


def _each(
    leg_ids: Collection[UUID], step: str, *, by: str, now: datetime, trace_id: str, reason: str = ""
) -> list[SettlementLeg]:
    with seen_by(EVERYTHING):
        rows = legs_lock(leg_ids)
        for leg in rows.values():
            _step(leg, getattr(leg, step), act=f"leg.{step}", by=by, now=now, trace_id=trace_id, reason=reason)
        write_many(list(rows.values()), fields=["state", "trace_id"])
    return [rows[leg_id] for leg_id in leg_ids]


def _move(
    leg: SettlementLeg, step: Callable[[], None], *, act: str, by: str, now: datetime, trace_id: str, reason: str
) -> None:
    _step(leg, step, act=act, by=by, now=now, trace_id=trace_id, reason=reason)
    write_many([leg], fields=["state", "settled_minor", "trace_id"])


def _step(
    leg: SettlementLeg, step: Callable[[], None], *, act: str, by: str, now: datetime, trace_id: str, reason: str
) -> None:
    try:
        step()
    except TransitionNotAllowed:
        raise LegStateRefuses(leg_no=leg.leg_no, state=leg.state, act=act) from None
    leg.trace_id = trace_id
    leg.moved(now=now, by=by, reason=reason)


def _signed(leg: SettlementLeg, *, by: str, now: datetime, trace_id: str, reason: str) -> None:
    leg.trace_id = trace_id
    leg.moved(now=now, by=by, reason=reason)
    write_many([leg], fields=["settled_minor", "trace_id"])


def _amount_refused(leg: SettlementLeg, minor: int) -> LegAmountRefused:
    return LegAmountRefused(
        leg_no=leg.leg_no, amount_minor=leg.amount_minor, settled_minor=leg.settled_minor, minor=minor
    )
