"""Settling anew what was paid in cash: from the list of the back office, one or many, each with its own result.

The new wish is the old one once more: its body as the hospital sent it, under a name of ours, `replaces` the old one
and so takes over its cash. Names: the old name's part before `~`, then `~2`, `~3` ... up to `~99`, the first that is
free. Hospitals cannot send such names, so none of theirs is ever taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.errors import Conflict, NotFound, Problem
from core.ids import new_trace_id
from exchange.bills import chains_of
from exchange.locks import Locked
from exchange.models import Transaction
from exchange.selectors.bills import bills_read
from exchange.selectors.outage import Need, resettle_needs, standing_chains, wish_body
from exchange.services.guards import AlreadyFollowed, shown_row
from exchange.services.receive import HisNoReused, WishDraft, transactions_receive
from exchange.states import OperationClass

MOST_AT_ONCE = 100
LAST_NUMBER = 99
LONGEST_NAME = 66
NAME_RACES = 3
# Of the old wish, what is not so any more. A credential is never sent twice.
DROPPED = ("retry_of", "of", "presettle_of", "expect_cash_minor", "wait_seconds")


class TooManyAtOnce(Problem):
    code = "too_many_at_once"
    status = 422
    title = "Too many at once"
    detail = "{count} were named; at most {limit} are taken at once. Nothing was done."
    detail_zh = "一次最多 {limit} 笔，本次提交了 {count} 笔，未执行任何操作。"
    fix = "Send them in parts."
    fix_zh = "请分批提交。"


class NoCashStands(Conflict):
    code = "no_cash_stands"
    title = "It is not on the outage list"
    detail = "{his_no} has no cash that stands for an unsettled fee."
    detail_zh = "{his_no} 不在待补结清单中：没有以现金代付且未结算的费用。"
    fix = "Look at the bill: it is settled, under way, cancelled, or was never paid in cash."
    fix_zh = "请查看账单：该费用已结算、正在处理、已取消，或未曾收取现金。"


class CannotResettleHere(Conflict):
    code = "cannot_resettle_here"
    title = "It cannot be settled anew from the list"
    detail = "{his_no} lacks what a new settlement needs ({need})."
    detail_zh = "{his_no} 缺少重新结算所需的内容（{need}）。"
    fix = "Send a settle with `replaces` from the hospital's program, with the person or a new credential."
    fix_zh = "请由医院系统发送带 replaces 的 settle，填写人员信息；需要凭证的请重新获取。"


class NoNameLeft(Conflict):
    code = "no_name_left"
    title = "It was settled anew too often"
    detail = "All names of ours behind {his_no} are used."
    detail_zh = "{his_no} 的补结流水号已用完。"
    fix = "Send a settle with `replaces` and a his_no of your own."
    fix_zh = "请由医院系统使用新的流水号发送带 replaces 的 settle。"


@dataclass(frozen=True, slots=True)
class Resettled:
    """What became of one: the new wish under `new_his_no`, or the problem. `replayed`: somebody has just done it."""

    his_no: str
    new_his_no: str = ""
    transaction_id: UUID | None = None
    replayed: bool = False
    problem: Problem | None = None


def resettle_from_list(
    *, organisation_id: int, his_nos: Sequence[str], by: str, now: datetime, operator_no: str = "", shift_no: str = ""
) -> list[Resettled]:
    """Settle anew, each by itself, what these wishes of the outage list asked for; results in order.

    The caller has said whom it sees. Any wish of a fee may be named: the latest one is replaced. The new wishes are
    received as if the hospital had sent them; their verdicts come the usual way. Raises TooManyAtOnce.
    """
    if len(his_nos) > MOST_AT_ONCE:
        raise TooManyAtOnce(count=len(his_nos), limit=MOST_AT_ONCE)
    results = []
    for his_no in his_nos:
        try:
            results.append(_resettled(organisation_id, his_no, by, (operator_no, shift_no), now))
        except Problem as problem:
            results.append(Resettled(his_no, problem=problem))
    return results


def _resettled(organisation_id: int, his_no: str, by: str, who: tuple[str, str], now: datetime) -> Resettled:
    """Raises AlreadyFollowed, CannotResettleHere, NoCashStands, NoNameLeft, NotFound."""
    problem: Problem | None = None
    for _ in range(NAME_RACES):
        draft = _draft(organisation_id, his_no, by, who)
        (received,) = transactions_receive(drafts=[draft], now=now)
        problem = received.problem
        if problem is None:
            return Resettled(his_no, received.his_no, received.transaction_id, received.replayed)
        if not isinstance(problem, HisNoReused):
            break
        # Somebody took the name between our look and our insert: he has settled it anew, or another one has.
    return Resettled(his_no, problem=problem)


def _draft(organisation_id: int, his_no: str, by: str, who: tuple[str, str]) -> WishDraft:
    wish, body = _wish_to_replace(organisation_id, his_no)
    name = _free_name(wish)
    operator_no, shift_no = who
    body = {key: value for key, value in body.items() if key not in DROPPED}
    body |= {"his_no": name, "operation": "settle", "replaces": wish.his_no}
    body["person"] = {**body["person"], "credential": None}
    body["operator"] = {"no": operator_no, "shift_no": shift_no}
    digest = _digest(body)
    insurance, visit, bill = body.get("insurance") or {}, body["visit"], wish.bill
    assert bill is not None  # noqa: S101 - what has cash has its bill
    return WishDraft(
        organisation_id=organisation_id,
        by=by,
        # No hospital's key has a blank in it.
        idempotency_key=f"resettled {name} {digest.hex()}",
        his_no=name,
        operation="settle",
        scheme=insurance.get("scheme") or "",
        region=insurance.get("region") or "",
        visit_no=bill.visit_no,
        bill_no=bill.bill_no,
        batch_no=wish.batch_no,
        inpatient=visit.get("kind") == "inpatient",
        total_minor=wish.total_minor,
        currency=wish.currency,
        body=body,
        digest=digest,
        trace_id=new_trace_id(),
        replaces=wish.his_no,
        operator_no=operator_no,
        shift_no=shift_no,
    )


def _wish_to_replace(organisation_id: int, his_no: str) -> tuple[Transaction, dict[str, Any]]:
    """The latest wish of the named one's fee, and its body.

    Raises AlreadyFollowed, CannotResettleHere, NoCashStands, NotFound.
    """
    named = Transaction.objects.filter(organisation_id=organisation_id, his_no=his_no).first()
    if named is None:
        raise NotFound(noun="transaction", noun_zh="交易", key=his_no[:80])
    if named.bill_id is None or named.operation_class != OperationClass.MOVES:
        raise NoCashStands(his_no=his_no)
    read = bills_read([named.bill_id])
    for chain in standing_chains(read, named.bill_id):
        if any(line.id == named.pk for line in chain):
            wish = read.rows[chain[-1].id]
            body = wish_body(wish)
            lacking = [need for need in resettle_needs(read, wish) if need in (Need.WISH, Need.BODY, Need.CREDENTIAL)]
            if body is None or lacking:
                raise CannotResettleHere(his_no=wish.his_no, need=", ".join(lacking))
            return wish, body
    _check_followed(read, named)
    raise NoCashStands(his_no=his_no)


def _check_followed(read: Locked, named: Transaction) -> None:
    """Say which wish of the same fee is under way or settled, if that is why it does not stand."""
    assert named.bill_id is not None  # noqa: S101 - the caller has looked
    for chain in chains_of(read.lines(named.bill_id)):
        busy = [read.rows[line.id] for line in chain if line.live or line.open]
        if busy and busy[-1].pk != named.pk and any(line.id == named.pk for line in chain):
            raise AlreadyFollowed(extra=shown_row(busy[-1]), other=busy[-1].his_no)


def _free_name(wish: Transaction) -> str:
    """The first of `base~2`, `base~3` ... that no transaction has. Raises NoNameLeft."""
    base = wish.his_no.partition("~")[0]
    names = [f"{base}~{number}" for number in range(2, LAST_NUMBER + 1)]
    found = Transaction.objects.filter(organisation_id=wish.organisation_id, his_no__in=names)
    taken = set(found.values_list("his_no", flat=True))
    free = next((name for name in names if name not in taken and len(name) <= LONGEST_NAME), None)
    if free is None:
        raise NoNameLeft(his_no=wish.his_no)
    return free


def _digest(body: Mapping[str, Any]) -> bytes:
    """One spelling for equal bodies, as for those that hospitals send."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).digest()
