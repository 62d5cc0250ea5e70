"""Where no machine can tell, two persons rule: one proposes, another seconds, one of the two is of the back office.

Nothing moves before the second name. With it the ruling is applied under the row lock, in the same commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from accounts.services import audit_write
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from exchange.locks import Locked, bills_and_transactions_lock
from exchange.masking import masked_text
from exchange.models import Evidence, Ruling, Transaction
from exchange.selectors.interfaces import facts_of
from exchange.services.endings import Ending, endings_write, evidence_of
from exchange.services.guards import shown_row
from exchange.services.names import second_name_check, version_check
from exchange.states import Cause, Decision, EvidenceKind, OperationClass, TransactionState

if TYPE_CHECKING:
    from accounts.models import User

PARTS = ("fund_minor", "account_minor", "hospital_minor", "cash_minor")
REASON_CHARACTERS = 500


class NothingToRule(Conflict):
    code = "nothing_to_rule"
    title = "It needs no ruling"
    detail = "{his_no} is {state}: it does not wait for a person."
    detail_zh = "{his_no} 当前为 {state}，无需人工裁定。"
    fix = "Look at its state now; nothing was changed."
    fix_zh = "请查看其当前状态；未作任何更改。"


class RulingOpen(Conflict):
    code = "ruling_is_open"
    title = "A ruling waits for its second name already"
    detail = "{proposed_by} has proposed {decision} for {his_no}."
    detail_zh = "{proposed_by} 已对 {his_no} 提出裁定 {decision}，等待第二人确认。"
    fix = "Second that one, or let it be withdrawn first."
    fix_zh = "请确认该裁定，或先撤回后再提出。"


class RulingEnded(Conflict):
    code = "ruling_has_ended"
    title = "This ruling has ended"
    detail = "The ruling on {his_no} was {how} at {at}."
    detail_zh = "对 {his_no} 的裁定已于 {at} 结束（{how}）。"
    fix = "Look at the transaction; nothing was changed."
    fix_zh = "请查看该交易；未作任何更改。"


class AmountsDoNotAddUp(Problem):
    code = "amounts_do_not_add_up"
    status = 422
    title = "The parts do not make the total"
    detail = "The parts make {sum_minor}, the total is {total_minor} (minor units)."
    detail_zh = "各部分合计 {sum_minor}，总额为 {total_minor}（最小货币单位）。"
    fix = "Copy the amounts and the settlement number from the insurer's statement."
    fix_zh = "请按保险方的结算凭证填写各项金额和结算单号。"


class AmountsAreProven(Problem):
    code = "amounts_are_proven"
    status = 422
    title = "The amounts of this settlement are proven already"
    detail = "{his_no} was proven with other amounts; a ruling does not change them."
    detail_zh = "{his_no} 的金额此前已得到证实，裁定不能更改。"
    fix = "Propose it with the amounts that are shown; what the insurer says otherwise is a case for reconciliation."
    fix_zh = "请按所示金额提出；如保险方另有说法，请通过对账处理。"


def ruling_propose(
    *,
    transaction_id: UUID,
    version: int,
    decision: Decision,
    reason: str,
    amounts: Mapping[str, Any] | None,
    user: User,
    trace_id: str,
    now: datetime,
) -> Ruling:
    """Write down what `user` proposes; `version` is of the transaction that he looked at.

    `amounts` (fund, account, hospital, cash in minor units; settlement_no) go with SUCCEEDED of a fee and with nothing
    else. Raises AmountsAreProven, AmountsDoNotAddUp, MovedMeanwhile, NothingToRule, RulingOpen.
    """
    with transaction.atomic():
        _, row = _locked(transaction_id, version)
        known = Ruling.objects.filter(transaction_id=row.pk, closed_at__isnull=True).first()
        if known is not None:
            raise RulingOpen(
                extra=shown_row(row), his_no=row.his_no, proposed_by=known.proposed_by, decision=known.decision
            )
        settles = decision == Decision.SUCCEEDED and row.operation_class == OperationClass.MOVES
        ruling = Ruling(
            id=uuid7(now),
            organisation_id=row.organisation_id,
            transaction_id=row.pk,
            decision=decision,
            amounts=_amounts_checked(row, amounts or {}) if settles else None,
            reason=masked_text(reason[:REASON_CHARACTERS], known=frozenset()),
            proposed_by=user.username,
            proposed_at=now,
        )
        ruling.save(force_insert=True)
        _audit(ruling, row, "ruling.proposed", user, trace_id, now)
    return ruling


def ruling_second(*, ruling_id: UUID, version: int, user: User, trace_id: str, now: datetime) -> None:
    """Confirm a proposed ruling and apply it. Raises MovedMeanwhile, NotYourOwn, NothingToRule, RulingEnded, and
    BackOfficeNeeded where neither of the two is of the back office."""
    with transaction.atomic():
        ruling = _ruling(ruling_id)
        locked, row = _locked(ruling.transaction_id, version)
        # Read again under the transaction's lock: whoever was first has closed it.
        ruling = _open(ruling_id, row)
        second_name_check(proposed_by=ruling.proposed_by, user=user)
        ruling.seconded_by, ruling.closed_at = user.username, now
        ruling.save(update_fields=["seconded_by", "closed_at"])
        _audit(ruling, row, "ruling.seconded", user, trace_id, now)
        ending = _apply(row, ruling, now)
        endings_write([ending], locked=locked, now=now)


def ruling_withdraw(*, ruling_id: UUID, user: User, trace_id: str, now: datetime) -> None:
    """End a proposed ruling without effect: who proposed it, or any colleague. Raises RulingEnded."""
    with transaction.atomic():
        row = bills_and_transactions_lock([_ruling(ruling_id).transaction_id]).rows
        ruling = _open(ruling_id, next(iter(row.values())))
        ruling.closed_at, ruling.withdrawn = now, True
        ruling.save(update_fields=["closed_at", "withdrawn"])
        _audit(ruling, row[ruling.transaction_id], "ruling.withdrawn", user, trace_id, now)


def _locked(transaction_id: UUID, version: int) -> tuple[Locked, Transaction]:
    locked = bills_and_transactions_lock([transaction_id])
    row = locked.rows.get(transaction_id)
    if row is None:
        raise NotFound(noun="transaction", noun_zh="交易", key=transaction_id)
    version_check(row, version)
    if row.state != TransactionState.NEEDS_HUMAN:
        raise NothingToRule(extra=shown_row(row), his_no=row.his_no, state=row.state)
    return locked, row


def _ruling(ruling_id: UUID) -> Ruling:
    ruling = Ruling.objects.filter(pk=ruling_id).first()
    if ruling is None:
        raise NotFound(noun="ruling", noun_zh="裁定", key=ruling_id)
    return ruling


def _open(ruling_id: UUID, row: Transaction) -> Ruling:
    ruling = _ruling(ruling_id)
    if ruling.closed_at is not None:
        how = "withdrawn" if ruling.withdrawn else f"seconded by {ruling.seconded_by}"
        raise RulingEnded(extra=shown_row(row), his_no=row.his_no, how=how, at=ruling.closed_at.isoformat())
    return ruling


def _amounts_checked(row: Transaction, amounts: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: int(amounts.get(name) or 0) for name in PARTS}
    settlement_no = str(amounts.get("settlement_no") or "")
    if row.cash_minor is not None and any(getattr(row, name) != parts[name] for name in PARTS):
        raise AmountsAreProven(his_no=row.his_no)
    if min(parts.values()) < 0 or sum(parts.values()) != row.total_minor or not settlement_no:
        raise AmountsDoNotAddUp(sum_minor=sum(parts.values()), total_minor=row.total_minor)
    return {**parts, "settlement_no": settlement_no}


def _apply(row: Transaction, ruling: Ruling, now: datetime) -> Ending:
    """The move that two persons decided, made in memory."""
    begins = None
    match ruling.decision:
        case Decision.SUCCEEDED:
            _amounts_take(row, ruling.amounts)
            row.succeed()
        case Decision.REVERSED:
            row.reversal_accepted()
        case Decision.REJECTED:
            row.reject()
        case Decision.REVERSING:
            row.reverse()
            begins = Cause.RULING
    row.reason_code = "reversing_ruling" if begins else "ruled"
    row.moved(now=now, by=f"{ruling.proposed_by} + {ruling.seconded_by}", reason=row.reason_code)
    return Ending(row, _evidence(row, ruling, now), begins=begins)


def _amounts_take(row: Transaction, amounts: Mapping[str, Any] | None) -> None:
    """What the insurer holds, by the word of two persons. A split that was proven stays as fine as it is."""
    row.episode = max(1, row.episode)
    if amounts is None:
        return
    row.settlement_no = amounts["settlement_no"]
    if row.cash_minor is not None:
        return
    insurer = facts_of(row.interface_id).insurer_code
    for name in PARTS:
        setattr(row, name, amounts[name])
    told = (("basic_fund", amounts["fund_minor"]), ("own_account", amounts["account_minor"]))
    row.shares = [{"payer": payer, "insurer": insurer, "amount_minor": minor} for payer, minor in told if minor]


def _evidence(row: Transaction, ruling: Ruling, now: datetime) -> Evidence:
    return evidence_of(row, EvidenceKind.RULING, ruling.decision, now=now, details=ruling.reason)


def _audit(ruling: Ruling, row: Transaction, action: str, user: User, trace_id: str, now: datetime) -> None:
    """The reason is free text in which people may name a patient: it stays with the ruling."""
    audit_write(
        actor=user.username,
        organisation_id=row.organisation_id,
        action=action,
        subject=row.his_no,
        details={"ruling": str(ruling.pk), "decision": ruling.decision, "amounts": ruling.amounts},
        now=now,
        trace_id=trace_id,
    )
