"""The machine of a Transaction.

    RECEIVED --> SENDING --> SUCCEEDED --> CANCELLED
       |  |         | | |        |
       |  |         | | |        +--> REVERSING          disowned, or proven that it must not stand
       |  |         | | +--> REJECTED --> REVERSING      surfaced as settled after all
       |  |         | +--> IN_DOUBT --> SUCCEEDED | REJECTED | REVERSING | NEEDS_HUMAN | NOT_SENT
       |  |         +--> NOT_SENT --> REVERSING          surfaced as settled after all
       |  +--> REJECTED | NOT_SENT
       +--> (abandoned before sending) NOT_SENT
    REVERSING --> REVERSED --> REVERSING                 a new episode: the original surfaced again
    REVERSING --> NEEDS_HUMAN --> SUCCEEDED | REVERSED | REJECTED | REVERSING

A transition changes the row's own fields only. The same moves stand in the trigger `state_guard` of the table.
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class TransactionState(models.TextChoices):
    RECEIVED = "RECEIVED"
    SENDING = "SENDING"
    SUCCEEDED = "SUCCEEDED"
    REJECTED = "REJECTED"
    NOT_SENT = "NOT_SENT"
    IN_DOUBT = "IN_DOUBT"
    REVERSING = "REVERSING"
    REVERSED = "REVERSED"
    CANCELLED = "CANCELLED"
    NEEDS_HUMAN = "NEEDS_HUMAN"


S = TransactionState
OPEN = (S.RECEIVED, S.SENDING, S.IN_DOUBT, S.REVERSING, S.NEEDS_HUMAN)


class OperationClass(models.TextChoices):
    """What is at stake when no answer comes."""

    MOVES = "MOVES"  # Money: doubt and reversal apply.
    UNDOES = "UNDOES"  # A cancel.
    READS = "READS"  # Nothing: ask again.
    PREPARES = "PREPARES"  # A registration or upload: compensated by a named operation.


OPERATION_CLASSES = {
    "eligibility": OperationClass.READS,
    "presettle": OperationClass.READS,
    "settle": OperationClass.MOVES,
    "cancel": OperationClass.UNDOES,
    # Two ordinary transactions: a cancel, then a settle for the rest.
    "resettle": OperationClass.UNDOES,
}


class TransactionFlow(StatefulRow):
    state = FSMField(choices=TransactionState, default=TransactionState.RECEIVED, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=S.RECEIVED, target=S.SENDING)
    def arm(self) -> None:
        """The Call is stored; from the commit on it may be on its way."""

    @transition(field=state, source=(S.RECEIVED, S.SENDING, S.IN_DOUBT), target=S.NOT_SENT)
    def stay_unsent(self) -> None:
        """Proven: no byte of the wish left the house, or nothing was at stake."""

    @transition(field=state, source=(S.SENDING, S.IN_DOUBT, S.NEEDS_HUMAN), target=S.SUCCEEDED)
    def succeed(self) -> None:
        """The insurer holds the settlement: ids, person and total match."""

    @transition(field=state, source=(S.RECEIVED, S.SENDING, S.IN_DOUBT, S.NEEDS_HUMAN), target=S.REJECTED)
    def reject(self) -> None:
        """A definite refusal: the insurer holds nothing."""

    @transition(field=state, source=S.SENDING, target=S.IN_DOUBT)
    def doubt(self) -> None:
        """It was sent and nothing that proves anything came back."""

    @transition(
        field=state,
        source=(S.SENDING, S.IN_DOUBT, S.SUCCEEDED, S.REJECTED, S.NOT_SENT, S.REVERSED, S.NEEDS_HUMAN),
        target=S.REVERSING,
    )
    def reverse(self) -> None:
        """Decided: it must not stand. Irrevocable."""

    @transition(field=state, source=(S.REVERSING, S.NEEDS_HUMAN), target=S.REVERSED)
    def reversal_accepted(self) -> None:
        """The insurer undid it, or holds nothing of it."""

    @transition(field=state, source=S.SUCCEEDED, target=S.CANCELLED)
    def cancelled(self) -> None:
        """Its cancel is proven."""

    @transition(field=state, source=(S.IN_DOUBT, S.REVERSING), target=S.NEEDS_HUMAN)
    def ask_a_person(self) -> None:
        """A contradiction, or a ladder used up."""


class CallKind(models.TextChoices):
    ELIGIBILITY = "ELIGIBILITY"
    PRESETTLE = "PRESETTLE"
    SETTLE = "SETTLE"
    QUERY = "QUERY"
    REVERSE = "REVERSE"
    CANCEL = "CANCEL"


class CallOutcome(models.TextChoices):
    """One enum for every counterparty's reply codes. What contradicts itself is UNKNOWN."""

    DONE = "DONE"
    REFUSED = "REFUSED"
    RUNNING = "RUNNING"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"
    NOT_SENT = "NOT_SENT"


class EvidenceKind(models.TextChoices):
    CALL_OUTCOME = "CALL_OUTCOME"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    OUR_RULE = "OUR_RULE"
    HOSPITAL_SAID = "HOSPITAL_SAID"  # abandon, disown, refunded, service cancelled, day list
    CANCEL_PROVEN = "CANCEL_PROVEN"
    RULING = "RULING"


class VerdictWord(models.TextChoices):
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    PENDING = "pending"
    ABANDONED = "abandoned"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    STANDS = "stands"


# Told again they stay as they are; only these two move on by themselves.
NOT_FINAL = (VerdictWord.PENDING, VerdictWord.ABANDONED)


class CancelWindow(models.TextChoices):
    """How long an insurer takes a cancel; NONE: no limit that is known, the insurer decides."""

    SAME_DAY = "same_day"
    SAME_MONTH = "same_month"
    UNTIL_CLEARED = "until_cleared"
    NONE = "none"


class Cause(models.TextChoices):
    """Why a reversal was begun."""

    ABANDONED = "abandoned"  # Cash was taken; then it was proven settled, or nothing could be proven.
    NOT_PROVEN = "not_proven"  # After the quiet time nothing proved either way.
    DISOWNED = "disowned"
    SURFACED = "surfaced"  # It was held for undone or refused, and shows as settled.
    LATE_ANSWER = "late_answer"
    RULING = "ruling"


class ReversalEnd(models.TextChoices):
    ACCEPTED = "ACCEPTED"
    NOTHING_HELD = "NOTHING_HELD"
    GIVEN_UP = "GIVEN_UP"  # With a person now.


class Decision(models.TextChoices):
    """What a ruling of two persons may say of a transaction that needs them."""

    SUCCEEDED = "SUCCEEDED"
    REVERSED = "REVERSED"
    REJECTED = "REJECTED"
    REVERSING = "REVERSING"  # Ask the insurer again.


class GrantSource(models.TextChoices):
    CERTIFICATE = "CERTIFICATE"
    DEMO = "DEMO"
