"""What the hospital says of a wish: booked, paid in cash instead, never booked, cash given back, service not given.

Each is a fact beside the state, written with its verdict under the row lock; told again it is the same fact. A refusal
may have stored something (cash is never dropped), so it is returned, not raised: the caller commits first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from core.bulk import rows_insert_new
from core.errors import Conflict, NotFound, Problem
from exchange.bills import chains_of
from exchange.locks import Locked, bills_and_transactions_lock
from exchange.models import IdempotencyKey, Refund, Transaction
from exchange.services.abandon import abandon, tombstone
from exchange.services.endings import Ending, endings_write, evidence_of
from exchange.services.guards import CancelOpen, shown_row
from exchange.services.receive import KeyReused
from exchange.services.refunds import refunded
from exchange.states import OPEN, Cause, EvidenceKind, OperationClass, TransactionState, VerdictWord
from exchange.verdicts import verdict_word

S = TransactionState


class NothingToDisown(Conflict):
    code = "nothing_to_disown"
    title = "There is no unbooked success to disown"
    detail = "{his_no} is {state}{because}; its verdict is in `transaction`."
    detail_zh = "{his_no} 当前为 {state}，不能否认，详见 transaction。"
    fix = "For a deal that both sides know send `cancel`. What is in doubt or ended needs no disowning."
    fix_zh = "双方均已知晓的交易请用 cancel 撤销；存疑或已结束的交易无需否认。"


class VerdictDiffers(Conflict):
    code = "verdict_differs"
    title = "Another verdict is the current one"
    detail = "{his_no} is {verdict}; that is in `transaction`."
    detail_zh = "{his_no} 的当前结果为 {verdict}，详见 transaction。"
    fix = "Book the verdict in `transaction`, then acknowledge that one."
    fix_zh = "请按 transaction 中的结果入账后再确认。"


class CancelFirst(Conflict):
    code = "cancel_first"
    title = "The fee is settled"
    detail = "{his_no} is settled with the insurer; it is in `transaction`."
    detail_zh = "{his_no} 已与保险方结算，详见 transaction。"
    fix = "Send `cancel` for it; once cancelled, say that the service is cancelled."
    fix_zh = "请先用 cancel 撤销；撤销成功后再登记取消服务。"


class NotAFee(Conflict):
    code = "not_a_fee"
    title = "Only a fee stands for a service"
    detail = "{his_no} is {operation}: no service goes with it; it is in `transaction`."
    detail_zh = "{his_no} 的操作为 {operation}，不对应任何服务，详见 transaction。"
    fix = "Name the his_no of the settle whose service is not given."
    fix_zh = "请填写所取消服务对应的结算流水号。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDraft:
    """A validated act. `values` are the body's members; `digest` is of path and canonical body."""

    organisation_id: int
    by: str
    idempotency_key: str
    digest: bytes
    act: str
    his_no: str
    values: Mapping[str, Any]
    trace_id: str


@dataclass(frozen=True, slots=True)
class Acted:
    """`problem`: the act was refused, although cash that it told of is stored. `replayed`: the key was here before."""

    problem: Problem | None
    replayed: bool


def act_apply(*, draft: ActDraft, now: datetime) -> Acted:
    """Apply one act in one commit. The caller has said whom it sees. Raises KeyReused, NotFound."""
    with transaction.atomic():
        known = _claim_known(draft)
        locked, row = _row_locked(draft, now)
        problem = ACTS[draft.act](row, locked, draft, now)
        if known is None:
            claim = IdempotencyKey(
                organisation_id=draft.organisation_id,
                key=draft.idempotency_key,
                digest=draft.digest,
                transaction_id=row.pk,
                created_at=now,
            )
            if not rows_insert_new([claim], returning="key"):
                # Somebody used the key at the same moment: for another request, nothing of this one is stored.
                _claim_known(draft)
        return Acted(problem, known is not None)


def _claim_known(draft: ActDraft) -> IdempotencyKey | None:
    """The claim of the same request made before. Raises KeyReused for another one."""
    key = IdempotencyKey.objects.filter(organisation_id=draft.organisation_id, key=draft.idempotency_key)
    known = key.select_related("transaction").first()
    if known is not None and bytes(known.digest) != draft.digest:
        raise KeyReused(key=draft.idempotency_key, his_no=known.transaction.his_no if known.transaction else "")
    return known


def _row_locked(draft: ActDraft, now: datetime) -> tuple[Locked, Transaction]:
    """The transaction under its locks; for cash whose wish never came, its tombstone. Raises NotFound."""
    found = Transaction.objects.filter(organisation_id=draft.organisation_id, his_no=draft.his_no)
    transaction_id = found.values_list("pk", flat=True).first()
    if transaction_id is None and draft.act == "abandon":
        # Somebody may store the wish this very moment: then it is there now.
        transaction_id = tombstone(draft, now=now) or found.values_list("pk", flat=True).first()
    if transaction_id is None:
        raise NotFound(noun="transaction", noun_zh="交易", key=draft.his_no)
    locked = bills_and_transactions_lock([transaction_id])
    row = locked.rows[transaction_id]
    if row.interface_id is None and row.abandoned_at == now and not row.told:
        # A tombstone has its verdict from the first moment on, whatever becomes of the cash that raised it.
        _say(row, locked, "tombstone", now=now)
    return locked, row


def _acknowledge(row: Transaction, locked: Locked, draft: ActDraft, now: datetime) -> Problem | None:
    word, expected = verdict_word(row), draft.values.get("verdict")
    if word == VerdictWord.PENDING or (expected and expected != word):
        return VerdictDiffers(extra=shown_row(row), his_no=row.his_no, verdict=str(word))
    if row.acknowledged_at is None:
        row.acknowledged_at = now
        _say(row, locked, f"acknowledged {word}", now=now)
    return None


def _disown(row: Transaction, locked: Locked, draft: ActDraft, now: datetime) -> Problem | None:
    if row.disowned_at is not None:
        return None
    cancel = next((one for one in locked.rows.values() if one.of_id == row.pk and one.state in OPEN), None)
    if cancel is not None:
        return CancelOpen(extra=shown_row(cancel), other=cancel.his_no)
    because = ""
    if row.acknowledged_at is not None:
        because = " and acknowledged"
    elif Refund.objects.filter(transaction_id__in=_chain(row, locked)).exists():
        because = " and a refund was reported"
    settled = row.state == S.SUCCEEDED and row.told == VerdictWord.SUCCEEDED
    if because or not settled or row.operation_class != OperationClass.MOVES:
        return NothingToDisown(extra=shown_row(row), his_no=row.his_no, state=row.state, because=because)
    row.reverse()
    row.disowned_at, row.reason_code = now, "disown_in_progress"
    row.moved(now=now, by=draft.by, reason="disowned")
    _say(row, locked, "disown", now=now, details=str(draft.values.get("reason") or ""), begins=Cause.DISOWNED)
    return None


def _chain(row: Transaction, locked: Locked) -> list[UUID]:
    """The wish and those that it follows or that follow it: one service, whose cash is one."""
    chains = chains_of(locked.lines(row.bill_id)) if row.bill_id is not None else []
    return next(([line.id for line in chain] for chain in chains if any(line.id == row.pk for line in chain)), [row.pk])


def _service_cancelled(row: Transaction, locked: Locked, draft: ActDraft, now: datetime) -> Problem | None:
    if row.service_cancelled_at is not None:
        return None
    if row.operation_class != OperationClass.MOVES:
        return NotAFee(extra=shown_row(row), his_no=row.his_no, operation=row.operation)
    if row.state == S.SUCCEEDED:
        return CancelFirst(extra=shown_row(row), his_no=row.his_no)
    row.service_cancelled_at = now
    if row.state == S.RECEIVED:
        row.stay_unsent()
        row.reason_code = "service_cancelled_before_sending"
        row.moved(now=now, by=draft.by, reason=row.reason_code)
    _say(row, locked, "service_cancelled", now=now)
    return None


def _say(
    row: Transaction, locked: Locked, says: str, *, now: datetime, details: str = "", begins: Cause | None = None
) -> None:
    evidence = evidence_of(row, EvidenceKind.HOSPITAL_SAID, says, now=now, details=details[:500])
    endings_write([Ending(row, evidence, begins=begins)], locked=locked, now=now)


ACTS: dict[str, Callable[[Transaction, Locked, ActDraft, datetime], Problem | None]] = {
    "abandon": abandon,
    "acknowledge": _acknowledge,
    "disown": _disown,
    "refunded": refunded,
    "service-cancelled": _service_cancelled,
}
