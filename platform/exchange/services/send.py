"""Arming: build and seal the Call, store it, and only then let it go. What cannot or must not be sent ends NOT_SENT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from core.bulk import rows_insert
from core.crypto import organisation_month_scope, seal, unseal
from core.ids import uuid7
from core.transitions import write_many
from exchange.breaker import Breaker
from exchange.dialects import DIALECTS
from exchange.envelopes import ENVELOPES
from exchange.locks import transactions_lock
from exchange.messages import PLATFORM_CODE, Facts, Outbound, Wish
from exchange.models import Call, Transaction
from exchange.selectors.interfaces import Interface, interface_of
from exchange.selectors.transactions import body_context
from exchange.services.conclude import Ending, endings_write
from exchange.states import CallKind, TransactionState
from exchange.transport import Delivery

KINDS = {"settle": CallKind.SETTLE, "presettle": CallKind.PRESETTLE, "eligibility": CallKind.ELIGIBILITY}
BY = "exchange"


@dataclass(frozen=True, slots=True)
class Armed:
    """A Call that is committed together with this value's owner and may then be sent, once, by this process."""

    call_id: UUID
    transaction_id: UUID
    organisation_id: int
    interface_id: int
    kind: CallKind
    wish: Wish
    facts: Facts
    deadline: datetime
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not now: the lane is paused and the wish still has patience."""

    transaction_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing is to be sent (any more)."""

    transaction_id: UUID


def transactions_arm(
    *, transaction_ids: Sequence[UUID], now: datetime, monotonic_now: float, breaker: Breaker
) -> list[Armed | Waiting | Ended]:
    """Move RECEIVED transactions to SENDING with their Calls, or end them NOT_SENT; a result for each id.

    `monotonic_now` was read before the surrounding transaction began, so that the fence `send_before` is never later
    than the database thinks. Raises whatever building one of them raised: the caller then goes row by row.
    """
    rows = transactions_lock(transaction_ids)
    results: list[Armed | Waiting | Ended] = []
    to_arm: list[tuple[Transaction, Interface]] = []
    endings: list[Ending] = []
    for transaction_id in transaction_ids:
        row = rows[transaction_id]
        interface = interface_of(row.interface_id)
        if row.state != TransactionState.RECEIVED:
            results.append(Ended(transaction_id))
        elif interface.lane_paused and now < row.received_at + timedelta(seconds=settings.PATIENCE_SECONDS):
            results.append(Waiting(transaction_id, now + timedelta(seconds=1)))
        elif interface.lane_paused or breaker.broken(interface_id=interface.id, now=now):
            code = "lane_paused" if interface.lane_paused else "lane_broken"
            endings.append(Ending.by_our_rule(row, code, now=now))
            results.append(Ended(transaction_id))
        else:
            to_arm.append((row, interface))
    armed = _arm(to_arm, now=now, monotonic_now=monotonic_now)
    endings_write(endings, now=now)
    return [*results, *armed]


def transaction_cannot_be_built(*, transaction_id: UUID, now: datetime) -> None:
    """The one wish of a batch that no message can be made of: NOT_SENT, by the smallest write."""
    for row in transactions_lock([transaction_id]).values():
        if row.state == TransactionState.RECEIVED:
            endings_write([Ending.by_our_rule(row, "could_not_build", now=now)], now=now)


def _arm(pairs: list[tuple[Transaction, Interface]], *, now: datetime, monotonic_now: float) -> list[Armed]:
    if not pairs:
        return []
    msgids = _msgids(len(pairs))
    send_before = now + timedelta(seconds=settings.SEND_WITHIN_SECONDS)
    calls: list[Call] = []
    armed: list[Armed] = []
    for (row, interface), msgid in zip(pairs, msgids, strict=True):
        wish = wish_of(row, hospital_code=row.hospital_code)
        kind = KINDS[row.operation]
        seconds = deadline_seconds(row)
        not_after = send_before + timedelta(seconds=interface.number("accept_window_seconds"))
        message = DIALECTS[interface.dialect].build(kind, wish, msgid=msgid, not_after=not_after)
        facts = Facts(PLATFORM_CODE, interface.code, msgid, row.his_no, message.path, now)
        headers = _sealed(interface, message, facts)
        call = Call(
            id=uuid7(now),
            organisation_id=row.organisation_id,
            transaction_id=row.pk,
            interface_id=interface.id,
            kind=kind,
            msgid=msgid,
            armed_at=now,
            send_before=send_before,
            not_after=not_after,
            deadline=now + timedelta(seconds=seconds),
        )
        call.sealed_request = message_sealed(call, headers, message.body, field="request", now=now)
        calls.append(call)
        row.arm()
        row.moved(now=now, by=BY, reason=msgid)
        delivery = Delivery(
            url=interface.base_url + message.path,
            headers=headers,
            body=message.body,
            start_before=monotonic_now + settings.SEND_WITHIN_SECONDS,
            give_up_at=monotonic_now + seconds,
        )
        armed.append(
            Armed(call.id, row.pk, row.organisation_id, interface.id, kind, wish, facts, call.deadline, delivery)
        )
    rows_insert(calls)
    write_many([row for row, _ in pairs], fields=["state"])
    return armed


def wish_of(row: Transaction, *, hospital_code: str) -> Wish:
    """The transaction as a dialect sees it, its body opened."""
    return Wish(
        his_no=row.his_no,
        hospital_code=hospital_code,
        operation=row.operation,
        total_minor=row.total_minor,
        currency=row.currency,
        body=json.loads(unseal(row.sealed_body, context=body_context(row.pk))),
    )


def deadline_seconds(row: Transaction) -> float:
    """Total time of one call for this wish, in seconds."""
    name = "settle_inpatient" if row.operation == "settle" and row.inpatient else row.operation
    return float(settings.DEADLINE_SECONDS[name])


def message_sealed(call: Call, headers: dict[str, str], body: bytes, *, field: str, now: datetime) -> bytes:
    """Headers and raw body of one direction, encrypted under the hospital's key of the month."""
    return seal(
        json.dumps(headers).encode() + b"\n" + body,
        scope=organisation_month_scope(organisation_id=call.organisation_id, now=now),
        organisation_id=call.organisation_id,
        context=f"call:{call.pk}:{field}",
        now=now,
    )


def _sealed(interface: Interface, message: Outbound, facts: Facts) -> dict[str, str]:
    key_id, secret = interface.keys[0]
    return ENVELOPES[interface.envelope].seal(message.body, facts=facts, key_id=key_id, secret=secret)


def _msgids(count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('exchange_msgid') FROM generate_series(1, %s)", [count])
        return [f"MS{row[0]:016d}" for row in cursor.fetchall()]
