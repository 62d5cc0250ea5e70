"""The hold's machine.

    OPEN ──> POSTED    its money moved, up to the amount held; the rest is free again
      ├────> VOIDED    not needed any more
      └────> EXPIRED   its time ran out

A hold is resolved once: the three ends are final.
"""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class HoldState(models.TextChoices):
    OPEN = "OPEN"
    POSTED = "POSTED"
    VOIDED = "VOIDED"
    EXPIRED = "EXPIRED"


class HoldFlow(StatefulRow):
    """Moves of a hold. `resolved_minor` is what was used of it, in minor units."""

    state = FSMField(default=HoldState.OPEN, choices=HoldState.choices, protected=True)
    resolved_minor = models.BigIntegerField(null=True)
    posting_id: UUID | None

    class Meta:
        abstract = True

    @transition(field=state, source=HoldState.OPEN, target=HoldState.POSTED)
    def post(self, *, posting_id: UUID, amount_minor: int) -> None:
        self.posting_id = posting_id
        self.resolved_minor = amount_minor

    @transition(field=state, source=HoldState.OPEN, target=HoldState.VOIDED)
    def void(self) -> None:
        self.resolved_minor = 0

    @transition(field=state, source=HoldState.OPEN, target=HoldState.EXPIRED)
    def expire(self) -> None:
        self.resolved_minor = 0
