"""A cashier's shift: what was settled, refused or is unknown, what is due back, and what the till should hold.

The till holds the patients' own shares of what was settled, as far as no cash told before covers them, and the cash
that was told, less what was given back: refunds, and the own shares of what a cancel has undone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from exchange.bills import BillLine, chains_of
from exchange.models import ShiftClose
from exchange.states import OPEN, OperationClass, TransactionState

NAMED_LIMIT = 1000

# One statement, so one moment: all that is on the bills that this shift touched, by a wish, by cash or by a refund.
READ = """
WITH mine AS (
    SELECT id, bill_id FROM exchange_transaction
    WHERE organisation_id = %(organisation)s AND shift_no = %(shift)s AND bill_id IS NOT NULL
), touched AS (
    SELECT bill_id FROM mine
    UNION SELECT wish.bill_id FROM exchange_selfpayment cash JOIN exchange_transaction wish
        ON wish.id = cash.transaction_id WHERE cash.organisation_id = %(organisation)s AND cash.shift_no = %(shift)s
    UNION SELECT wish.bill_id FROM exchange_refund back JOIN exchange_transaction wish
        ON wish.id = back.transaction_id WHERE back.organisation_id = %(organisation)s AND back.shift_no = %(shift)s
)
SELECT
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', wish.id, 'his_no', wish.his_no, 'bill', wish.bill_id,
            'class', wish.operation_class, 'state', wish.state, 'total', wish.total_minor, 'own', wish.cash_minor,
            'follows', coalesce(wish.replaces_id, wish.retry_of_id), 'of', wish.of_id, 'shift', wish.shift_no,
            'told', wish.told, 'since', wish.state_at, 'operator', wish.operator_no,
            'acknowledged', wish.acknowledged_at IS NOT NULL) ORDER BY wish.id), '[]'::jsonb)
        FROM exchange_transaction wish
        WHERE wish.bill_id IN (SELECT bill_id FROM touched) AND wish.currency = %(currency)s),
    (SELECT coalesce(jsonb_agg(jsonb_build_object('wish', cash.transaction_id, 'amount', cash.amount_minor,
            'tender', cash.tender, 'shift', cash.shift_no)), '[]'::jsonb)
        FROM exchange_selfpayment cash JOIN exchange_transaction wish ON wish.id = cash.transaction_id
        WHERE wish.bill_id IN (SELECT bill_id FROM touched) AND cash.currency = %(currency)s),
    (SELECT coalesce(jsonb_agg(jsonb_build_object('amount', back.amount_minor, 'tender', back.tender)), '[]'::jsonb)
        FROM exchange_refund back WHERE back.organisation_id = %(organisation)s AND back.shift_no = %(shift)s
            AND back.currency = %(currency)s),
    (SELECT coalesce(jsonb_agg(jsonb_build_object('visit_no', bill.visit_no, 'bill_no', bill.bill_no,
            'refund_due_minor', bill.refund_due_minor) ORDER BY bill.created_at, bill.id), '[]'::jsonb)
        FROM exchange_bill bill WHERE bill.id IN (SELECT bill_id FROM touched) AND bill.refund_due_minor > 0
            AND bill.currency = %(currency)s)
"""


@dataclass(frozen=True, slots=True)
class ShiftWish:
    """A wish on a bill that the shift touched. `own_minor`: the patient's share, once somebody has proven it."""

    id: UUID
    his_no: str
    bill_id: UUID
    operation_class: str
    state: str
    total_minor: int
    own_minor: int | None
    follows: UUID | None
    of: UUID | None
    shift_no: str
    told: str
    since: datetime
    operator_no: str
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class ShiftRead:
    """Everything that a shift's report is made of, read in one moment. `paid`: cash told, by wish, of any shift."""

    shift_no: str
    currency: str
    wishes: Sequence[ShiftWish]
    paid: dict[UUID, int]
    taken: dict[str, int]
    refunded: dict[str, int]
    bills_due: Sequence[dict[str, Any]]


def shift_report(*, organisation_id: int, shift_no: str, currency: str) -> dict[str, Any]:
    """What a shift came to so far, minor units of `currency`; `till_minor` is what its till should hold for it."""
    read = _read(organisation_id, shift_no, currency)
    mine = [wish for wish in read.wishes if wish.shift_no == shift_no]
    fees = [wish for wish in mine if wish.operation_class == OperationClass.MOVES]
    settled = [wish for wish in fees if wish.state == TransactionState.SUCCEEDED]
    own, given_back = _own_minor(read, fees), _own_minor(read, _undone_by(mine, read.wishes))
    taken, refunded = sum(read.taken.values()), sum(read.refunded.values())
    return {
        "shift_no": shift_no,
        "currency": currency,
        "settled": {**_sums(settled), "own_minor": sum(wish.own_minor or 0 for wish in settled)},
        "refused": _sums(_in(fees, TransactionState.REJECTED)),
        "not_sent": _sums(_in(fees, TransactionState.NOT_SENT)),
        "reversed": _sums(_in(fees, TransactionState.REVERSED)),
        "cancelled": _sums(_in(fees, TransactionState.CANCELLED)),
        "unknown": _named([wish for wish in mine if wish.state in OPEN], read.paid),
        "unacknowledged": _named([one for one in settled if not one.acknowledged], read.paid),
        "refund_due": {
            "count": len(read.bills_due),
            "amount_minor": sum(bill["refund_due_minor"] for bill in read.bills_due),
            "bills": list(read.bills_due[:NAMED_LIMIT]),
        },
        "own_shares_minor": own,
        "given_back_minor": given_back,
        "cash_taken_minor": taken,
        "refunded_minor": refunded,
        "till_minor": own - given_back + taken - refunded,
        "tenders": [
            {"tender": tender, "taken_minor": read.taken.get(tender, 0), "refunded_minor": read.refunded.get(tender, 0)}
            for tender in sorted(read.taken.keys() | read.refunded.keys())
        ],
    }


def _read(organisation_id: int, shift_no: str, currency: str) -> ShiftRead:
    with connection.cursor() as cursor:
        cursor.execute(READ, {"organisation": organisation_id, "shift": shift_no, "currency": currency})
        wishes, cash, refunds, bills = (
            json.loads(part) if isinstance(part, str) else part for part in cursor.fetchone()
        )
    paid: dict[UUID, int] = defaultdict(int)
    taken: dict[str, int] = defaultdict(int)
    refunded: dict[str, int] = defaultdict(int)
    for piece in cash:
        paid[UUID(piece["wish"])] += piece["amount"]
        if piece["shift"] == shift_no:
            taken[piece["tender"]] += piece["amount"]
    for piece in refunds:
        refunded[piece["tender"]] += piece["amount"]
    return ShiftRead(shift_no, currency, [_wish(one) for one in wishes], paid, taken, refunded, bills)


def _wish(one: dict[str, Any]) -> ShiftWish:
    return ShiftWish(
        id=UUID(one["id"]),
        his_no=one["his_no"],
        bill_id=UUID(one["bill"]),
        operation_class=one["class"],
        state=one["state"],
        total_minor=one["total"] or 0,
        own_minor=one["own"],
        follows=UUID(one["follows"]) if one["follows"] else None,
        of=UUID(one["of"]) if one["of"] else None,
        shift_no=one["shift"],
        told=one["told"],
        since=datetime.fromisoformat(one["since"]),
        operator_no=one["operator"],
        acknowledged=one["acknowledged"],
    )


def _undone_by(mine: Iterable[ShiftWish], wishes: Iterable[ShiftWish]) -> list[ShiftWish]:
    """The fees that cancels of this shift have undone, whichever shift settled them."""
    undone = {one.of for one in mine if one.of is not None and one.state == TransactionState.SUCCEEDED}
    return [wish for wish in wishes if wish.id in undone]


def _own_minor(read: ShiftRead, fees: Iterable[ShiftWish]) -> int:
    """The own shares that a till took with these fees: those of what is settled, or was until a cancel.

    Cash that was told for the same service before covers them first.
    """
    covered: dict[UUID, int] = {}
    lines = [
        BillLine(one.id, one.state, one.total_minor, one.own_minor or 0, read.paid.get(one.id, 0), one.follows)
        for one in read.wishes
        if one.operation_class == OperationClass.MOVES
    ]
    for chain in chains_of(lines):
        cash = sum(line.paid_minor for line in chain)
        covered |= dict.fromkeys((line.id for line in chain), cash)
    collected = (TransactionState.SUCCEEDED, TransactionState.CANCELLED)
    return sum(max(0, (one.own_minor or 0) - covered.get(one.id, 0)) for one in fees if one.state in collected)


def _in(fees: Iterable[ShiftWish], state: TransactionState) -> list[ShiftWish]:
    return [wish for wish in fees if wish.state == state]


def _sums(fees: Sequence[ShiftWish]) -> dict[str, int]:
    return {"count": len(fees), "total_minor": sum(wish.total_minor for wish in fees)}


def _named(wishes: Sequence[ShiftWish], paid: dict[UUID, int]) -> dict[str, Any]:
    """By name, oldest first, at most NAMED_LIMIT of them."""
    return {
        **_sums(wishes),
        "transactions": [
            {
                "his_no": wish.his_no,
                "state": wish.state,
                "total_minor": wish.total_minor,
                "paid_minor": paid.get(wish.id, 0),
                "since": wish.since.isoformat().replace("+00:00", "Z"),
                "operator_no": wish.operator_no,
            }
            for wish in wishes[:NAMED_LIMIT]
        ],
    }


def shift_closes() -> QuerySet[ShiftClose]:
    """Closed shifts, the latest first. Whose: row security and the portal's fence say."""
    return ShiftClose.objects.order_by("-closed_at", "pk")
