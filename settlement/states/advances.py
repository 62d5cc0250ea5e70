"""The money that the platform lays out for a claim.

    HELD --> DRAWN <--> PARTLY_COLLECTED <--> COLLECTED
      |        |  |            |  |             |
      |        |  |            |  +--> CLAWED_BACK <--+      the insurer took it back; it pays again: COLLECTED
      |        |  +------------+--> IN_RECOVERY <-- CLAWED_BACK      another bears it by the recourse table
      |        |                       |  +--> DRAWN                 an appeal has won
      |        |                       +--> COLLECTED                recovered whole
      |        +--> WRITTEN_OFF <-- any of these                     by two names; back when it is paid after all
      +--> RELEASED <-- any of these                                 never drawn, or the goods came back

A transition changes the row's own fields only. The same moves stand in the trigger `state_guard` of the table.
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class AdvanceState(models.TextChoices):
    HELD = "HELD"
    DRAWN = "DRAWN"
    PARTLY_COLLECTED = "PARTLY_COLLECTED"
    COLLECTED = "COLLECTED"
    RELEASED = "RELEASED"
    CLAWED_BACK = "CLAWED_BACK"
    IN_RECOVERY = "IN_RECOVERY"
    WRITTEN_OFF = "WRITTEN_OFF"


A = AdvanceState
ENDED = (A.COLLECTED, A.RELEASED, A.WRITTEN_OFF)


class AdvanceFlow(StatefulRow):
    state = FSMField(choices=AdvanceState, default=AdvanceState.HELD, protected=True)

    class Meta:
        abstract = True

    @transition(
        field=state,
        source=(A.HELD, A.IN_RECOVERY, A.PARTLY_COLLECTED, A.COLLECTED, A.WRITTEN_OFF),
        target=A.DRAWN,
    )
    def draw(self) -> None:
        """The goods are handed over; or what was in recovery, written off or matched wrongly is the insurer's again."""

    @transition(
        field=state,
        source=(A.DRAWN, A.CLAWED_BACK, A.IN_RECOVERY, A.COLLECTED, A.WRITTEN_OFF),
        target=A.PARTLY_COLLECTED,
    )
    def collect_part(self) -> None:
        """Money came, not all of it: the rest ages."""

    @transition(
        field=state,
        source=(A.DRAWN, A.PARTLY_COLLECTED, A.CLAWED_BACK, A.IN_RECOVERY, A.WRITTEN_OFF),
        target=A.COLLECTED,
    )
    def collect(self) -> None:
        """Nothing of it is open any more."""

    @transition(field=state, source=(A.PARTLY_COLLECTED, A.COLLECTED, A.WRITTEN_OFF), target=A.CLAWED_BACK)
    def claw_back(self) -> None:
        """The insurer took back what it had paid."""

    @transition(
        field=state,
        source=(*(A.HELD, A.DRAWN, A.PARTLY_COLLECTED, A.COLLECTED, A.CLAWED_BACK, A.IN_RECOVERY, A.WRITTEN_OFF),),
        target=A.RELEASED,
    )
    def release(self) -> None:
        """Never drawn, or all goods came back."""

    @transition(field=state, source=(A.DRAWN, A.PARTLY_COLLECTED, A.COLLECTED, A.CLAWED_BACK), target=A.IN_RECOVERY)
    def recover(self) -> None:
        """Somebody else than the insurer bears what is open."""

    @transition(field=state, source=(A.DRAWN, A.PARTLY_COLLECTED, A.CLAWED_BACK, A.IN_RECOVERY), target=A.WRITTEN_OFF)
    def write_off(self) -> None:
        """The platform bears what is open: two names."""


class AdvanceMoveKind(models.TextChoices):
    """What happened to the money. The advance's columns are the sum of its moves; a trigger keeps them."""

    DRAW = "DRAW"  # drawn +, unconfirmed +
    CONFIRM = "CONFIRM"  # unconfirmed -, receivable +
    UNCONFIRM = "UNCONFIRM"  # receivable -, unconfirmed +: the claim was reopened
    COLLECT = "COLLECT"  # receivable -, collected +
    UNCOLLECT = "UNCOLLECT"  # collected -, receivable +: matched wrongly, or the bank took it back
    CLAW_BACK = "CLAW_BACK"  # clawed_back +, receivable +: the insurer has it again and is asked again
    BEAR = "BEAR"  # unconfirmed -, in_recovery +
    BEAR_RECEIVABLE = "BEAR_RECEIVABLE"  # receivable -, in_recovery +
    BEAR_NO_MORE = "BEAR_NO_MORE"  # in_recovery -, unconfirmed +: an appeal has won
    RECOVER = "RECOVER"  # in_recovery -, recovered +
    UNRECOVER = "UNRECOVER"  # recovered -, unconfirmed +: given back, the insurer pays after all
    RETURN = "RETURN"  # unconfirmed -, returned +: the goods came back
    RETURN_RECEIVABLE = "RETURN_RECEIVABLE"  # receivable -, returned +
    WRITE_OFF = "WRITE_OFF"  # in_recovery -, written_off +
    WRITE_BACK = "WRITE_BACK"  # written_off -, unconfirmed +: somebody pays after all


M = AdvanceMoveKind
OUTSIDE = ""
# Each kind takes its amount from one part of the advance and puts it into another; OUTSIDE is an account beside it.
# The trigger settlement_advance_count says the same (a test holds them equal).
PARTS: dict[AdvanceMoveKind, tuple[str, str]] = {
    M.DRAW: (OUTSIDE, "unconfirmed"),
    M.CONFIRM: ("unconfirmed", "receivable"),
    M.UNCONFIRM: ("receivable", "unconfirmed"),
    M.COLLECT: ("receivable", "collected"),
    M.UNCOLLECT: ("collected", "receivable"),
    M.CLAW_BACK: ("clawed_back", "receivable"),
    M.BEAR: ("unconfirmed", "in_recovery"),
    M.BEAR_RECEIVABLE: ("receivable", "in_recovery"),
    M.BEAR_NO_MORE: ("in_recovery", "unconfirmed"),
    M.RECOVER: ("in_recovery", "recovered"),
    M.UNRECOVER: ("recovered", "unconfirmed"),
    M.RETURN: ("unconfirmed", "returned"),
    M.RETURN_RECEIVABLE: ("receivable", "returned"),
    M.WRITE_OFF: ("in_recovery", "written_off"),
    M.WRITE_BACK: ("written_off", "unconfirmed"),
}
EXPOSED = ("unconfirmed", "receivable")  # What the insurer owes or may come to owe: its credit line.


class Bearer(models.TextChoices):
    """Who bears an advance that the insurer does not pay."""

    INSURER = "INSURER"
    PLATFORM = "PLATFORM"
    PHARMACY = "PHARMACY"
    PATIENT = "PATIENT"


class RefusalClass(models.TextChoices):
    """Why the insurer does not pay, by whose doing. The recourse table of the contract goes by it."""

    WITHIN_AUTHORITY = "WITHIN_AUTHORITY"  # The pre-review bound the insurer.
    REVIEW_ERROR = "REVIEW_ERROR"
    WRONG_DRUG = "WRONG_DRUG"
    WRONG_LOT = "WRONG_LOT"
    PRESCRIPTION_MISSING = "PRESCRIPTION_MISSING"
    FALSE_MATERIALS = "FALSE_MATERIALS"
    POLICY_VOID = "POLICY_VOID"
    OTHER = "OTHER"


class Funder(models.TextChoices):
    """Whose money an advance is, in the order of the contract."""

    PREFUND = "PREFUND"
    OWN = "OWN"
    LENDER = "LENDER"


class LineKind(models.TextChoices):
    """Whose room a limit is: the credit line of an insurer, the exposure of a pharmacy chain."""

    INSURER = "INSURER"
    PHARMACY = "PHARMACY"
