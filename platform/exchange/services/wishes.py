"""A wish in the making: what was asked, what is known of it under the locks, and the row that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.crypto import organisation_month_scope, seal
from core.errors import Problem
from core.ids import uuid7
from exchange.locks import BillKey
from exchange.models import IdempotencyKey, Resettlement, Transaction
from exchange.selectors.transactions import BillWish, Known, KnownWish, body_context
from exchange.services.guards import ReferenceUnknown
from exchange.services.tombstones import CashMove, LateWish
from exchange.states import OPERATION_CLASSES, OperationClass

REST = "~2"  # Behind the his_no of a resettle: its second half.


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
    of: str = ""
    replaces: str = ""
    retry_of: str = ""
    presettle_of: str = ""
    expect_cash_minor: int | None = None
    operator_no: str = ""
    shift_no: str = ""

    @property
    def operation_class(self) -> OperationClass:
        return OPERATION_CLASSES[self.operation]

    @property
    def answered_as(self) -> str:
        """The his_no whose verdict answers this request: of a resettle, that of its second half."""
        return f"{self.his_no}{REST}" if self.operation == "resettle" else self.his_no


@dataclass(slots=True)
class Received:
    """What became of a draft: a transaction that exists now (`replayed` when it did before), or a problem."""

    transaction_id: UUID | None = None
    his_no: str = ""
    replayed: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """Where a new wish would go, and the bill that it locks: (organisation, visit_no, bill_no)."""

    person_index: bytes
    interface_id: int | None  # None: the insurers are asked first.
    lane_id: int
    bill: BillKey | None


@dataclass(slots=True)
class Batch:
    """Wishes that share a commit. What stands here is written at its end: `fresh` with the lane of its first job,
    `waiting` without one.
    """

    drafts: Sequence[WishDraft]
    now: datetime
    known: Known
    bills: dict[BillKey, UUID] = field(default_factory=dict)
    currencies: dict[UUID, str] = field(default_factory=dict)
    wishes: dict[UUID, list[BillWish]] = field(default_factory=dict)
    results: list[Received] = field(default_factory=list)
    fresh: list[tuple[Transaction, int]] = field(default_factory=list)
    waiting: list[Transaction] = field(default_factory=list)
    sagas: list[Resettlement] = field(default_factory=list)
    claims: list[IdempotencyKey] = field(default_factory=list)
    fills: list[LateWish] = field(default_factory=list)
    moves: list[CashMove] = field(default_factory=list)


class Raced(Exception):
    """Another process wrote one of our keys between our look and our insert: look again."""


def wish_row(
    draft: WishDraft, way: Way, batch: Batch, *, his_no: str, bill_id: UUID | None, row_id: UUID | None = None
) -> Transaction:
    """The draft as a transaction that is not stored yet, its body sealed. Raises ReferenceUnknown."""
    now = batch.now
    transaction_id = row_id or uuid7(now)

    def named(his_no: str) -> UUID | None:
        found = batch.known.wishes.get((draft.organisation_id, his_no)) if his_no else None
        return found.id if found else None

    if draft.presettle_of and named(draft.presettle_of) is None:
        raise ReferenceUnknown(member="presettle_of", other=draft.presettle_of)
    return Transaction(
        id=transaction_id,
        organisation_id=draft.organisation_id,
        his_no=his_no,
        operation=draft.operation,
        operation_class=draft.operation_class,
        interface_id=way.interface_id,
        bill_id=bill_id,
        batch_no=draft.batch_no,
        replaces_id=named(draft.replaces),
        retry_of_id=named(draft.retry_of),
        presettle_of_id=named(draft.presettle_of),
        expect_cash_minor=draft.expect_cash_minor,
        operator_no=draft.operator_no,
        shift_no=draft.shift_no,
        inpatient=draft.inpatient,
        person_index=way.person_index,
        body_digest=draft.digest,
        sealed_body=seal(
            json.dumps(draft.body, ensure_ascii=False, separators=(",", ":")).encode(),
            scope=organisation_month_scope(organisation_id=draft.organisation_id, now=now),
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


def wish_store(draft: WishDraft, row: Transaction, batch: Batch, wishes: list[BillWish]) -> Received:
    """Later drafts of this batch meet this one as if it were stored."""
    if row.bill_id is not None:
        wishes.append(
            BillWish(
                row.id,
                row.his_no,
                row.operation_class,
                row.state,
                batch.now,
                row.batch_no,
                row.replaces_id or row.retry_of_id,
                row.of_id,
            )
        )
    stored = KnownWish(row.id, row.his_no, draft.digest, row.state, row.bill_id)
    batch.known.wishes[draft.organisation_id, row.his_no] = stored
    wish_claim(draft, stored, batch)
    return Received(row.id, row.his_no)


def wish_claim(draft: WishDraft, wish: KnownWish, batch: Batch) -> None:
    """The request's key belongs to `wish`."""
    claim = IdempotencyKey(
        organisation_id=draft.organisation_id,
        key=draft.idempotency_key,
        digest=draft.digest,
        transaction_id=wish.id,
        created_at=batch.now,
    )
    batch.claims.append(claim)
    batch.known.keys[draft.organisation_id, draft.idempotency_key] = replace(wish, digest=draft.digest)
