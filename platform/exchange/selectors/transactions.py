"""Transactions, their current answers, and the middleware log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from exchange.models import Evidence, Transaction, Verdict


@dataclass(frozen=True, slots=True)
class KnownWish:
    """A wish that is stored, as far as a request is held against it. An empty digest: a tombstone, no wish came yet."""

    id: UUID
    his_no: str
    digest: bytes
    state: str
    bill_id: UUID | None = None
    visit_no: str = ""
    bill_no: str = ""
    interface_id: int | None = None


@dataclass(slots=True)
class Known:
    """What is stored under the names of some requests: by (organisation id, his_no), and by (organisation id, key)."""

    wishes: dict[tuple[int, str], KnownWish] = field(default_factory=dict)
    keys: dict[tuple[int, str], KnownWish] = field(default_factory=dict)


KNOWN = """
SELECT true, wish.organisation_id, his_no, wish.id, his_no, body_digest, state, bill_id, visit_no, bill_no, interface_id
FROM exchange_transaction wish LEFT JOIN exchange_bill bill ON bill.id = bill_id
WHERE wish.organisation_id = ANY (%s) AND his_no = ANY (%s)
UNION ALL
SELECT false, claim.organisation_id, claim.key, wish.id, coalesce(wish.his_no, ''), claim.digest,
    coalesce(wish.state, ''), NULL, NULL, NULL, NULL
FROM exchange_idempotencykey claim LEFT JOIN exchange_transaction wish ON wish.id = claim.transaction_id
WHERE claim.organisation_id = ANY (%s) AND claim.key = ANY (%s)
"""


def known_of(*, organisation_ids: Iterable[int], his_nos: Iterable[str], keys: Iterable[str]) -> Known:
    """What the caller sees under these names. The digest of a key is that of the body it came with."""
    ids, known = list(organisation_ids), Known()
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [ids, list(his_nos), ids, list(keys)])
        for by_his_no, organisation_id, name, transaction_id, his_no, digest, state, *place in cursor.fetchall():
            found = KnownWish(transaction_id, his_no, bytes(digest), state, *place)
            (known.wishes if by_his_no else known.keys)[organisation_id, name] = found
    return known


@dataclass(frozen=True, slots=True)
class BillWish:
    """A wish that moves or undoes money, as its bill sees it."""

    id: UUID
    his_no: str
    operation_class: str
    state: str
    state_at: datetime
    batch_no: str
    follows: UUID | None = None
    of: UUID | None = None
    service_cancelled: bool = False


def wishes_of_bills(bill_ids: Iterable[UUID]) -> dict[UUID, list[BillWish]]:
    """The wishes of each bill in order of arrival."""
    wishes: dict[UUID, list[BillWish]] = defaultdict(list)
    ids = list(bill_ids)
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT bill_id, id, his_no, operation_class, state, state_at, batch_no, "
                "coalesce(replaces_id, retry_of_id), of_id, service_cancelled_at IS NOT NULL "
                "FROM exchange_transaction WHERE bill_id = ANY (%s) ORDER BY id",
                [ids],
            )
            for bill_id, *columns in cursor.fetchall():
                wishes[bill_id].append(BillWish(*columns))
    return wishes


def body_context(transaction_id: UUID) -> str:
    """What binds a sealed body to its transaction."""
    return f"transaction:{transaction_id}"


def answers_of(transaction_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """The latest stored verdict of each transaction, as the hospital is told it; none where none was given yet.

    Goes through the SECURITY DEFINER function `exchange_latest_verdicts`, which returns verdicts only: the waiters'
    poll asks for many hospitals at once.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT transaction_id, body::text FROM exchange_latest_verdicts(%s)", [list(transaction_ids)])
        return {row[0]: json.loads(row[1]) for row in cursor.fetchall()}


def transactions_visible() -> QuerySet[Transaction]:
    """What the organisations told to row security may see, newest first."""
    return Transaction.objects.select_related("interface__insurer", "bill", "organisation").order_by("-received_at")


def verdicts_of(transaction: Transaction) -> QuerySet[Verdict]:
    return Verdict.objects.filter(transaction=transaction).order_by("at")


def evidence_of(transaction: Transaction) -> QuerySet[Evidence]:
    return Evidence.objects.filter(transaction=transaction).order_by("at")
