"""What somebody who holds a slip may know: how it stands, and what to do next. No names, no amounts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import connection

from exchange.states import OPEN, OperationClass, TransactionState

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
S = TransactionState


class SlipState(StrEnum):
    """How the bill of a slip stands, as its holder is told."""

    WAITING = "waiting"  # Nobody knows yet whether the insurance has settled.
    PAID_WAITING = "paid_waiting"  # Paid in cash; the insurance's side is being cleared up.
    STAFF = "staff"  # People are looking at it.
    SETTLED = "settled"
    REFUND_DUE = "refund_due"
    PAID = "paid"  # The cash is the payment.
    NOT_SETTLED = "not_settled"
    CANCELLED = "cancelled"

    @property
    def moves(self) -> bool:
        """Whether it may change by itself soon."""
        return self in (SlipState.WAITING, SlipState.PAID_WAITING)


def slip_state(*, token: str, now: datetime) -> SlipState | None:
    """How the bill of this slip stands; None for a token that is not known or too old. Any role, nobody signed in."""
    if not TOKEN.fullmatch(token):
        return None
    with connection.cursor() as cursor:
        made_after = now - timedelta(days=settings.SLIP_DAYS)
        cursor.execute("SELECT * FROM exchange_slip_state(%s, %s)", [token, made_after])
        found = cursor.fetchone()
    return None if found is None else _told(*found)


def _told(
    operation_class: str, state: str, abandoned: bool, service_cancelled: bool, cash: bool, refund_due: bool
) -> SlipState:
    if refund_due:
        return SlipState.REFUND_DUE
    if state == S.NEEDS_HUMAN:
        return SlipState.STAFF
    if state in OPEN:
        # What is reversed without cash was given up by the hospital: nothing is settled, whoever asks.
        return SlipState.PAID_WAITING if abandoned or cash else SlipState.WAITING
    if operation_class == OperationClass.UNDOES:
        return SlipState.CANCELLED if state == S.SUCCEEDED else SlipState.NOT_SETTLED
    if state == S.SUCCEEDED:
        return SlipState.SETTLED
    if state == S.CANCELLED or service_cancelled:
        return SlipState.CANCELLED
    return SlipState.PAID if cash else SlipState.NOT_SETTLED
