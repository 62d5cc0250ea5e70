"""Getting back what the insurer did not pay, from whom the recourse table names.

OPEN --> AGREED --> PAID              instalments, without interest
  |  +-----^  |
  +--> OBJECTED --> OPEN | WAIVED     15 days to object; another person answers
  +--> STOPPED <--> OPEN              appeal or death: nothing is asked meanwhile
any of the open ones --> WAIVED | WRITTEN_OFF      by two names
any of the open ones --> CANCELLED                 not owed after all: an appeal has won, or the goods came back
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class RecoveryState(models.TextChoices):
    OPEN = "OPEN"
    OBJECTED = "OBJECTED"
    AGREED = "AGREED"
    STOPPED = "STOPPED"
    PAID = "PAID"
    WAIVED = "WAIVED"
    WRITTEN_OFF = "WRITTEN_OFF"
    CANCELLED = "CANCELLED"


R = RecoveryState
RUNNING = (R.OPEN, R.OBJECTED, R.AGREED, R.STOPPED)


class RecoveryFlow(StatefulRow):
    state = FSMField(choices=RecoveryState, default=RecoveryState.OPEN, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=R.OPEN, target=R.OBJECTED)
    def raise_objection(self) -> None:
        """Within the days of the contract."""

    @transition(field=state, source=(R.OBJECTED, R.STOPPED), target=R.OPEN)
    def go_on(self) -> None:
        """The objection was answered, the appeal lost."""

    @transition(field=state, source=R.OPEN, target=R.AGREED)
    def agree(self) -> None:
        """Instalments."""

    @transition(field=state, source=(R.OPEN, R.OBJECTED, R.AGREED), target=R.STOPPED)
    def stop(self) -> None:
        """Appeal or death."""

    @transition(field=state, source=(R.OPEN, R.AGREED), target=R.PAID)
    def pay(self) -> None:
        """Nothing is open."""

    @transition(field=state, source=RUNNING, target=R.WAIVED)
    def waive(self) -> None:
        """Not asked for any more: two names."""

    @transition(field=state, source=RUNNING, target=R.WRITTEN_OFF)
    def write_off(self) -> None:
        """Will not come: two names."""

    @transition(field=state, source=RUNNING, target=R.CANCELLED)
    def cancel(self) -> None:
        """Not owed after all."""
