"""A counterparty's account of a period, put before it line by line.

ISSUED --> CONFIRMED                 every line was confirmed
   +--> DISPUTED --> CONFIRMED       the disputes are over
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class StatementState(models.TextChoices):
    ISSUED = "ISSUED"
    DISPUTED = "DISPUTED"
    CONFIRMED = "CONFIRMED"


S = StatementState


class StatementFlow(StatefulRow):
    state = FSMField(choices=StatementState, default=StatementState.ISSUED, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=S.ISSUED, target=S.DISPUTED)
    def dispute(self) -> None:
        """The counterparty does not agree with a line."""

    @transition(field=state, source=(S.ISSUED, S.DISPUTED), target=S.CONFIRMED)
    def confirm(self) -> None:
        """It agrees with every line."""


class CounterpartyRole(models.TextChoices):
    """Whose statement it is, and so what a positive amount means: what an insurer owes; what a pharmacy gets."""

    INSURER = "INSURER"
    PHARMACY = "PHARMACY"


class FeeKind(models.TextChoices):
    PER_CLAIM = "PER_CLAIM"
    PER_CENT = "PER_CENT"
    PER_MONTH = "PER_MONTH"


class StatementLineKind(models.TextChoices):
    LEG = "LEG"  # Owed for a claim.
    LEG_BACK = "LEG_BACK"  # Owed no more: the goods came back, the decision was reopened.
    FEE = "FEE"
    VAT = "VAT"
    SET_OFF = "SET_OFF"  # What the pharmacy owes, taken off what it gets.
    PAYMENT = "PAYMENT"  # Paid out to the pharmacy; come in from the insurer.
    OTHER = "OTHER"


class LineAnswer(models.TextChoices):
    OPEN = "OPEN"
    CONFIRMED = "CONFIRMED"
    DISPUTED = "DISPUTED"
