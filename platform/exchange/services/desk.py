"""What people do at the back office's desk: acts of the hospital's interface, by hand, and who is on call.

The acts by which money leaves or a success is given up wait for a second person from the hospital's limit on. Cash that
was taken never waits: it is a fact already, and told late it costs a reversal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from accounts.selectors import users_visible_to
from accounts.services import audit_write
from accounts.states import Role
from core.errors import Conflict, Forbidden, NotFound, Problem
from exchange.locks import bills_and_transactions_lock
from exchange.models import BackOffice, DeskAct, IdempotencyKey, Transaction
from exchange.selectors.desk import four_eyes_minor_of
from exchange.services.abandon import AlreadyEnded, AlreadySucceeded, CannotBeAbandoned
from exchange.services.acts import ActDraft, act_apply
from exchange.services.endings import resolve_job
from exchange.services.guards import shown_row
from exchange.services.names import second_name_check, version_check
from exchange.services.outage import Resettled, resettle_from_list
from exchange.states import TransactionState
from journal.services import jobs_ensure

if TYPE_CHECKING:
    from accounts.models import User

BY_TWO = ("disown", "refunded", "service-cancelled")
CASH_STORED = (AlreadyEnded, AlreadySucceeded, CannotBeAbandoned)
OPERATOR_CHARACTERS = 40
ASKABLE = (TransactionState.IN_DOUBT, TransactionState.REVERSING)


class ActWaits(Conflict):
    code = "act_waits"
    title = "It waits for its second name already"
    detail = "{proposed_by} has entered the same for {his_no}."
    detail_zh = "{proposed_by} 已对 {his_no} 录入同类事项，等待第二人确认。"
    fix = "Confirm that one, or withdraw it first."
    fix_zh = "请确认该事项，或先撤回后再录入。"


class ActEnded(Conflict):
    code = "act_has_ended"
    title = "It has been dealt with"
    detail = "What waited for {his_no} was {how} at {at}."
    detail_zh = "{his_no} 的待确认事项已于 {at} 处理（{how}）。"
    fix = "Look at the transaction; nothing was changed."
    fix_zh = "请查看该交易；未作任何更改。"


class NothingToAsk(Conflict):
    code = "nothing_to_ask"
    title = "There is nothing to ask the insurer"
    detail = "{his_no} is {state}."
    detail_zh = "{his_no} 当前为 {state}。"
    fix = "Only what is in doubt or being reversed is asked for."
    fix_zh = "仅存疑或冲正中的交易需要询问。"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDraft:
    """An act as a person entered it. `version` is of the transaction that he looked at; `token` names this entry: the
    same one sent twice acts once."""

    transaction_id: UUID
    version: int
    act: str
    values: Mapping[str, Any]
    token: UUID
    user: User
    trace_id: str


@dataclass(frozen=True, slots=True)
class Entered:
    """`waiting`: it waits for a second person. `problem`: refused, although cash that it told of is stored."""

    waiting: DeskAct | None = None
    problem: Problem | None = None


def act_enter(*, draft: DeskDraft, now: datetime) -> Entered:
    """Apply an act in one commit, or let it wait for its second name.

    Raises ActWaits, KeyReused, MovedMeanwhile, NotFound, and the act's own refusals where nothing was stored.
    """
    with transaction.atomic():
        row = _row_locked(draft.transaction_id)
        before = _replayed(row, draft)
        if before is not None:
            return before
        version_check(row, draft.version)
        at_stake_minor = _at_stake_minor(row, draft)
        if draft.act in BY_TWO and at_stake_minor >= four_eyes_minor_of(row.organisation_id):
            return Entered(waiting=_wait(row, draft, at_stake_minor, now))
        by, token = draft.user.username, draft.token
        problem = _apply(row, draft.act, draft.values, token=token, by=by, trace_id=draft.trace_id, now=now)
        _audit(f"desk.{draft.act}", row, draft.user, draft.trace_id, now, amount_minor=at_stake_minor)
        return Entered(problem=problem)


def act_second(*, act_id: UUID, version: int, user: User, trace_id: str, now: datetime) -> None:
    """Confirm what waits and apply it. Raises ActEnded, BackOfficeNeeded, MovedMeanwhile, NotYourOwn, and the act's own
    refusals: then it goes on waiting."""
    with transaction.atomic():
        row = _row_locked(_waiting(act_id).transaction_id)
        waiting = _open(act_id, row)
        version_check(row, version)
        second_name_check(proposed_by=waiting.proposed_by, user=user)
        waiting.seconded_by, waiting.closed_at = user.username, now
        waiting.save(update_fields=["seconded_by", "closed_at"])
        by = f"{waiting.proposed_by} + {user.username}"
        _apply(row, waiting.act, waiting.values, token=waiting.pk, by=by, trace_id=trace_id, now=now)
        _audit("desk.seconded", row, user, trace_id, now, act=waiting.act, amount_minor=waiting.amount_minor)


def act_withdraw(*, act_id: UUID, user: User, trace_id: str, now: datetime) -> None:
    """End what waits without effect. Raises ActEnded."""
    with transaction.atomic():
        row = _row_locked(_waiting(act_id).transaction_id)
        waiting = _open(act_id, row)
        waiting.closed_at, waiting.withdrawn = now, True
        waiting.save(update_fields=["closed_at", "withdrawn"])
        _audit("desk.withdrawn", row, user, trace_id, now, act=waiting.act, amount_minor=waiting.amount_minor)


def query_again(*, transaction_id: UUID, user: User, trace_id: str, now: datetime) -> None:
    """Let the resolver look at it now; it still keeps its own order. Raises NotFound, NothingToAsk."""
    with transaction.atomic():
        row = _row_locked(transaction_id)
        if row.state not in ASKABLE:
            raise NothingToAsk(extra=shown_row(row), his_no=row.his_no, state=row.state)
        jobs_ensure(drafts=[resolve_job(row, now=now)], now=now)
        _audit("desk.query_again", row, user, trace_id, now)


def resettle_at_desk(
    *, his_nos: Sequence[str], shift_no: str, user: User, trace_id: str, now: datetime
) -> list[Resettled]:
    """Settle anew from the outage list, each by itself, under the person's name. Raises TooManyAtOnce."""
    home = user.organisation_id
    with transaction.atomic():
        results = resettle_from_list(
            organisation_id=home,
            his_nos=his_nos,
            by=user.username,
            operator_no=user.username[:OPERATOR_CHARACTERS],
            shift_no=shift_no,
            now=now,
        )
        for one in results:
            if one.problem is None and not one.replayed:
                audit_write(
                    actor=user.username,
                    organisation_id=home,
                    action="desk.resettled",
                    subject=one.his_no,
                    details={"new_his_no": one.new_his_no},
                    now=now,
                    trace_id=trace_id,
                )
    return results


def on_call_set(*, username: str, user: User, trace_id: str, now: datetime) -> None:
    """Who owns what needs a person from now on; empty: the platform's operators. Raises Forbidden, NotFound."""
    if not user.has_role(Role.HOSPITAL_BACK_OFFICE):
        raise Forbidden(subject="user", act="set who is on call")
    colleague = None
    if username:
        own = users_visible_to(user=user).filter(organisation_id=user.organisation_id, is_active=True)
        colleague = own.filter(username=username).first()
        if colleague is None or not colleague.has_role(Role.HOSPITAL_BACK_OFFICE, Role.HOSPITAL_CASHIER):
            raise NotFound(noun="colleague", noun_zh="同事", key=username)
    with transaction.atomic():
        office, _made = BackOffice.objects.select_for_update().get_or_create(organisation_id=user.organisation_id)
        office.on_call = colleague
        office.save(update_fields=["on_call"])
        audit_write(
            actor=user.username,
            organisation_id=user.organisation_id,
            action="back_office.on_call_set",
            subject=username,
            now=now,
            trace_id=trace_id,
        )


def _row_locked(transaction_id: UUID) -> Transaction:
    row = bills_and_transactions_lock([transaction_id]).rows.get(transaction_id)
    if row is None:
        raise NotFound(noun="transaction", noun_zh="交易", key=transaction_id)
    return row


def _replayed(row: Transaction, draft: DeskDraft) -> Entered | None:
    """The same entry was sent before: a double click, a reload."""
    waiting = DeskAct.objects.filter(pk=draft.token, transaction_id=row.pk).first()
    if waiting is not None:
        return Entered(waiting=waiting)
    applied = IdempotencyKey.objects.filter(organisation_id=row.organisation_id, key=_key(draft.token))
    return Entered() if applied.exists() else None


def _key(token: UUID) -> str:
    return f"desk-{token}"


def _at_stake_minor(row: Transaction, draft: DeskDraft) -> int:
    told = draft.values.get("amount_minor") or draft.values.get("self_paid_minor")
    return int(told or row.total_minor or 0)


def _wait(row: Transaction, draft: DeskDraft, at_stake_minor: int, now: datetime) -> DeskAct:
    known = DeskAct.objects.filter(transaction_id=row.pk, act=draft.act, closed_at__isnull=True).first()
    if known is not None:
        raise ActWaits(extra=shown_row(row), his_no=row.his_no, proposed_by=known.proposed_by)
    waiting = DeskAct(
        id=draft.token,
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        act=draft.act,
        values=dict(draft.values),
        amount_minor=at_stake_minor,
        currency=row.currency,
        proposed_by=draft.user.username,
        proposed_at=now,
    )
    waiting.save(force_insert=True)
    _audit("desk.proposed", row, draft.user, draft.trace_id, now, act=draft.act, amount_minor=at_stake_minor)
    return waiting


def _apply(
    row: Transaction, act: str, values: Mapping[str, Any], *, token: UUID, by: str, trace_id: str, now: datetime
) -> Problem | None:
    """Returns a refusal beside which cash was stored; raises every other one."""
    content = json.dumps([act, row.his_no, dict(values)], sort_keys=True, default=str).encode()
    draft = ActDraft(
        organisation_id=row.organisation_id,
        by=by,
        idempotency_key=_key(token),
        digest=hashlib.sha256(content).digest(),
        act=act,
        his_no=row.his_no,
        values=values,
        trace_id=trace_id,
    )
    problem = act_apply(draft=draft, now=now).problem
    if problem is not None and not isinstance(problem, CASH_STORED):
        raise problem
    return problem


def _waiting(act_id: UUID) -> DeskAct:
    waiting = DeskAct.objects.filter(pk=act_id).first()
    if waiting is None:
        raise NotFound(noun="act", noun_zh="待确认事项", key=act_id)
    return waiting


def _open(act_id: UUID, row: Transaction) -> DeskAct:
    """Read again under the transaction's lock: whoever was first has closed it."""
    waiting = _waiting(act_id)
    if waiting.closed_at is not None:
        how = "withdrawn" if waiting.withdrawn else f"confirmed by {waiting.seconded_by}"
        raise ActEnded(extra=shown_row(row), his_no=row.his_no, how=how, at=waiting.closed_at.isoformat())
    return waiting


def _audit(action: str, row: Transaction, user: User, trace_id: str, now: datetime, **details: Any) -> None:
    audit_write(
        actor=user.username,
        organisation_id=row.organisation_id,
        action=action,
        subject=row.his_no,
        details=details,
        now=now,
        trace_id=trace_id,
    )
