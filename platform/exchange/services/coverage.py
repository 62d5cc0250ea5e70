"""Who covers this person? Asked of one insurer after the other, where the hospital left `insurance` out.

The answer fixes the wish's insurer, once; then it is sent like any other. Where all say no it is refused; where one did
not answer nobody knows, and it ends unsent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from core.clock import local_day
from exchange.locks import bills_and_transactions_lock
from exchange.models import Transaction
from exchange.selectors.interfaces import Interface, interface_of
from exchange.selectors.routing import NoRoute, coverage_routes
from exchange.services.calls import Armed, CallDraft, CallResult, calls_arm, outcomes_write, tries_of, wishes_of
from exchange.services.endings import BY, Ending, endings_write, evidence_of
from exchange.services.send import Ended, Waiting
from exchange.states import CallKind, CallOutcome, EvidenceKind, TransactionState


@dataclass(frozen=True, slots=True)
class Located:
    """`covered`: send it on this lane; else ask the next one there. Without a lane it has ended."""

    lane_id: int | None
    covered: bool = False


def coverage_ask(*, asked: Mapping[UUID, int], now: datetime, monotonic_now: float) -> list[Armed | Waiting | Ended]:
    """Store the question for each transaction to the insurer on its job's lane (transaction id -> lane id)."""
    locked = bills_and_transactions_lock(list(asked))
    waiting = [locked.rows[one] for one in asked if _still_open(locked.rows[one])]
    wishes = wishes_of(waiting)
    drafts = [
        CallDraft(
            row,
            interface_of(_of_lane(row, asked[row.pk], now)),
            CallKind.ELIGIBILITY,
            wishes[row.pk],
            float(settings.DEADLINE_SECONDS["eligibility"]),
        )
        for row in waiting
    ]
    ended: list[Armed | Waiting | Ended] = [Ended(one) for one in asked if not _still_open(locked.rows[one])]
    return [*ended, *calls_arm(drafts, now=now, monotonic_now=monotonic_now)]


def coverage_conclude(*, results: Sequence[CallResult], now: datetime) -> dict[UUID, Located]:
    """Take each answer: covered, the next insurer, or the end of the list."""
    locked = bills_and_transactions_lock([result.transaction_id for result in results])
    outcomes_write(results, now=now)
    tries = tries_of(result.transaction_id for result in results)
    located: dict[UUID, Located] = {}
    endings: list[Ending] = []
    for result in results:
        row = locked.rows[result.transaction_id]
        if not _still_open(row):
            located[row.pk] = Located(None)
            continue
        interface = interface_of(result.interface_id)
        if result.reply.outcome is CallOutcome.DONE:
            row.interface_id = interface.id
            evidence = evidence_of(row, EvidenceKind.CALL_OUTCOME, "covered", now=now, call_id=result.call_id)
            endings.append(Ending(row, evidence))
            located[row.pk] = Located(interface.lane_id, covered=True)
            continue
        following = _next_lane(row, interface, now)
        located[row.pk] = Located(following)
        if following is None:
            answers = [one.outcome for one in tries[row.pk] if one.kind == CallKind.ELIGIBILITY]
            endings.append(_nobody(row, all(one == CallOutcome.REFUSED for one in answers), now=now))
    endings_write(endings, locked=locked, now=now)
    return located


def _still_open(row: Transaction) -> bool:
    return row.state == TransactionState.RECEIVED and row.interface_id is None


def _of_lane(row: Transaction, lane_id: int, now: datetime) -> int:
    """The interface on this lane among those that are asked. Raises LookupError where its route has ended meanwhile."""
    for rule in coverage_routes(person_index=bytes(row.person_index), on=local_day(now)):
        if rule.lane_id == lane_id:
            return rule.interface_id
    raise LookupError("no route leads to this lane any more")


def _next_lane(row: Transaction, asked: Interface, now: datetime) -> int | None:
    try:
        rules = coverage_routes(person_index=bytes(row.person_index), on=local_day(now))
    except NoRoute:
        return None
    return next((rule.lane_id for rule in rules if rule.interface_code > asked.code), None)


def _nobody(row: Transaction, all_said_no: bool, *, now: datetime) -> Ending:
    if all_said_no:
        row.reject()
        row.reason_code = "nobody_covers"
    else:
        row.stay_unsent()
        row.reason_code = "coverage_unknown"
    row.moved(now=now, by=BY, reason=row.reason_code)
    return Ending(row, evidence_of(row, EvidenceKind.OUR_RULE, row.reason_code, now=now))
