"""Answers: the latest verdict, or `pending`, stored before it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from core.bulk import rows_insert
from core.errors import NotFound
from core.ids import uuid7
from core.transitions import write_many
from exchange.bills import CashView
from exchange.locks import Locked
from exchange.models import Call, Resettlement, Transaction, Verdict
from exchange.selectors.bills import cash_views_of
from exchange.selectors.interfaces import facts_of
from exchange.selectors.transactions import answers_of
from exchange.states import CallKind, VerdictWord
from exchange.verdicts import verdict_body, verdict_word

ACTS = (CallKind.SETTLE, CallKind.CANCEL, CallKind.PRESETTLE, CallKind.ELIGIBILITY)


def answers_give(*, organisation_id: int, his_nos: Sequence[str], now: datetime) -> list[dict[str, Any] | Exception]:
    """What each transaction's hospital is told now, in order; NotFound in the place of one it does not have.

    A transaction without a verdict of its present state is told `pending`, and that is stored first.
    """
    rows = {row.his_no: row for row in Transaction.objects.filter(organisation_id=organisation_id, his_no__in=his_nos)}
    known = answers_of([row.pk for row in rows.values()])
    stale = [row for row in rows.values() if _stale(row, known.get(row.pk))]
    if stale:
        views, msgids = cash_views_of(stale), msgids_of([row.pk for row in stale])
        for row in stale:
            known[row.pk] = _body(row, views.get(row.pk, CashView()), msgids.get(row.pk, ""))
        # Two readers may store the same `pending` at once: equal verdicts once.
        rows_insert([_verdict(row, known[row.pk], now=now) for row in stale], skip_existing=True)
    return [
        known[rows[his_no].pk] if his_no in rows else NotFound(noun="transaction", noun_zh="交易", key=his_no)
        for his_no in his_nos
    ]


def _stale(row: Transaction, told: dict[str, Any] | None) -> bool:
    """What was told last may be newer than the row: a final verdict that was just committed stands."""
    outdated = told is None or (told["verdict"] == VerdictWord.PENDING and told["state"] != row.state)
    return outdated and verdict_word(row) == VerdictWord.PENDING


def verdicts_write(changed: Mapping[UUID, str], *, locked: Locked, now: datetime) -> None:
    """Verdicts of the transactions that were `changed` (id -> msgid), but `pending`, which is told when somebody asks.

    Wishes of the same bills whose cash view changed with them are told anew too.
    """
    after: dict[UUID, CashView] = {}
    for bill_id in {locked.rows[one].bill_id for one in changed}:
        if bill_id is not None:
            after |= locked.views(bill_id)
    others = [
        locked.rows[pk]
        for pk, view in locked.before.items()
        if pk not in changed and pk in after and after[pk] != view and locked.rows[pk].told
    ]
    write_many(others, fields=["state"])
    told = [locked.rows[pk] for pk in changed if locked.rows[pk].told]
    without = [row.pk for row in (*told, *others) if not changed.get(row.pk)]
    msgids = {**dict(changed), **(msgids_of(without) if without else {})}
    rows_insert(
        [
            _verdict(row, _body(row, after.get(row.pk, CashView()), msgids.get(row.pk, ""), locked=locked), now=now)
            for row in (*told, *others)
        ]
    )


def msgids_of(transaction_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The message that carried each wish, where one was armed."""
    calls = Call.objects.filter(transaction_id__in=transaction_ids, kind__in=ACTS)
    return dict(calls.values_list("transaction_id", "msgid"))


def _verdict(row: Transaction, body: dict[str, Any], *, now: datetime) -> Verdict:
    return Verdict(
        id=uuid7(now),
        organisation_id=row.organisation_id,
        transaction_id=row.pk,
        version=row.version,
        verdict=body["verdict"],
        body=body,
        at=now,
    )


def _body(row: Transaction, cash: CashView, msgid: str, *, locked: Locked | None = None) -> dict[str, Any]:
    facts = None if row.interface_id is None else facts_of(row.interface_id)
    return verdict_body(
        row,
        interface_code=facts.code if facts else None,
        insurer_code=facts.insurer_code if facts else None,
        msgid=msgid,
        cash=cash,
        cash_difference_minor=_cash_difference(row, locked),
    )


def _cash_difference(row: Transaction, locked: Locked | None) -> int | None:
    """Of a fee that was settled anew for its rest: the new own share less the old one."""
    if "~" not in row.his_no or row.cash_minor is None or row.replaces_id is None or locked is None:
        return None
    if not Resettlement.objects.filter(rest_id=row.pk).exists():
        return None
    return row.cash_minor - (locked.rows[row.replaces_id].cash_minor or 0)
