"""Answers: the latest verdict, or `pending`, stored before it is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.bulk import rows_insert
from core.errors import NotFound
from core.ids import uuid7
from exchange.models import Transaction, Verdict
from exchange.selectors.transactions import answers_of
from exchange.states import VerdictWord
from exchange.verdicts import verdict_body, verdict_word


def answers_give(*, organisation_id: int, his_nos: Sequence[str], now: datetime) -> list[dict[str, Any] | Exception]:
    """What each transaction's hospital is told now, in order; NotFound in the place of one it does not have.

    A transaction without a verdict of its present state is told `pending`, and that is stored first.
    """
    rows = {
        row.his_no: row
        for row in Transaction.objects.filter(organisation_id=organisation_id, his_no__in=his_nos).select_related(
            "interface__insurer"
        )
    }
    known = answers_of([row.pk for row in rows.values()])
    fresh: list[Verdict] = []
    for row in rows.values():
        told = known.get(row.pk)
        # What was told last may be newer than the row: a final verdict that was just committed stands.
        stale = told is None or (told["verdict"] == VerdictWord.PENDING and told["state"] != row.state)
        if stale and verdict_word(row) == VerdictWord.PENDING:
            known[row.pk] = _body(row)
            fresh.append(_pending(row, known[row.pk], now=now))
    # Two readers may store the same `pending` at once: equal verdicts once.
    rows_insert(fresh, skip_existing=True)
    return [
        known[rows[his_no].pk] if his_no in rows else NotFound(noun="transaction", noun_zh="交易", key=his_no)
        for his_no in his_nos
    ]


def _pending(row: Transaction, body: dict[str, Any], *, now: datetime) -> Verdict:
    return Verdict(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        version=row.version,
        verdict=VerdictWord.PENDING,
        body=body,
        at=now,
    )


def _body(row: Transaction) -> dict[str, Any]:
    """`pending`: nothing is live or paid for this wish yet, so its bill is not square if money is at stake."""
    call = row.calls.order_by("-armed_at").values_list("msgid", flat=True).first()
    return verdict_body(
        row,
        interface_code=row.interface.code,
        insurer_code=row.interface.insurer.code,
        msgid=call or "",
        square=row.bill_id is None,
    )
