"""A wish arrives: the transaction and its first job are committed, or the caller learns why not. Nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from core.bulk import rows_insert_new
from core.clock import local_day
from core.crypto import organisation_month_scope, seal
from core.errors import Conflict, Problem
from core.ids import uuid7
from exchange.kinds import SEND
from exchange.models import IdempotencyKey, Transaction
from exchange.persons import person_index_of
from exchange.selectors.routing import RouteRule, route_find
from exchange.selectors.transactions import (
    BillWish,
    Known,
    KnownWish,
    answers_of,
    body_context,
    known_of,
    money_wishes_of_bills,
)
from exchange.states import OPEN, OPERATION_CLASSES, OperationClass, TransactionState
from journal.services import JobDraft, jobs_add

RACES = 5


class KeyReused(Problem):
    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key belongs to another request"
    detail = "Idempotency-Key {key} was used for {his_no} with another body."
    detail_zh = "Idempotency-Key {key} 已用于 {his_no} 的另一请求。"
    fix = "Use a new key for every new request; repeat a request with its own key and the same body."
    fix_zh = "每个新请求请使用新的 Idempotency-Key；重发时请使用原来的 Idempotency-Key 和原请求内容。"


class HisNoReused(Conflict):
    code = "his_no_reused"
    title = "This his_no belongs to another wish"
    detail = "{his_no} exists with another body; its current verdict is in `transaction`."
    detail_zh = "{his_no} 已存在且内容不同，其当前结果见 transaction。"
    fix = (
        "If you meant to repeat, take the verdict in `transaction`. "
        "A his_no names one wish for ever: a new wish needs a new one."
    )
    fix_zh = "如果只是重发，请以 transaction 中的结果为准。一个 his_no 永远只对应一笔交易，新交易请使用新的 his_no。"


class BillBusy(Conflict):
    code = "bill_has_open_wish"
    title = "Another wish for this bill is under way"
    detail = "{other} for this bill has not ended; it is in `transaction`."
    detail_zh = "该账单的交易 {other} 尚未结束，详见 transaction。"
    fix = "Wait for its verdict. Do not settle the bill a second time."
    fix_zh = "请等待该交易的结果，不要对同一账单再次结算。"


class BillSettled(Conflict):
    code = "bill_already_settled"
    title = "This bill is settled already"
    detail = "{other} settled this bill; it is in `transaction`."
    detail_zh = "该账单已由 {other} 结算，详见 transaction。"
    fix = "To settle a further part of the bill, name a bill.batch_no that is not settled yet."
    fix_zh = "如需结算该账单的其他部分，请填写尚未结算的 bill.batch_no。"


@dataclass(frozen=True, slots=True, kw_only=True)
class WishDraft:
    """A validated request. `body` is canonical: defaults filled in, without wait_seconds. Amounts in minor units."""

    organisation_id: int
    by: str
    idempotency_key: str
    his_no: str
    operation: str
    scheme: str
    region: str
    visit_no: str
    bill_no: str
    batch_no: str
    inpatient: bool
    total_minor: int | None
    currency: str
    body: Mapping[str, Any]
    digest: bytes
    trace_id: str


@dataclass(slots=True)
class Received:
    """What became of a draft: a transaction that exists now (`replayed` when it did before), or a problem."""

    transaction_id: UUID | None = None
    his_no: str = ""
    replayed: bool = False
    problem: Problem | None = None


@dataclass(slots=True)
class _Batch:
    drafts: Sequence[WishDraft]
    now: datetime
    results: list[Received] = field(default_factory=list)
    fresh: list[tuple[Transaction, RouteRule]] = field(default_factory=list)
    claims: list[IdempotencyKey] = field(default_factory=list)


class _Raced(Exception):
    """Another process wrote one of our keys between our look and our insert: look again."""


def transactions_receive(*, drafts: Sequence[WishDraft], now: datetime) -> list[Received]:
    """Store wishes of one or more organisations in one commit; results in the order of `drafts`.

    The caller has said whom it sees (core.row_security). Refusals write nothing, replays at most their
    key. Raises the database's error when the commit is not confirmed: then nobody knows, and the same request
    finds out.
    """
    for _ in range(RACES):
        try:
            with transaction.atomic():
                return _receive(_Batch(drafts, now))
        except _Raced:
            continue
    raise RuntimeError(f"{RACES} races in a row over the same keys")


def _receive(batch: _Batch) -> list[Received]:
    known = known_of(
        organisation_ids={draft.organisation_id for draft in batch.drafts},
        his_nos=[draft.his_no for draft in batch.drafts],
        keys=[draft.idempotency_key for draft in batch.drafts],
    )
    looks = [_look(draft, batch, known) for draft in batch.drafts]
    # Only what may be admitted makes a bill: a refusal leaves nothing behind.
    admissible = [draft for draft, look in zip(batch.drafts, looks, strict=True) if isinstance(look, _Way)]
    bills, known_bills = _bills_lock(admissible, now=batch.now)
    wishes = money_wishes_of_bills(known_bills)
    for draft, look in zip(batch.drafts, looks, strict=True):
        if isinstance(look, Received):
            batch.results.append(look)
            continue
        try:
            received = _replay(draft, batch, known) or _admit(draft, look, batch, bills, known, wishes)
        except Problem as problem:
            received = Received(problem=problem)
        batch.results.append(received)
    _write(batch)
    return batch.results


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a new wish would go."""

    person_index: bytes
    rule: RouteRule


def _look(draft: WishDraft, batch: _Batch, known: Known) -> Received | _Way:
    """What can be said of a draft before any lock: it was here before, it goes nowhere, or its way."""
    try:
        replay = _replay(draft, batch, known)
        if replay is not None:
            return replay
        index = person_index_of(draft.body["person"], now=batch.now)
        day = local_day(batch.now)
        return _Way(index, route_find(scheme=draft.scheme, region=draft.region, person_index=index, on=day))
    except Problem as problem:
        return Received(problem=problem)


BILLS = """
INSERT INTO exchange_bill (id, organisation_id, visit_no, bill_no, currency, requests, created_at)
SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::integer[], %s::timestamptz[])
ON CONFLICT (organisation_id, visit_no, bill_no) DO UPDATE SET requests = exchange_bill.requests + 1
RETURNING id, organisation_id, visit_no, bill_no, requests
"""
BillKey = tuple[int, str, str]


def _bills_lock(drafts: Sequence[WishDraft], *, now: datetime) -> tuple[dict[BillKey, UUID], list[UUID]]:
    """The bills of all money wishes, made where missing, locked in key order until the commit.

    The second part names those that were there before: only they can have wishes.
    """
    keys = {
        (draft.organisation_id, draft.visit_no, draft.bill_no): draft.currency
        for draft in drafts
        if OPERATION_CLASSES[draft.operation] == OperationClass.MOVES
    }
    if not keys:
        return {}, []
    ordered = sorted(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            BILLS,
            [
                [uuid7(now) for _ in ordered],
                [key[0] for key in ordered],
                [key[1] for key in ordered],
                [key[2] for key in ordered],
                [keys[key] for key in ordered],
                [1 for _ in ordered],
                [now for _ in ordered],
            ],
        )
        rows = cursor.fetchall()
    return {(row[1], row[2], row[3]): row[0] for row in rows}, [row[0] for row in rows if row[4] > 1]


def _replay(draft: WishDraft, batch: _Batch, known: Known) -> Received | None:
    """The answer to a request that was here before, None for a new one. Raises KeyReused, HisNoReused.

    A new key for a known wish belongs to that wish from now on.
    """
    claim = known.keys.get((draft.organisation_id, draft.idempotency_key))
    if claim is not None:
        if claim.digest != draft.digest:
            raise KeyReused(key=draft.idempotency_key, his_no=claim.his_no)
        return Received(claim.id, claim.his_no, replayed=True)
    existing = known.wishes.get((draft.organisation_id, draft.his_no))
    if existing is None:
        return None
    if existing.digest != draft.digest:
        raise HisNoReused(extra={"transaction": _shown(existing)}, his_no=draft.his_no)
    _claim(draft, existing, batch, known)
    return Received(existing.id, existing.his_no, replayed=True)


def _admit(
    draft: WishDraft,
    way: _Way,
    batch: _Batch,
    bills: dict[BillKey, UUID],
    known: Known,
    wishes: dict[UUID, list[BillWish]],
) -> Received:
    """A new transaction, not yet written. Raises BillBusy, BillSettled, _Raced."""
    now, rule = batch.now, way.rule
    bill_id = bills.get((draft.organisation_id, draft.visit_no, draft.bill_no))
    if OPERATION_CLASSES[draft.operation] != OperationClass.MOVES:
        bill_id = None
    if bill_id is not None:
        _guard(draft, wishes.setdefault(bill_id, []))
    transaction_id = uuid7(now)
    scope = organisation_month_scope(organisation_id=draft.organisation_id, now=now)
    row = Transaction(
        id=transaction_id,
        organisation_id=draft.organisation_id,
        his_no=draft.his_no,
        operation=draft.operation,
        operation_class=OPERATION_CLASSES[draft.operation],
        interface_id=rule.interface_id,
        bill_id=bill_id,
        batch_no=draft.batch_no,
        inpatient=draft.inpatient,
        person_index=way.person_index,
        body_digest=draft.digest,
        sealed_body=seal(
            json.dumps(draft.body, ensure_ascii=False, separators=(",", ":")).encode(),
            scope=scope,
            organisation_id=draft.organisation_id,
            context=body_context(transaction_id),
            now=now,
        ),
        total_minor=draft.total_minor,
        currency=draft.currency,
        received_at=now,
        state_at=now,
        state_by=draft.by,
        trace_id=draft.trace_id,
    )
    # Later drafts of this batch meet this one as if it were stored.
    if bill_id is not None:
        wishes[bill_id].append(BillWish(row.id, row.his_no, row.state, row.batch_no, row.total_minor or 0))
    stored = KnownWish(row.id, row.his_no, draft.digest, row.state)
    known.wishes[draft.organisation_id, draft.his_no] = stored
    _claim(draft, stored, batch, known)
    batch.fresh.append((row, rule))
    return Received(transaction_id, draft.his_no)


def _claim(draft: WishDraft, wish: KnownWish, batch: _Batch, known: Known) -> None:
    """The request's key belongs to `wish`."""
    claim = IdempotencyKey(
        organisation_id=draft.organisation_id,
        key=draft.idempotency_key,
        digest=draft.digest,
        transaction_id=wish.id,
        created_at=batch.now,
    )
    batch.claims.append(claim)
    known.keys[draft.organisation_id, draft.idempotency_key] = wish


def _guard(draft: WishDraft, wishes: list[BillWish]) -> None:
    """At most one open money wish on a bill, and at most one live settlement per batch_no. The bill is locked."""
    for other in wishes:
        if other.his_no == draft.his_no:
            raise _Raced
        if other.state in OPEN:
            raise BillBusy(extra={"transaction": _shown(other)}, other=other.his_no)
        if other.state == TransactionState.SUCCEEDED and (not draft.batch_no or draft.batch_no == other.batch_no):
            raise BillSettled(extra={"transaction": _shown(other)}, other=other.his_no)


def _shown(other: KnownWish | BillWish) -> dict[str, Any]:
    """The other wish as the hospital may see it; one that was told nothing yet has no stored verdict."""
    return answers_of([other.id]).get(other.id) or {"his_no": other.his_no, "verdict": "pending", "state": other.state}


def _write(batch: _Batch) -> None:
    """Transactions, idempotency claims and first jobs. Raises _Raced when another process was first with a key."""
    if not batch.claims:
        return
    # Everybody inserts in key order: two batches that share keys then wait for each other, never in a circle.
    rows = sorted((row for row, _ in batch.fresh), key=lambda row: (row.organisation_id, row.his_no))
    if len(rows_insert_new(rows, returning="id")) != len(rows):
        raise _Raced
    claims = sorted(batch.claims, key=lambda claim: (claim.organisation_id, claim.key))
    if len(rows_insert_new(claims, returning="key")) != len(claims):
        raise _Raced
    jobs_add(
        drafts=[
            JobDraft(
                kind=SEND,
                lane_id=rule.lane_id,
                organisation_id=row.organisation_id,
                subject_id=row.id,
                run_at=batch.now,
                trace_id=row.trace_id,
            )
            for row, rule in batch.fresh
        ],
        now=batch.now,
    )
