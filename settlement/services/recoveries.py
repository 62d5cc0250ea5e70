"""Asking back what the insurer does not pay, from whom the recourse table names: with the clause, time, no interest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django_fsm import TransitionNotAllowed

from claims.services.desk import event_write
from claims.states import Audience
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from core.transitions import write_many
from registry.selectors.persons import person_by_id
from settlement.models import Advance, Recovery
from settlement.selectors.contracts import contract_on
from settlement.services.moves import MoveDraft, advance_lock, move_write
from settlement.states import AdvanceMoveKind, Bearer, RecoveryState, RefusalClass
from settlement.states.recoveries import RUNNING

if TYPE_CHECKING:
    from claims.models import Claim

K = AdvanceMoveKind
R = RecoveryState


class RecoveryStateRefuses(Conflict):
    code = "recovery_state_refuses"
    title = "Not possible with this recovery now"
    detail = "Recovery {number} of this advance is {state}: {act} is not possible."
    detail_zh = "该垫付款的第 {number} 笔追偿当前状态为 {state}，不能执行 {act}。"
    fix = "Look at its history; what is stopped goes on once the appeal is decided."
    fix_zh = "请查看其历史；已中止的追偿在申诉处理后继续。"


class ObjectionLate(Conflict):
    code = "objection_late"
    title = "The time to object is over"
    detail = "It was possible to object until {until}."
    detail_zh = "提出异议的期限为 {until}，已过期。"
    fix = "A person may still waive it, by two names; ask customer service."
    fix_zh = "仍可由两名工作人员决定豁免，请联系客服。"


class RecoveryNeedsAnother(Problem):
    code = "recovery_needs_another"
    status = 403
    title = "This takes two names"
    detail = "{by} cannot do this alone: another person has to agree, by name."
    detail_zh = "{by} 不能单独办理，须由另一人签名同意。"
    fix = "Ask a colleague to look at it and sign."
    fix_zh = "请由同事复核并签名。"


class RecoveryAmountRefused(Problem):
    code = "recovery_amount_refused"
    status = 422
    title = "The amount does not fit what is asked back"
    detail = "{explanation}"
    detail_zh = "金额与追偿不符：{explanation_zh}"
    fix = "Correct the amounts; nothing was stored."
    fix_zh = "请更正金额；本次未保存任何内容。"


def recovery_open(
    *,
    advance: Advance,
    claim: Claim,
    refusal: RefusalClass,
    bearer: Bearer,
    amount_minor: int,
    clause: tuple[str, str],
    object_within_days: int,
    by: str,
    now: datetime,
    trace_id: str,
) -> Recovery:
    """What is asked back, with its clause in English and Chinese. Of a locked advance; the patient gets his letter."""
    recovery = Recovery(
        id=uuid7(now),
        advance=advance,
        organisation_id=advance.organisation_id,
        number=Recovery.objects.filter(advance=advance).count() + 1,
        refusal_class=refusal,
        bearer=bearer,
        bearer_organisation_id=advance.pharmacy_id if bearer == Bearer.PHARMACY else None,
        amount_minor=amount_minor,
        currency=advance.currency,
        clause=clause[0],
        clause_zh=clause[1],
        object_until=(now + timedelta(days=object_within_days)).date(),
        created_at=now,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )
    recovery.save(force_insert=True)
    if bearer == Bearer.PATIENT:
        details = {"recovery": str(recovery.pk)}
        event_write(
            claim, "letter.sent", audience=(Audience.PATIENT,), details=details, by=by, now=now, trace_id=trace_id
        )
    return recovery


def recovery_end(
    recovery: Recovery,
    step: Callable[[], None],
    reason: str,
    by: str,
    now: datetime,
    trace_id: str,
    *,
    only_if: Sequence[str] = (),
    seconded_by: str = "",
) -> None:
    """One move of the locked recovery; with `only_if` nothing happens in another state. Raises RecoveryStateRefuses."""
    if only_if and recovery.state not in only_if:
        return
    try:
        step()
    except TransitionNotAllowed:
        act = getattr(step, "__name__", "move")
        raise RecoveryStateRefuses(number=recovery.number, state=recovery.state, act=act) from None
    recovery.trace_id = trace_id
    recovery.ended_seconded_by = seconded_by or recovery.ended_seconded_by
    recovery.moved(now=now, by=by, reason=reason)
    write_many([recovery], fields=["state", "paid_minor", "instalments", "ended_seconded_by", "trace_id"])


@transaction.atomic
def recovery_object(*, recovery_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Recovery:
    """Whoever is asked disagrees, in time: nothing is asked until another person has answered.

    `reason` holds no personal data. Raises NotFound, ObjectionLate, RecoveryStateRefuses.
    """
    with seen_by(EVERYTHING):
        recovery = _locked(recovery_id)
        if now.date() > recovery.object_until:
            raise ObjectionLate(until=recovery.object_until)
        recovery_end(recovery, recovery.raise_objection, reason, by, now, trace_id)
    return recovery


@transaction.atomic
def objection_reject(*, recovery_id: UUID, reason: str, by: str, now: datetime, trace_id: str) -> Recovery:
    """The objection was looked at by another person than who opened it, and it stays. One that is right is waived.

    Raises NotFound, RecoveryNeedsAnother, RecoveryStateRefuses.
    """
    with seen_by(EVERYTHING):
        recovery = _locked(recovery_id)
        if recovery.state != R.OBJECTED:
            raise RecoveryStateRefuses(number=recovery.number, state=recovery.state, act="objection.reject")
        if by == recovery.state_by:
            raise RecoveryNeedsAnother(by=by)
        recovery_end(recovery, recovery.go_on, reason, by, now, trace_id)
    return recovery


@transaction.atomic
def recovery_agree(
    *, recovery_id: UUID, instalments: Sequence[Mapping[str, Any]], by: str, now: datetime, trace_id: str
) -> Recovery:
    """Instalments [{due_on, amount_minor}] that sum to what is open: no interest, no more of them than agreed on.

    Raises NotFound, RecoveryAmountRefused, RecoveryStateRefuses.
    """
    with seen_by(EVERYTHING):
        recovery = _locked(recovery_id)
        most = contract_on(organisation_id=recovery.organisation_id, on=now.date()).terms.instalments_most
        plan = _plan(instalments, recovery.amount_minor - recovery.paid_minor, most, now.date())
        recovery.instalments = plan
        recovery_end(recovery, recovery.agree, f"{len(plan)} instalments", by, now, trace_id)
    return recovery


@transaction.atomic
def recovery_paid(
    *,
    recovery_id: UUID,
    amount_minor: int,
    cause_id: UUID,
    value_date: date | None,
    by: str,
    now: datetime,
    trace_id: str,
    against: str = "cash",
) -> Recovery:
    """So much of it came: `against` is cash, or payable:p7 where it is set off on a pharmacy's statement.

    `cause_id` names the bank entry's allocation or the statement's line: the same again changes nothing. Paid while it
    is stopped or objected to it counts all the same. Raises NotFound, RecoveryAmountRefused, AdvanceMoveDiffers.
    """
    with seen_by(EVERYTHING):
        advance = advance_lock(_advance_of(recovery_id))
        recovery = _locked(recovery_id)
        draft = MoveDraft(
            kind=K.RECOVER,
            amount_minor=amount_minor,
            cause="recovery",
            cause_id=cause_id,
            against=against,
            bearer=recovery.bearer,
            value_date=value_date,
        )
        rest = recovery.amount_minor - recovery.paid_minor
        if recovery.state in RUNNING and not 0 < amount_minor <= rest:
            raise _amount(f"{amount_minor} is not within what is open, {rest}", f"{amount_minor} 超出未还余额 {rest}")
        _, fresh = move_write(advance=advance, draft=draft, by=by, now=now, trace_id=trace_id)
        if fresh:
            _count(recovery, amount_minor, str(cause_id), by, now, trace_id)
    return recovery


@transaction.atomic
def recovery_waive(
    *, recovery_id: UUID, reason: str, by: str, seconded_by: str, now: datetime, trace_id: str
) -> Recovery:
    """Not asked for any more: the platform bears what is open. Two names. Raises NotFound, RecoveryNeedsAnother,
    RecoveryStateRefuses."""
    return _given_up(recovery_id, "waive", reason, by, seconded_by, now, trace_id)


@transaction.atomic
def recovery_write_off(
    *, recovery_id: UUID, reason: str, by: str, seconded_by: str, now: datetime, trace_id: str
) -> Recovery:
    """Will not come: a loss of the platform's. Two names. Raises NotFound, RecoveryNeedsAnother,
    RecoveryStateRefuses."""
    return _given_up(recovery_id, "write_off", reason, by, seconded_by, now, trace_id)


def recoveries_review(*, now: datetime, limit: int) -> int:
    """A chore: nothing is asked of somebody who has died. How many were stopped."""
    stopped = 0
    with seen_by(EVERYTHING):
        rows = Recovery.objects.filter(bearer=Bearer.PATIENT, state__in=(R.OPEN, R.OBJECTED, R.AGREED))
        found = list(rows.order_by("created_at").values_list("pk", "advance__claim__person_id")[:limit])
    for recovery_id, person_id in found:
        with seen_by(EVERYTHING):
            person = person_by_id(person_id=person_id)
            if person is None or person.died_on is None:
                continue
            recovery = _locked(recovery_id)
            states = (R.OPEN, R.OBJECTED, R.AGREED)
            recovery_end(recovery, recovery.stop, "died", "clock", now, recovery.trace_id, only_if=states)
            stopped += 1
    return stopped


def _given_up(
    recovery_id: UUID, step: str, reason: str, by: str, seconded_by: str, now: datetime, trace_id: str
) -> Recovery:
    if not seconded_by or seconded_by == by:
        raise RecoveryNeedsAnother(by=by)
    with seen_by(EVERYTHING):
        advance = advance_lock(_advance_of(recovery_id))
        recovery = _locked(recovery_id)
        recovery_end(recovery, getattr(recovery, step), reason, by, now, trace_id, seconded_by=seconded_by)
        draft = MoveDraft(
            kind=K.WRITE_OFF,
            amount_minor=recovery.amount_minor - recovery.paid_minor,
            cause="recovery",
            cause_id=recovery.pk,
            bearer=recovery.bearer,
            seconded_by=seconded_by,
            reason=reason[:200],
        )
        move_write(advance=advance, draft=draft, by=by, now=now, trace_id=trace_id)
    return recovery


def _count(recovery: Recovery, amount_minor: int, reason: str, by: str, now: datetime, trace_id: str) -> None:
    recovery.paid_minor += amount_minor
    if recovery.paid_minor == recovery.amount_minor:
        if recovery.state in (R.OBJECTED, R.STOPPED):
            recovery_end(recovery, recovery.go_on, reason, by, now, trace_id)
        recovery_end(recovery, recovery.pay, reason, by, now, trace_id)
        return
    recovery.trace_id = trace_id
    recovery.moved(now=now, by=by, reason=reason)
    write_many([recovery], fields=["paid_minor", "trace_id"])


def _plan(instalments: Sequence[Mapping[str, Any]], rest: int, most: int, today: date) -> list[dict[str, Any]]:
    if not 0 < len(instalments) <= most:
        raise _amount(f"there are 1 to {most} instalments", f"分期数须为 1 至 {most}")
    plan: list[dict[str, Any]] = []
    for one in instalments:
        try:
            due, minor = date.fromisoformat(str(one["due_on"])), one["amount_minor"]
        except (KeyError, ValueError):
            raise _amount("an instalment has a day and an amount", "每期须有日期与金额") from None
        if due <= today or type(minor) is not int or minor <= 0:
            raise _amount("an instalment lies ahead and is above zero", "每期日期须晚于今天且金额大于零")
        plan.append({"due_on": due.isoformat(), "amount_minor": minor})
    if sum(one["amount_minor"] for one in plan) != rest:
        raise _amount(f"the instalments do not sum to {rest}", f"各期合计与未还余额 {rest} 不符")
    return sorted(plan, key=lambda one: one["due_on"])


def _amount(explanation: str, explanation_zh: str) -> RecoveryAmountRefused:
    return RecoveryAmountRefused(explanation=explanation, explanation_zh=explanation_zh)


def _advance_of(recovery_id: UUID) -> UUID:
    found = Recovery.objects.filter(pk=recovery_id).values_list("advance_id", flat=True).first()
    if found is None:
        raise NotFound(noun="recovery", noun_zh="追偿", key=recovery_id)
    return found


def _locked(recovery_id: UUID) -> Recovery:
    recovery = Recovery.objects.select_for_update().filter(pk=recovery_id).first()
    if recovery is None:
        raise NotFound(noun="recovery", noun_zh="追偿", key=recovery_id)
    return recovery
