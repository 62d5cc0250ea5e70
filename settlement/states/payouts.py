"""Paying out: a batch with its names, and one order to the bank.

Batch:    MADE --> CHECKED --> RELEASED --> DONE      MADE | CHECKED --> CANCELLED
Payment:  ARMED --> SENT --> BOOKED --> RETURNED
            |  |      +--> REJECTED
            |  +--> IN_DOUBT --> SENT | REJECTED | BOOKED        no answer: unknown, never failed
            +--> REJECTED
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class BatchState(models.TextChoices):
    MADE = "MADE"
    CHECKED = "CHECKED"
    RELEASED = "RELEASED"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


B = BatchState


class BatchFlow(StatefulRow):
    state = FSMField(choices=BatchState, default=BatchState.MADE, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=B.MADE, target=B.CHECKED)
    def find_good(self) -> None:
        """By another than the maker."""

    @transition(field=state, source=(B.MADE, B.CHECKED), target=B.RELEASED)
    def release(self) -> None:
        """Payments are armed. Above the limit three names: maker, checker, releaser."""

    @transition(field=state, source=B.RELEASED, target=B.DONE)
    def finish(self) -> None:
        """No payment of it is open."""

    @transition(field=state, source=(B.MADE, B.CHECKED), target=B.CANCELLED)
    def cancel(self) -> None:
        """Its legs are due again."""


class PaymentState(models.TextChoices):
    ARMED = "ARMED"  # Stored and committed; may be sent, once, by who armed it.
    SENT = "SENT"  # The bank has it.
    IN_DOUBT = "IN_DOUBT"
    BOOKED = "BOOKED"  # On the bank's statement.
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"


P = PaymentState


class PaymentFlow(StatefulRow):
    state = FSMField(choices=PaymentState, default=PaymentState.ARMED, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=(P.ARMED, P.IN_DOUBT), target=P.SENT)
    def taken(self) -> None:
        """The bank says that it has it."""

    @transition(field=state, source=P.ARMED, target=P.IN_DOUBT)
    def doubt(self) -> None:
        """No answer, or one that proves nothing."""

    @transition(field=state, source=(P.ARMED, P.SENT, P.IN_DOUBT), target=P.REJECTED)
    def reject(self) -> None:
        """Definitely refused: nothing was paid."""

    @transition(field=state, source=(P.SENT, P.IN_DOUBT, P.ARMED), target=P.BOOKED)
    def book(self) -> None:
        """The statement shows it."""

    @transition(field=state, source=P.BOOKED, target=P.RETURNED)
    def give_back(self) -> None:
        """The payee's bank sent it back."""
