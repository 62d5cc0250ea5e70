"""Transactions, their current answers, and the middleware log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from core.errors import NotFound
from exchange.models import Evidence, IdempotencyKey, Transaction, Verdict
from exchange.states import OperationClass


def by_his_no(keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Transaction]:
    """Transactions by (organisation id, his_no), among those the caller sees."""
    rows = Transaction.objects.filter(organisation_id__in={key[0] for key in keys}, his_no__in={key[1] for key in keys})
    return {(row.organisation_id, row.his_no): row for row in rows}


def by_idempotency_key(keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], IdempotencyKey]:
    rows = IdempotencyKey.objects.filter(
        organisation_id__in={key[0] for key in keys}, key__in={key[1] for key in keys}
    ).select_related("transaction")
    return {(row.organisation_id, row.key): row for row in rows}


def money_wishes_of_bills(bill_ids: Iterable[UUID]) -> dict[UUID, list[Transaction]]:
    """The MOVES wishes of each bill."""
    wishes: dict[UUID, list[Transaction]] = defaultdict(list)
    for row in Transaction.objects.filter(bill_id__in=list(bill_ids), operation_class=OperationClass.MOVES):
        if row.bill_id is not None:
            wishes[row.bill_id].append(row)
    return wishes


def transaction_of(*, organisation_ids: Sequence[int], his_no: str) -> Transaction:
    """One transaction by its natural key. Raises NotFound, also where it belongs to somebody else."""
    row = Transaction.objects.filter(organisation_id__in=organisation_ids, his_no=his_no).first()
    if row is None:
        raise NotFound(noun="transaction", key=his_no)
    return row


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
