"""The review of a claim. Goods, advance and settlement legs have machines of their own; none derives from another.

    DRAFT --> SUBMITTED --> IN_PREREVIEW --> PREREVIEW_PASSED --> IN_CONFIRMATION --> CONFIRMED --------+
                              |  ^   |  |        |                  |  ^   |  |  +--> PARTLY_CONFIRMED --+--> CLOSED
                              |  |   |  |        +-> CONFIRMED      |  |   |  +-----> DECLINED ---------+
                              v  |   |  |            (delegated)    v  |   |
             MATERIALS_REQUESTED  |  +-> PREREVIEW_DECLINED    MATERIALS_REQUESTED
                                  |                                    |
                          INVESTIGATION                          INVESTIGATION
    PREREVIEW_DECLINED | PARTLY_CONFIRMED | DECLINED --> APPEALED --> REOPENED, or back to what it was: upheld
    CONFIRMED | PARTLY_CONFIRMED | DECLINED | CLOSED --> REOPENED --> IN_PREREVIEW | IN_CONFIRMATION
    before a decision of the insurer, by the patient: --> WITHDRAWN

A transition changes the row's own fields only. The same moves stand in the trigger `state_guard` of the table.
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class ClaimState(models.TextChoices):
    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    IN_PREREVIEW = "IN_PREREVIEW"
    MATERIALS_REQUESTED = "MATERIALS_REQUESTED"
    PREREVIEW_PASSED = "PREREVIEW_PASSED"
    PREREVIEW_DECLINED = "PREREVIEW_DECLINED"
    IN_CONFIRMATION = "IN_CONFIRMATION"
    INVESTIGATION = "INVESTIGATION"
    CONFIRMED = "CONFIRMED"
    PARTLY_CONFIRMED = "PARTLY_CONFIRMED"
    DECLINED = "DECLINED"
    APPEALED = "APPEALED"
    REOPENED = "REOPENED"
    WITHDRAWN = "WITHDRAWN"
    CLOSED = "CLOSED"


S = ClaimState
ENDED = (S.WITHDRAWN, S.CLOSED)
PARTLY_OR_WHOLLY_REFUSED = (S.PREREVIEW_DECLINED, S.PARTLY_CONFIRMED, S.DECLINED)
# In these a claim holds its part of deductible and caps; CONFIRMED and PARTLY_CONFIRMED have used theirs.
IN_FLIGHT = (
    *(S.SUBMITTED, S.IN_PREREVIEW, S.MATERIALS_REQUESTED, S.PREREVIEW_PASSED, S.IN_CONFIRMATION, S.INVESTIGATION),
    *(S.APPEALED, S.REOPENED),
)


class Stage(models.TextChoices):
    """Who reviews: the pre-review on the platform, then the insurer."""

    PREREVIEW = "PREREVIEW"
    CONFIRMATION = "CONFIRMATION"


class ClaimFlow(StatefulRow):
    state = FSMField(choices=ClaimState, default=ClaimState.DRAFT, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=S.DRAFT, target=S.SUBMITTED)
    def submit(self) -> None:
        """Filed, once: benefits held, clocks started, terms of the day fixed."""

    @transition(
        field=state, source=(S.SUBMITTED, S.MATERIALS_REQUESTED, S.INVESTIGATION, S.REOPENED), target=S.IN_PREREVIEW
    )
    def take_into_prereview(self) -> None:
        """With the pre-review: rules have run, or run again."""

    @transition(field=state, source=(S.IN_PREREVIEW, S.IN_CONFIRMATION), target=S.MATERIALS_REQUESTED)
    def request_materials(self) -> None:
        """The patient's turn; the statutory clock pauses."""

    @transition(field=state, source=S.IN_PREREVIEW, target=S.PREREVIEW_PASSED)
    def pass_prereview(self) -> None:
        """Recommended, with amount and risk grade."""

    @transition(field=state, source=S.IN_PREREVIEW, target=S.PREREVIEW_DECLINED)
    def decline_in_prereview(self) -> None:
        """A person declined it with a clause; rules alone never do."""

    @transition(
        field=state,
        source=(S.PREREVIEW_PASSED, S.MATERIALS_REQUESTED, S.INVESTIGATION, S.REOPENED),
        target=S.IN_CONFIRMATION,
    )
    def take_into_confirmation(self) -> None:
        """With the insurer."""

    @transition(field=state, source=(S.IN_PREREVIEW, S.IN_CONFIRMATION), target=S.INVESTIGATION)
    def investigate(self) -> None:
        """Something is looked into outside; whose stage it is stands in `stage`."""

    @transition(field=state, source=(S.IN_CONFIRMATION, S.PREREVIEW_PASSED), target=S.CONFIRMED)
    def confirm(self) -> None:
        """The insurer pays what was recommended; straight from the pre-review where that was delegated."""

    @transition(field=state, source=S.IN_CONFIRMATION, target=S.PARTLY_CONFIRMED)
    def confirm_partly(self) -> None:
        """The insurer pays less, with the clause."""

    @transition(field=state, source=S.IN_CONFIRMATION, target=S.DECLINED)
    def decline(self) -> None:
        """The insurer pays nothing, with the clause."""

    @transition(field=state, source=(S.PREREVIEW_DECLINED, S.PARTLY_CONFIRMED, S.DECLINED), target=S.APPEALED)
    def appeal(self) -> None:
        """The patient disagrees: another person looks."""

    @transition(field=state, source=S.APPEALED, target=S.PREREVIEW_DECLINED)
    def uphold_prereview(self) -> None:
        """The refusal of the pre-review stands."""

    @transition(field=state, source=S.APPEALED, target=S.PARTLY_CONFIRMED)
    def uphold_part(self) -> None:
        """The part stands."""

    @transition(field=state, source=S.APPEALED, target=S.DECLINED)
    def uphold(self) -> None:
        """The insurer's refusal stands."""

    @transition(
        field=state, source=(S.APPEALED, S.CONFIRMED, S.PARTLY_CONFIRMED, S.DECLINED, S.CLOSED), target=S.REOPENED
    )
    def reopen(self) -> None:
        """An appeal that wins, or the insurer looks anew."""

    @transition(
        field=state,
        source=(S.DRAFT, S.SUBMITTED, S.IN_PREREVIEW, S.MATERIALS_REQUESTED, S.PREREVIEW_PASSED, S.IN_CONFIRMATION),
        target=S.WITHDRAWN,
    )
    def withdraw(self) -> None:
        """The patient's wish. What was held is released."""

    @transition(
        field=state, source=(S.PREREVIEW_DECLINED, S.CONFIRMED, S.PARTLY_CONFIRMED, S.DECLINED), target=S.CLOSED
    )
    def close(self) -> None:
        """Nothing is open: paid, or the time to appeal is over."""


class PartyRole(models.TextChoices):
    LEAD_INSURER = "LEAD_INSURER"
    CO_INSURER = "CO_INSURER"
    ADMINISTRATOR = "ADMINISTRATOR"  # TPA
    PLATFORM = "PLATFORM"
    PHARMACY = "PHARMACY"


class DecisionWord(models.TextChoices):
    PASS = "PASS"  # noqa: S105
    APPROVE = "APPROVE"
    APPROVE_PARTLY = "APPROVE_PARTLY"
    DECLINE = "DECLINE"
    UPHOLD = "UPHOLD"
    REOPEN = "REOPEN"


class RiskGrade(models.TextChoices):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class ClockKind(models.TextChoices):
    """Statutory clocks; how long each runs is data of the terms."""

    DECIDE = "DECIDE"  # From submission; the time for supplements does not count.
    REFUSAL_LETTER = "REFUSAL_LETTER"
    PAY = "PAY"
    MATERIALS = "MATERIALS"  # The patient's own deadline.
    APPEAL = "APPEAL"  # Until when the patient may appeal.


class Audience(models.TextChoices):
    """Through whose lens an entry of the timeline is seen; the platform sees all."""

    PATIENT = "PATIENT"
    PREREVIEW = "PREREVIEW"
    INSURER = "INSURER"
    PHARMACY = "PHARMACY"


class PaperState(models.TextChoices):
    """Paper originals above a sum."""

    NOT_NEEDED = "NOT_NEEDED"
    DUE = "DUE"
    RECEIVED = "RECEIVED"
