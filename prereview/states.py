"""Machines and vocabularies of the pre-review.

A rule pack:

    DRAFT --> PUBLISHED --> RETIRED      another version took its place
      +-----> WITHDRAWN

A published pack is never changed: the results that it gave name it.
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class PackState(models.TextChoices):
    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"
    WITHDRAWN = "WITHDRAWN"


class PackFlow(StatefulRow):
    state = FSMField(choices=PackState, default=PackState.DRAFT, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=PackState.DRAFT, target=PackState.PUBLISHED)
    def publish(self) -> None:
        """Every case of its own came out as it says, and another person looked."""

    @transition(field=state, source=PackState.PUBLISHED, target=PackState.RETIRED)
    def retire(self) -> None:
        """Another version counts from now on."""

    @transition(field=state, source=PackState.DRAFT, target=PackState.WITHDRAWN)
    def withdraw(self) -> None:
        """Never to be used."""


class AskOutcome(models.TextChoices):
    """What became of a second ask that waited for a supervisor."""

    ASKED = "ASKED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    OVERTAKEN = "OVERTAKEN"  # The claim moved meanwhile.
