"""One amount that one party owes another for a claim.

DUE --> APPROVED --> IN_PAYMENT --> PAID --> RETURNED --> DUE      the bank gave it back, with its reason
 ^  |       |             +--> FAILED --> DUE
 |  |       +--> DUE                                              the batch was not released
 |  +--> PAID                                                     the insurer's own transfer, matched
 +-- DISPUTED <-- DUE | APPROVED | PAID
DUE | APPROVED | DISPUTED | FAILED | RETURNED | PAID --> REVERSED    goods came back, or set off elsewhere
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class LegKind(models.TextChoices):
    FIRST = "FIRST"  # Insurer to platform, one per insurer's share.
    SECOND = "SECOND"  # Platform to pharmacy.
    THIRD = "THIRD"  # Platform to patient, to an account of the same name.
    OWN_SHARE = "OWN_SHARE"  # Patient to pharmacy at its till: evidence only.


class LegState(models.TextChoices):
    DUE = "DUE"
    APPROVED = "APPROVED"
    IN_PAYMENT = "IN_PAYMENT"
    PAID = "PAID"
    FAILED = "FAILED"
    RETURNED = "RETURNED"
    DISPUTED = "DISPUTED"
    REVERSED = "REVERSED"


L = LegState


class LegFlow(StatefulRow):
    state = FSMField(choices=LegState, default=LegState.DUE, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=L.DUE, target=L.APPROVED)
    def approve(self) -> None:
        """In a pay-out batch that was made."""

    @transition(field=state, source=(L.APPROVED, L.FAILED, L.RETURNED, L.DISPUTED), target=L.DUE)
    def reopen(self) -> None:
        """To be paid once more, or the dispute is over."""

    @transition(field=state, source=L.APPROVED, target=L.IN_PAYMENT)
    def send(self) -> None:
        """Its batch was released: the bank has it, or may have it."""

    @transition(field=state, source=(L.IN_PAYMENT, L.DUE), target=L.PAID)
    def pay(self) -> None:
        """The bank's book says so; or the insurer's transfer was matched whole."""

    @transition(field=state, source=L.IN_PAYMENT, target=L.FAILED)
    def fail(self) -> None:
        """Definitely not paid, with the bank's reason."""

    @transition(field=state, source=L.PAID, target=L.RETURNED)
    def give_back(self) -> None:
        """Paid, and the bank gave it back."""

    @transition(field=state, source=(L.DUE, L.APPROVED, L.PAID), target=L.DISPUTED)
    def dispute(self) -> None:
        """The counterparty does not agree with it."""

    @transition(field=state, source=(L.DUE, L.APPROVED, L.DISPUTED, L.FAILED, L.RETURNED, L.PAID), target=L.REVERSED)
    def reverse(self) -> None:
        """It is owed no more: another leg or a set-off says what is."""
