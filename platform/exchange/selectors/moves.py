"""What people may do about a transaction now, and why the rest may not be done: the buttons of the portals.

The services check again under the row lock; this only saves people from trying.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from exchange.models import DeskAct, Refund, Ruling, Transaction
from exchange.selectors.interfaces import facts_of
from exchange.states import OPEN, OperationClass, TransactionState, VerdictWord

S = TransactionState


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides beside the row itself. `waiting` are the desk's acts that lack their second name."""

    refunded: bool = False
    cancelled_by: str = ""
    ruling: Ruling | None = None
    waiting: tuple[DeskAct, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """One act. `why_not` is empty where it may be done now, else a code that the portal has words for."""

    act: str
    why_not: str = ""


def standings_of(rows: Sequence[Transaction]) -> dict[UUID, Standing]:
    """Of many rows in four statements."""
    ids = [row.pk for row in rows]
    refunded = set(Refund.objects.filter(transaction_id__in=ids).values_list("transaction_id", flat=True))
    cancels = Transaction.objects.filter(of_id__in=ids, operation_class=OperationClass.UNDOES, state__in=OPEN)
    cancelling = dict(cancels.values_list("of_id", "his_no"))
    rulings = Ruling.objects.filter(transaction_id__in=ids, closed_at__isnull=True)
    ruling_of = {ruling.transaction_id: ruling for ruling in rulings}
    waiting: dict[UUID, tuple[DeskAct, ...]] = {}
    for act in DeskAct.objects.filter(transaction_id__in=ids, closed_at__isnull=True).order_by("proposed_at"):
        waiting[act.transaction_id] = (*waiting.get(act.transaction_id, ()), act)
    return {
        one: Standing(one in refunded, cancelling.get(one, ""), ruling_of.get(one), waiting.get(one, ())) for one in ids
    }


def moves_of(row: Transaction, standing: Standing) -> list[Move]:
    """The acts that concern this transaction, the most useful first. A row with its bill at hand needs no query."""
    if row.operation_class == OperationClass.READS:
        return []
    moves: list[Move | None] = [_query(row), *_ruling(row, standing)]
    if row.operation_class == OperationClass.MOVES:
        # Cash may be told however late it is.
        moves += [_refund(row), Move("abandon"), _acknowledge(row), _disown(row, standing), _service(row)]
    elif row.state == S.SUCCEEDED:
        moves.append(_acknowledge(row))
    waiting = {act.act for act in standing.waiting}
    return [Move(one.act, "waits") if one.act in waiting else one for one in moves if one is not None]


def _query(row: Transaction) -> Move | None:
    if row.state in (S.RECEIVED, S.SENDING):
        return Move("query-again", "still_being_sent")
    if row.state == S.NEEDS_HUMAN:
        return Move("query-again", "with_a_person")
    if row.state not in (S.IN_DOUBT, S.REVERSING):
        return None
    cancels = row.operation_class == OperationClass.UNDOES
    can_ask = cancels or row.state == S.REVERSING or facts_of(row.interface_id).can("can_query_by_msgid")
    return Move("query-again", "" if can_ask else "cannot_be_asked")


def _ruling(row: Transaction, standing: Standing) -> list[Move]:
    if row.state == S.NEEDS_HUMAN:
        return [Move("rule", "ruling_waits" if standing.ruling else "")]
    return [Move("rule", "not_with_a_person")] if row.state in (S.IN_DOUBT, S.REVERSING) else []


def _refund(row: Transaction) -> Move | None:
    if row.bill is None or not row.bill.collected_minor:
        return None
    return Move("refunded", "" if row.bill.refund_due_minor else "nothing_due")


def _acknowledge(row: Transaction) -> Move | None:
    ended = row.state not in OPEN and row.acknowledged_at is None
    return Move("acknowledge") if ended else None


def _disown(row: Transaction, standing: Standing) -> Move | None:
    if row.state != S.SUCCEEDED or row.disowned_at is not None:
        return None
    if row.acknowledged_at is not None:
        return Move("disown", "booked_already")
    if row.told != VerdictWord.SUCCEEDED:
        return Move("disown", "ruled_already")
    if standing.cancelled_by:
        return Move("disown", "cancel_open")
    return Move("disown", "refund_reported" if standing.refunded else "")


def _service(row: Transaction) -> Move | None:
    if row.service_cancelled_at is not None or row.state == S.CANCELLED:
        return None
    return Move("service-cancelled", "settled_cancel_first" if row.state == S.SUCCEEDED else "")
