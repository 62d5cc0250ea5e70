"""Storing a wish: the same checks and rows as `exchange.services.receive`, one row at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.services import KeyHolder
from core.clock import database_now
from core.crypto import organisation_month_scope, seal
from core.errors import Conflict
from core.ids import uuid7
from exchange.kinds import SEND
from exchange.models import Bill, IdempotencyKey, Transaction
from exchange.persons import person_index_of
from exchange.selectors.routing import RouteRule, route_find
from exchange.selectors.transactions import answers_of, body_context
from exchange.services.guards import BillBusy, BillSettled
from exchange.services.receive import HisNoReused, KeyReused
from exchange.states import OPEN, OPERATION_CLASSES, OperationClass, TransactionState
from journal.handlers import FIRST_SEND
from journal.models import Job


def wish_receive(
    *, holder: KeyHolder, key: str, wish: Mapping[str, Any], raw: Mapping[str, Any], trace_id: str
) -> tuple[Transaction, dict[str, Any] | None]:
    """The stored transaction; with its present answer if it was known. Needs a transaction of the database.

    Raises KeyReused, HisNoReused, BillBusy, BillSettled, NoRoute.
    """
    now = database_now()
    kept = {name: value for name, value in raw.items() if name != "wait_seconds"}
    body = json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).digest()
    known = _known(holder.organisation_id, key, wish["his_no"], digest)
    if known is not None:
        answer = answers_of([known.pk]).get(known.pk)
        return known, answer or {"his_no": known.his_no, "verdict": "pending", "state": known.state}
    index = person_index_of(wish["person"], now=now)
    insurance = wish["insurance"]
    rule = route_find(
        scheme=insurance["scheme"], region=insurance.get("region") or "", person_index=index, on=now.date()
    )
    bill = _bill_locked(holder.organisation_id, wish, now)
    if bill is not None:
        _guard(bill, (wish.get("bill") or {}).get("batch_no") or "")
    row = _transaction(holder, wish, rule, bill, index, body, digest, trace_id, now)
    IdempotencyKey.objects.create(
        organisation_id=holder.organisation_id, key=key, digest=digest, transaction=row, created_at=now
    )
    Job.objects.create(
        id=uuid7(now),
        kind=SEND,
        lane_id=rule.lane_id,
        organisation_id=holder.organisation_id,
        subject_id=row.pk,
        priority=FIRST_SEND,
        run_at=now,
        trace_id=trace_id,
        created_at=now,
    )
    return row, None


def _known(organisation_id: int, key: str, his_no: str, digest: bytes) -> Transaction | None:
    claim = (
        IdempotencyKey.objects.filter(organisation_id=organisation_id, key=key).select_related("transaction").first()
    )
    if claim is not None and claim.transaction is not None:
        if bytes(claim.digest) != digest:
            raise KeyReused(key=key, his_no=claim.transaction.his_no)
        return claim.transaction
    existing = Transaction.objects.filter(organisation_id=organisation_id, his_no=his_no).first()
    if existing is not None and bytes(existing.body_digest) != digest:
        raise HisNoReused(his_no=his_no)
    return existing


def _bill_locked(organisation_id: int, wish: Mapping[str, Any], now: datetime) -> Bill | None:
    if OPERATION_CLASSES[wish["operation"]] != OperationClass.MOVES:
        return None
    names = {
        "organisation_id": organisation_id,
        "visit_no": wish["visit"]["visit_no"],
        "bill_no": (wish.get("bill") or {}).get("bill_no") or "",
    }
    # A row that this very transaction has made needs no lock of its own.
    bill = Bill.objects.select_for_update(no_key=True).filter(**names).first()
    return bill or Bill.objects.create(id=uuid7(now), currency=wish["currency"], created_at=now, **names)


def _guard(bill: Bill, batch_no: str) -> None:
    for other in Transaction.objects.filter(bill=bill, operation_class=OperationClass.MOVES):
        refusal: type[Conflict] | None = None
        if other.state in OPEN:
            refusal = BillBusy
        elif other.state == TransactionState.SUCCEEDED and (not batch_no or batch_no == other.batch_no):
            refusal = BillSettled
        if refusal is not None:
            raise refusal(other=other.his_no)


def _transaction(
    holder: KeyHolder,
    wish: Mapping[str, Any],
    rule: RouteRule,
    bill: Bill | None,
    index: bytes,
    body: bytes,
    digest: bytes,
    trace_id: str,
    now: datetime,
) -> Transaction:
    transaction_id = uuid7(now)
    return Transaction.objects.create(
        id=transaction_id,
        organisation_id=holder.organisation_id,
        his_no=wish["his_no"],
        operation=wish["operation"],
        operation_class=OPERATION_CLASSES[wish["operation"]],
        interface_id=rule.interface_id,
        bill=bill,
        batch_no=(wish.get("bill") or {}).get("batch_no") or "",
        inpatient=wish["visit"].get("kind") == "inpatient",
        person_index=index,
        body_digest=digest,
        sealed_body=seal(
            body,
            scope=organisation_month_scope(organisation_id=holder.organisation_id, now=now),
            organisation_id=holder.organisation_id,
            context=body_context(transaction_id),
            now=now,
        ),
        total_minor=wish.get("total_minor"),
        currency=wish["currency"],
        received_at=now,
        state_at=now,
        state_by=holder.actor,
        trace_id=trace_id,
    )
