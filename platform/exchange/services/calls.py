"""Calls are stored before they are sent: build, seal, store; and their outcomes are written once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from core.bulk import rows_insert
from core.crypto import organisation_month_scope, seal, unseal
from core.ids import uuid7
from exchange.dialects import DIALECTS
from exchange.doubt import ACTS, Try
from exchange.envelopes import ENVELOPES
from exchange.messages import PLATFORM_CODE, Facts, Original, Outbound, Reply, Wish
from exchange.models import Call, Transaction
from exchange.selectors.interfaces import Interface
from exchange.selectors.transactions import body_context
from exchange.states import CallKind, OperationClass
from exchange.transport import Delivery


@dataclass(frozen=True, slots=True)
class CallDraft:
    """One message to be: for `row`, or about its act `original`. `seconds` is its total time."""

    row: Transaction
    interface: Interface
    kind: CallKind
    wish: Wish
    seconds: float
    original: Original | None = None


@dataclass(frozen=True, slots=True)
class Armed:
    """A Call that is committed together with this value's owner and may then be sent, once, by this process."""

    call_id: UUID
    transaction_id: UUID
    organisation_id: int
    interface_id: int
    kind: CallKind
    wish: Wish
    original: Original | None
    facts: Facts
    armed_at: datetime
    deadline: datetime
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one call brought: the reply in our words, and what is kept of the wire."""

    call_id: UUID
    transaction_id: UUID
    interface_id: int
    kind: CallKind
    msgid: str
    armed_at: datetime
    reply: Reply
    http_status: int | None
    elapsed_ms: int
    sealed_answer: bytes | None


def calls_arm(drafts: Sequence[CallDraft], *, now: datetime, monotonic_now: float) -> list[Armed]:
    """Store a Call for each draft; what is returned may be sent once the commit is confirmed.

    `monotonic_now` was read before the surrounding transaction began, so that the fence `send_before` is never later
    than the database thinks. Raises whatever building a message raised.
    """
    if not drafts:
        return []
    send_before = now + timedelta(seconds=settings.SEND_WITHIN_SECONDS)
    calls: list[Call] = []
    armed: list[Armed] = []
    for draft, msgid in zip(drafts, _msgids(len(drafts)), strict=True):
        row, interface = draft.row, draft.interface
        not_after = send_before + timedelta(seconds=interface.number("accept_window_seconds"))
        message = DIALECTS[interface.dialect].build(
            draft.kind, draft.wish, msgid=msgid, not_after=not_after, original=draft.original
        )
        facts = Facts(PLATFORM_CODE, interface.code, msgid, row.his_no, message.path, now)
        headers = _sealed(interface, message, facts)
        call = Call(
            id=uuid7(now),
            organisation_id=row.organisation_id,
            transaction_id=row.pk,
            interface_id=interface.id,
            kind=draft.kind,
            msgid=msgid,
            armed_at=now,
            send_before=send_before,
            not_after=not_after,
            deadline=now + timedelta(seconds=draft.seconds),
        )
        call.sealed_request = message_sealed(call, headers, message.body, field="request", now=now)
        calls.append(call)
        delivery = Delivery(
            url=interface.base_url + message.path,
            headers=headers,
            body=message.body,
            start_before=monotonic_now + settings.SEND_WITHIN_SECONDS,
            give_up_at=monotonic_now + draft.seconds,
        )
        armed.append(
            Armed(
                call.id,
                row.pk,
                row.organisation_id,
                interface.id,
                draft.kind,
                draft.wish,
                draft.original,
                facts,
                now,
                call.deadline,
                delivery,
            )
        )
    rows_insert(calls)
    return armed


def deadline_seconds(row: Transaction) -> float:
    """Total time of the one sending of this wish, in seconds."""
    name = "settle_inpatient" if row.operation == "settle" and row.inpatient else row.operation
    return float(settings.DEADLINE_SECONDS[name])


def wishes_of(rows: Iterable[Transaction]) -> dict[UUID, Wish]:
    """The transactions as a dialect sees them, bodies opened. A cancel speaks of its original's person and total."""
    rows = list(rows)
    wanted = [row.of_id for row in rows if row.operation_class == OperationClass.UNDOES and row.of_id is not None]
    originals = {row.pk: row for row in Transaction.objects.filter(pk__in=wanted)} if wanted else {}
    return {row.pk: _wish(row, originals.get(row.of_id or row.pk, row)) for row in rows}


def _wish(row: Transaction, spoken_of: Transaction) -> Wish:
    return Wish(
        his_no=row.his_no,
        hospital_code=row.hospital_code,
        operation=row.operation,
        total_minor=spoken_of.total_minor,
        currency=spoken_of.currency,
        body=json.loads(unseal(spoken_of.sealed_body, context=body_context(spoken_of.pk))),
    )


def tries_of(transaction_ids: Iterable[UUID]) -> dict[UUID, list[Try]]:
    """What was tried so far for each transaction, oldest first."""
    found: dict[UUID, list[Try]] = {one: [] for one in transaction_ids}
    calls = Call.objects.filter(transaction_id__in=list(found)).order_by("armed_at", "msgid")
    columns = ("kind", "outcome", "outcome_reason", "armed_at", "deadline", "outcome_at", "msgid")
    for transaction_id, *values in calls.values_list("transaction_id", *columns):
        found[transaction_id].append(Try(*values))
    return found


def originals_of(rows: Iterable[Transaction]) -> dict[UUID, Original]:
    """What a cancel undoes: the act of its settled transaction."""
    by_of = {row.of_id: row.pk for row in rows if row.of_id is not None}
    calls = Call.objects.filter(transaction_id__in=by_of, kind__in=ACTS)
    columns = ("transaction_id", "msgid", "transaction__settlement_no")
    return {
        by_of[of_id]: Original(CallKind.SETTLE, msgid, number) for of_id, msgid, number in calls.values_list(*columns)
    }


def message_sealed(call: Call, headers: dict[str, str], body: bytes, *, field: str, now: datetime) -> bytes:
    """Headers and raw body of one direction, encrypted under the hospital's key of the month."""
    return seal(
        json.dumps(headers).encode() + b"\n" + body,
        scope=organisation_month_scope(organisation_id=call.organisation_id, now=now),
        organisation_id=call.organisation_id,
        context=f"call:{call.pk}:{field}",
        now=now,
    )


OUTCOMES = """
UPDATE exchange_call call SET outcome = new.outcome, outcome_at = new.at, outcome_reason = new.reason,
    http_status = new.http_status, elapsed_ms = new.elapsed_ms, sealed_answer = new.answer
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::integer[], %s::integer[], %s::bytea[])
    AS new (id, outcome, at, reason, http_status, elapsed_ms, answer)
WHERE call.id = new.id AND call.outcome IS NULL RETURNING call.id
"""


def outcomes_write(results: Sequence[CallResult], *, now: datetime) -> set[UUID]:
    """Write each outcome where none stands yet; returns the calls that had none."""
    with connection.cursor() as cursor:
        cursor.execute(
            OUTCOMES,
            [
                [result.call_id for result in results],
                [str(result.reply.outcome) for result in results],
                [now for _ in results],
                [reason_text(result.reply) for result in results],
                [result.http_status for result in results],
                [result.elapsed_ms for result in results],
                [result.sealed_answer for result in results],
            ],
        )
        return {row[0] for row in cursor.fetchall()}


def reason_text(reply: Reply) -> str:
    """`code` or `code:explanation`; of a query that found something, what is held."""
    code = f"held_{reply.held}" if reply.held else reply.reason_code
    return f"{code}:{reply.explanation}" if reply.explanation else code


def _sealed(interface: Interface, message: Outbound, facts: Facts) -> dict[str, str]:
    key_id, secret = interface.keys[0]
    return ENVELOPES[interface.envelope].seal(message.body, facts=facts, key_id=key_id, secret=secret)


def _msgids(count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('exchange_msgid') FROM generate_series(1, %s)", [count])
        return [f"MS{row[0]:016d}" for row in cursor.fetchall()]
