"""Basic insurance at the counter, through job A: asked before our own money moves, and never guessed.

Whoever asks learns the verdict from a job that looks for it. No answer is unknown: until job A has proven what
happened no goods leave, and no second payer is asked for the same hand-over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from core.errors import Conflict
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from exchange.selectors.transactions import answers_of
from exchange.services.receive import transactions_receive
from exchange.services.wishes import WishDraft
from exchange.states import NOT_FINAL, VerdictWord
from journal.selectors import platform_lane
from journal.services import JobDraft, jobs_ensure
from pharmacies.models import BasicSettlement, HandOver, Order
from pharmacies.states import BasicPurpose
from registry.selectors.persons import person_facts

FOLLOW: Final = "pharmacies.basic_follow"
MOVED: Final = "settlement.order_moved"
# How long until job A is looked at again, by how often that was done; the last one is repeated until it has ended.
LOOKS: Final = tuple(map(timedelta, (0,) * 6, (0.2, 0.5, 1.0, 2.0, 5.0, 15.0)))
HOLDS: Final = (VerdictWord.SUCCEEDED.value, VerdictWord.STANDS.value)
LETTERS: Final = {BasicPurpose.PRESETTLE: "P", BasicPurpose.SETTLE: "S", BasicPurpose.CANCEL: "C"}
BY = "pharmacies"


class NoBasicInsurance(Conflict):
    code = "no_basic_insurance"
    title = "This shop does not settle basic insurance"
    detail = "{shop} is no dual-channel pharmacy."
    detail_zh = "{shop} 不是双通道药房，不能结算基本医保。"
    fix = "Hand over without basic insurance, or offer the order to a dual-channel pharmacy."
    fix_zh = "请按无基本医保办理，或改派双通道药房。"


class BasicInDoubt(Conflict):
    code = "basic_in_doubt"
    title = "Basic insurance has not answered yet"
    detail = "{his_no}: nobody knows yet whether basic insurance has paid."
    detail_zh = "{his_no}：基本医保结算结果未知。"
    fix = "Give no goods and take no money for them yet. The platform finds out by itself; this page shows it."
    fix_zh = "请先不要交付药品，也不要收取费用。平台会自动查明结果并显示在本页。"


@dataclass(frozen=True, slots=True)
class BasicItem:
    """A line as basic insurance is told of it; `amount_minor` is price by quantity."""

    line_no: int
    code: str
    name: str
    quantity: int
    unit_price_minor: int

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_price_minor


@transaction.atomic
def basic_ask(
    *,
    order: Order,
    purpose: BasicPurpose,
    items: Sequence[BasicItem],
    handover: HandOver | None = None,
    now: datetime,
    trace_id: str,
) -> BasicSettlement:
    """Ask job A for an estimate (no hand-over yet) or to settle what `handover` gives away; the answer comes by a job.

    One that is open or has settled the same hand-over is returned instead of a second one. Raises NoBasicInsurance
    and what exchange refuses: no route, unknown person data.
    """
    shop = order.shop
    if not shop.basic_insurance:
        raise NoBasicInsurance(shop=shop.name)
    if handover is not None:
        live = handover.basic_settlements.filter(purpose=purpose, verdict__in=("", *HOLDS)).first()
        if live is not None:
            return live
    return _ask(order, purpose, items, handover=handover, of=None, now=now, trace_id=trace_id)


@transaction.atomic
def basic_cancel(*, settlement: BasicSettlement, now: datetime, trace_id: str) -> BasicSettlement | None:
    """Take a settlement back, the whole of it: goods came back, or were not given after all.

    While its own verdict is open it is only marked as unwanted; the cancel follows once it is known. None: nothing is
    held, nothing is to be cancelled.
    """
    row = BasicSettlement.objects.select_for_update().get(pk=settlement.pk)
    if row.verdict == "":
        row.unwanted_at = row.unwanted_at or now
        row.save(update_fields=["unwanted_at"])
        return row
    if row.verdict not in HOLDS:
        return None
    live = row.cancels.filter(verdict__in=("", "succeeded")).first()
    if live is not None:
        return live
    return _ask(row.order, BasicPurpose.CANCEL, (), handover=row.handover, of=row, now=now, trace_id=trace_id)


def basic_of(*, handover: HandOver) -> BasicSettlement | None:
    """The settlement of a hand-over that is open or stands; None when basic insurance holds nothing for it."""
    rows = handover.basic_settlements.filter(purpose=BasicPurpose.SETTLE, verdict__in=("", *HOLDS))
    found = rows.first()
    return None if found is None or found.cancels.filter(verdict="succeeded").exists() else found


@transaction.atomic
def basic_follow(*, settlement_ids: Sequence[UUID], now: datetime) -> dict[UUID, datetime]:
    """Take over what job A has proven since; a job `settlement.order_moved` tells whoever waits for it.

    Returns when each one that is still open is to be looked at again. Role worker.
    """
    rows = list(BasicSettlement.objects.select_for_update().filter(pk__in=settlement_ids, verdict="").order_by("pk"))
    answers = answers_of([row.transaction_id for row in rows])
    again = {}
    for row in rows:
        answer = answers.get(row.transaction_id)
        if answer is None or answer["verdict"] in NOT_FINAL:
            row.looks += 1
            row.save(update_fields=["looks"])
            again[row.pk] = now + LOOKS[min(row.looks, len(LOOKS) - 1)]
        else:
            _answered(row, answer, now)
    return again


def _answered(row: BasicSettlement, answer: dict[str, Any], now: datetime) -> None:
    amounts, reason = answer.get("amounts") or {}, answer.get("reason") or {}
    row.verdict, row.answered_at, row.reason = answer["verdict"], now, str(reason.get("code", ""))[:60]
    if row.purpose != BasicPurpose.CANCEL and row.verdict in HOLDS:
        row.fund_minor, row.cash_minor = amounts["fund_minor"], amounts["total_minor"] - amounts["fund_minor"]
    row.save(update_fields=["verdict", "answered_at", "reason", "fund_minor", "cash_minor"])
    trace_id = str(answer["trace_id"])
    if row.unwanted_at is not None and row.verdict in HOLDS:
        basic_cancel(settlement=row, now=now, trace_id=trace_id)
    _tell(row, MOVED, row.order_id, now=now, run_at=now, trace_id=trace_id)


def _ask(
    order: Order,
    purpose: BasicPurpose,
    items: Sequence[BasicItem],
    *,
    handover: HandOver | None,
    of: BasicSettlement | None,
    now: datetime,
    trace_id: str,
) -> BasicSettlement:
    # The order's lock makes the number and keeps a second asker out.
    Order.objects.select_for_update().get(pk=order.pk)
    number = order.basic_settlements.filter(purpose=purpose).count() + 1
    his_no = f"{order.order_no}-{LETTERS[purpose]}{number}"
    draft = _wish(order, purpose, items, his_no=his_no, handover=handover, of=of, trace_id=trace_id)
    with seen_by([order.organisation_id]):
        [received] = transactions_receive(drafts=[draft], now=now)
    if received.problem is not None:
        raise received.problem
    if received.transaction_id is None:
        raise RuntimeError(f"{his_no} was neither stored nor refused")
    row = BasicSettlement.objects.create(
        id=uuid7(now),
        order=order,
        handover=handover,
        organisation_id=order.organisation_id,
        purpose=purpose,
        number=number,
        of=of,
        his_no=his_no,
        transaction_id=received.transaction_id,
        asked_at=now,
    )
    _tell(row, FOLLOW, row.pk, now=now, run_at=now + LOOKS[0], trace_id=trace_id)
    return row


def _wish(
    order: Order,
    purpose: BasicPurpose,
    items: Sequence[BasicItem],
    *,
    his_no: str,
    handover: HandOver | None,
    of: BasicSettlement | None,
    trace_id: str,
) -> WishDraft:
    total_minor = sum(item.amount_minor for item in items) if items else None
    bill_no = f"H{handover.number}" if handover is not None else "ESTIMATE"
    body = {
        "his_no": his_no,
        "operation": purpose.value,
        "person": _person(order),
        "visit": {"visit_no": order.order_no, "kind": "pharmacy"},
        "bill": {"bill_no": bill_no},
        "insurance": {"scheme": order.shop.basic_scheme, "region": order.shop.basic_region},
        "items": [_item(one) for one in items],
        "total_minor": total_minor,
        "currency": order.currency,
        **({"of": of.his_no} if of is not None else {}),
    }
    raw = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return WishDraft(
        organisation_id=order.organisation_id,
        by=BY,
        idempotency_key=f"order-{his_no}",
        his_no=his_no,
        operation=purpose.value,
        scheme=order.shop.basic_scheme,
        region=order.shop.basic_region,
        visit_no=order.order_no,
        bill_no=bill_no,
        batch_no="",
        inpatient=False,
        total_minor=total_minor,
        currency=order.currency,
        body=body,
        digest=hashlib.sha256(raw).digest(),
        trace_id=trace_id,
        of=of.his_no if of is not None else "",
    )


def _person(order: Order) -> dict[str, str]:
    """Who gets the drug, as basic insurance has to know him. A pharmacy's own sight does not reach that far."""
    with seen_by(EVERYTHING):
        facts = person_facts(person=order.person)
    return {"id_type": facts.id_type, "id_no": facts.id_no, "name": facts.name}


def _item(item: BasicItem) -> dict[str, Any]:
    return {
        "line_no": item.line_no,
        "code": item.code,
        "name": item.name,
        "quantity": str(item.quantity),
        "unit_price": f"{item.unit_price_minor // 100}.{item.unit_price_minor % 100:02d}",
        "amount_minor": item.amount_minor,
    }


def _tell(row: BasicSettlement, kind: str, subject_id: UUID, *, now: datetime, run_at: datetime, trace_id: str) -> None:
    draft = JobDraft(
        kind=kind,
        lane_id=platform_lane(),
        organisation_id=row.organisation_id,
        subject_id=subject_id,
        run_at=run_at,
        trace_id=trace_id,
    )
    jobs_ensure(drafts=[draft], now=now)
