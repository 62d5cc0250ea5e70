"""Bills paid in cash because no settlement came, and what settling them anew would need; refunds that are due.

For the hospital's back office: rows to read, to print, and to hand on to `services/outage.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from core.crypto import SealBroken, unseal
from core.row_security import EVERYTHING
from exchange.bills import BillLine, chains_of
from exchange.locks import Locked
from exchange.masking import masked_name
from exchange.models import Bill, SelfPayment, Transaction
from exchange.selectors.bills import bills_read
from exchange.selectors.interfaces import facts_of
from exchange.selectors.lanes import lane_links
from exchange.selectors.messages import Organisations
from exchange.selectors.transactions import body_context
from exchange.states import OPEN, OperationClass, TransactionState

PAGE_BILLS = 50
LONGEST_PAGE = 200
FLOWING = ("open", "slow")


class Need(StrEnum):
    """What stands between a bill on the list and its new settlement."""

    WISH = "wish"  # Cash without a wish: the hospital's program must send the settle itself, with `replaces`.
    CREDENTIAL = "credential"  # The person was known by a credential only, and none is sent twice: ask for a new one.
    BODY = "body"  # The key of its month is gone: send the settle from the hospital's program, with `replaces`.
    OPEN_WISH = "open_wish"  # Something else on the bill is under way: wait for it.
    BILL_SETTLED = "bill_settled"  # Another wish settled the bill: cancel the service of this one, or that one.
    LANE = "lane"  # The insurer's lane is paused or broken: it would end unsent.


@dataclass(frozen=True, slots=True)
class CashTold:
    """Cash that the hospital told of. `amount_minor` in minor units."""

    his_no: str
    amount_minor: int
    tender: str
    receipt_no: str
    collected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRow:
    """A fee whose cash stands. `his_no` is the wish that a new settle replaces; `needs` is empty when it can go now.

    `total_minor` None: cash for a wish that never came, and no total was told. `person` is a masked name.
    """

    organisation_id: int
    bill_id: UUID
    visit_no: str
    bill_no: str
    batch_no: str
    currency: str
    transaction_id: UUID
    his_no: str
    state: str
    reason_code: str
    ended_at: datetime
    total_minor: int | None
    paid_minor: int
    cash: tuple[CashTold, ...]
    insurer: str
    interface: str
    lane_state: str
    person: str
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class OutagePage:
    """Rows, oldest bill first, and the cursor behind which further ones stand; empty at the end."""

    rows: tuple[OutageRow, ...]
    next_cursor: str = ""

    @property
    def paid_minor(self) -> dict[str, int]:
        """Cash that stands, by currency, minor units: the foot of a printed list."""
        sums: dict[str, int] = {}
        for row in self.rows:
            sums[row.currency] = sums.get(row.currency, 0) + row.paid_minor
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDue:
    """A bill that owes its patient cash. Report the refund on `his_no`. `unclaimed`: due for longer than is good."""

    organisation_id: int
    bill_id: UUID
    visit_no: str
    bill_no: str
    currency: str
    due_minor: int
    since: datetime
    unclaimed: bool
    transaction_id: UUID
    his_no: str
    cash: tuple[CashTold, ...]
    person: str


@dataclass(frozen=True, slots=True)
class RefundsPage:
    rows: tuple[RefundDue, ...]
    next_cursor: str = ""


# Cash is there, and a fee that has ended without being settled is followed by nothing that is open or settled. Whether
# the whole chain is so is looked at afterwards: it nearly always is.
CANDIDATES = """
SELECT bill.id, bill.created_at FROM exchange_bill bill
WHERE (%(everything)s OR bill.organisation_id = ANY (%(organisations)s)) AND bill.collected_minor > bill.refunded_minor
    AND (bill.created_at, bill.id) > (%(after)s::timestamptz, %(after_id)s::uuid)
    AND EXISTS (SELECT 1 FROM exchange_transaction wish
        WHERE wish.bill_id = bill.id AND wish.operation_class = 'MOVES' AND wish.service_cancelled_at IS NULL
            AND wish.state NOT IN ('SUCCEEDED', 'RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING', 'NEEDS_HUMAN')
            AND NOT EXISTS (SELECT 1 FROM exchange_transaction following
                WHERE following.bill_id = bill.id
                    AND (following.replaces_id = wish.id OR following.retry_of_id = wish.id)
                    AND following.state IN
                        ('SUCCEEDED', 'RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING', 'NEEDS_HUMAN')))
ORDER BY bill.created_at, bill.id LIMIT %(limit)s
"""
DUE = """
SELECT bill.id, bill.created_at FROM exchange_bill bill
WHERE (%(everything)s OR bill.organisation_id = ANY (%(organisations)s)) AND bill.refund_due_minor > 0
    AND (bill.created_at, bill.id) > (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY bill.created_at, bill.id LIMIT %(limit)s
"""


def outage_list(
    *, organisations: Organisations, now: datetime, cursor: str = "", limit: int = PAGE_BILLS
) -> OutagePage:
    """The bills whose cash stands, at most `limit` (<= LONGEST_PAGE) bills after `cursor`, oldest first.

    Each fee of a bill that was paid in cash is a row: a bill of several batches may have several.
    """
    ids, next_cursor = _page(CANDIDATES, organisations, cursor, limit)
    read = bills_read(ids)
    told = _cash_of(read)
    lanes = {link.interface: link.state for link in lane_links(now=now)}
    rows = [row for bill_id in ids if bill_id in read.bills for row in _rows_of(read, bill_id, told, lanes)]
    return OutagePage(tuple(rows), next_cursor)


def outage_count(*, organisations: Organisations) -> int:
    """How many bills may be settled anew, LONGEST_PAGE at most: a hint for a first page, dearer to know exactly."""
    ids, _more = _page(CANDIDATES, organisations, "", LONGEST_PAGE)
    return len(ids)


def refunds_due(
    *, organisations: Organisations, now: datetime, cursor: str = "", limit: int = PAGE_BILLS
) -> RefundsPage:
    """The bills that owe their patients cash, at most `limit` (<= LONGEST_PAGE) after `cursor`, oldest bill first."""
    ids, next_cursor = _page(DUE, organisations, cursor, limit)
    read = bills_read(ids)
    told = _cash_of(read)
    rows = [_due(read, read.bills[bill_id], told, now) for bill_id in ids if bill_id in read.bills]
    return RefundsPage(tuple(rows), next_cursor)


def resettle_needs(read: Locked, wish: Transaction, lane_state: str = "open") -> tuple[Need, ...]:
    """What stands between `wish` and a new settle that replaces it, as things are in `read` now."""
    others = [row for row in read.rows.values() if row.bill_id == wish.bill_id and row.pk != wish.pk]
    needs: list[Need] = []
    if not bytes(wish.body_digest):
        needs.append(Need.WISH)
    else:
        body = wish_body(wish)
        if body is None:
            needs.append(Need.BODY)
        elif not (body.get("person") or {}).get("id_no"):
            needs.append(Need.CREDENTIAL)
    if any(one.state in OPEN and one.operation_class != OperationClass.READS for one in others):
        needs.append(Need.OPEN_WISH)
    live = [one for one in others if one.state == TransactionState.SUCCEEDED and one.operation_class == "MOVES"]
    if any(not wish.batch_no or one.batch_no == wish.batch_no for one in live):
        needs.append(Need.BILL_SETTLED)
    if lane_state not in FLOWING:
        needs.append(Need.LANE)
    return tuple(needs)


def wish_body(wish: Transaction) -> dict[str, Any] | None:
    """What the hospital asked for, opened; None when its key is gone, or for a wish that never came."""
    if not bytes(wish.body_digest):
        return None
    try:
        body: dict[str, Any] = json.loads(unseal(wish.sealed_body, context=body_context(wish.pk)))
    except SealBroken:
        return None
    return body


def standing_chains(read: Locked, bill_id: UUID) -> Iterator[list[BillLine]]:
    """The fees of a bill whose cash stands: told, nothing of it settled or under way, the service not cancelled."""
    for chain in chains_of(read.lines(bill_id)):
        paid = sum(line.paid_minor for line in chain)
        if paid and not any(line.live or line.open or line.service_cancelled for line in chain):
            yield chain


def _page(sql: str, organisations: Organisations, cursor: str, limit: int) -> tuple[list[UUID], str]:
    limit = max(1, min(limit, LONGEST_PAGE))
    after, after_id = _place(cursor)
    parameters: dict[str, Any] = {
        "everything": organisations == EVERYTHING,
        "organisations": [] if isinstance(organisations, str) else list(organisations),
        "after": after,
        "after_id": after_id,
        "limit": limit + 1,
    }
    with connection.cursor() as database:
        database.execute(sql, parameters)
        found = database.fetchall()
    shown = found[:limit]
    more = f"{shown[-1][1].isoformat()}|{shown[-1][0]}" if len(found) > limit else ""
    return [row[0] for row in shown], more


def _place(cursor: str) -> tuple[str, str]:
    """Where a page begins; a cursor that somebody has tampered with begins at the top."""
    at, _, key = cursor.partition("|")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is not None:
            return moment.isoformat(), str(UUID(key))
    except ValueError:
        pass
    return "-infinity", str(UUID(int=0))


def _cash_of(read: Locked) -> dict[UUID, list[CashTold]]:
    """Cash told, by bill, in order of telling."""
    told: dict[UUID, list[CashTold]] = {}
    for cash in SelfPayment.objects.filter(transaction_id__in=list(read.rows)).order_by("told_at", "pk"):
        row = read.rows[cash.transaction_id]
        if row.bill_id is not None:
            piece = CashTold(row.his_no, cash.amount_minor, cash.tender, cash.receipt_no, cash.collected_at)
            told.setdefault(row.bill_id, []).append(piece)
    return told


def _rows_of(
    read: Locked, bill_id: UUID, told: dict[UUID, list[CashTold]], lanes: dict[str, str]
) -> Iterable[OutageRow]:
    bill = read.bills[bill_id]
    for chain in standing_chains(read, bill_id):
        wishes = [read.rows[line.id] for line in chain]
        # The latest one: it knows best what was asked for, and takes over the cash of all before it.
        wish = wishes[-1]
        facts = None if wish.interface_id is None else facts_of(wish.interface_id)
        lane_state = lanes.get(facts.code, "open") if facts else ""
        names = {one.his_no for one in wishes}
        cash = tuple(one for one in told.get(bill_id, ()) if one.his_no in names)
        yield OutageRow(
            organisation_id=bill.organisation_id,
            bill_id=bill.pk,
            visit_no=bill.visit_no,
            bill_no=bill.bill_no,
            batch_no=wish.batch_no,
            currency=bill.currency,
            transaction_id=wish.pk,
            his_no=wish.his_no,
            state=wish.state,
            reason_code=wish.reason_code,
            ended_at=wish.state_at,
            total_minor=wish.total_minor,
            paid_minor=sum(one.amount_minor for one in cash),
            cash=cash,
            insurer=facts.insurer_code if facts else "",
            interface=facts.code if facts else "",
            lane_state=lane_state,
            person=_person(wishes),
            needs=resettle_needs(read, wish, lane_state or "open"),
        )


def _due(read: Locked, bill: Bill, told: dict[UUID, list[CashTold]], now: datetime) -> RefundDue:
    moves = [row for row in read.rows.values() if row.bill_id == bill.pk and row.operation_class == "MOVES"]
    live = [row for row in moves if row.state == TransactionState.SUCCEEDED]
    wish = (live or [row for row in moves if read.paid.get(row.pk)])[-1]
    since = bill.refund_due_since or now
    return RefundDue(
        organisation_id=bill.organisation_id,
        bill_id=bill.pk,
        visit_no=bill.visit_no,
        bill_no=bill.bill_no,
        currency=bill.currency,
        due_minor=bill.refund_due_minor,
        since=since,
        unclaimed=now - since > timedelta(seconds=settings.UNCLAIMED_AFTER_SECONDS),
        transaction_id=wish.pk,
        his_no=wish.his_no,
        cash=tuple(told.get(bill.pk, ())),
        person=_person(moves),
    )


def _person(wishes: Sequence[Transaction]) -> str:
    """The masked name on the latest wish that has one."""
    for wish in reversed(wishes):
        if body := wish_body(wish):
            return masked_name(str((body.get("person") or {}).get("name") or ""))
    return ""
