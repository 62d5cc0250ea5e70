"""Vocabularies and machines of the insurers' side.

Onboarding of an insurer:

    APPLIED --> CONDITIONS_CHECKED --> SANDBOX --> CERTIFIED --> LIVE
       |               |                  |            |          |
       +---------------+------------------+------------+----------+--> SUSPENDED --> back to where it was

A push, which is one round of one claim before one insurer's own system:

    WAITING --> TAKEN        the insurer has it; its decision comes by itself
       +------> REFUSED      it will not take it: a clerk decides in the portal
       +------> ENDED        the claim left the confirmation before anybody answered
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class OnboardingState(models.TextChoices):
    APPLIED = "APPLIED"
    CONDITIONS_CHECKED = "CONDITIONS_CHECKED"
    SANDBOX = "SANDBOX"
    CERTIFIED = "CERTIFIED"
    LIVE = "LIVE"
    SUSPENDED = "SUSPENDED"


O = OnboardingState  # noqa: E741
WORKING = (O.APPLIED, O.CONDITIONS_CHECKED, O.SANDBOX, O.CERTIFIED, O.LIVE)


class OnboardingFlow(StatefulRow):
    state = FSMField(choices=OnboardingState, default=OnboardingState.APPLIED, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=O.APPLIED, target=O.CONDITIONS_CHECKED)
    def close_conditions(self) -> None:
        """Every condition is met, each looked at by its own checker."""

    @transition(field=state, source=O.CONDITIONS_CHECKED, target=O.APPLIED)
    def reopen_conditions(self) -> None:
        """A condition lapsed, or its paper was replaced."""

    @transition(field=state, source=O.CONDITIONS_CHECKED, target=O.SANDBOX)
    def open_sandbox(self) -> None:
        """May exchange messages with the sandbox."""

    @transition(field=state, source=O.SANDBOX, target=O.CERTIFIED)
    def certify(self) -> None:
        """Proven by a conformance run; a demo may grant it."""

    @transition(field=state, source=O.CERTIFIED, target=O.LIVE)
    def go_live(self) -> None:
        """Real claims."""

    @transition(field=state, source=WORKING, target=O.SUSPENDED)
    def suspend(self) -> None:
        """Stopped by the platform; what is under way runs on."""

    @transition(field=state, source=O.SUSPENDED, target=O.APPLIED)
    def resume_applied(self) -> None:
        """Back to where it was."""

    @transition(field=state, source=O.SUSPENDED, target=O.CONDITIONS_CHECKED)
    def resume_checked(self) -> None:
        """Back to where it was."""

    @transition(field=state, source=O.SUSPENDED, target=O.SANDBOX)
    def resume_sandbox(self) -> None:
        """Back to where it was."""

    @transition(field=state, source=O.SUSPENDED, target=O.CERTIFIED)
    def resume_certified(self) -> None:
        """Back to where it was."""

    @transition(field=state, source=O.SUSPENDED, target=O.LIVE)
    def resume_live(self) -> None:
        """Back to where it was."""


RESUME = {
    O.APPLIED: "resume_applied",
    O.CONDITIONS_CHECKED: "resume_checked",
    O.SANDBOX: "resume_sandbox",
    O.CERTIFIED: "resume_certified",
    O.LIVE: "resume_live",
}


class ConditionKind(models.TextChoices):
    """What an insurer has to show before it may use the sandbox."""

    LICENCE = "LICENCE"
    CONTRACT = "CONTRACT"
    ACCOUNT = "ACCOUNT"
    CONTACT = "CONTACT"
    MODULES = "MODULES"


class ConditionVerdict(models.TextChoices):
    MISSING = "MISSING"
    HANDED_IN = "HANDED_IN"
    MET = "MET"
    REFUSED = "REFUSED"


class Module(models.TextChoices):
    """Modules of the SPI. `claim` is the pre-reviewed claim pushed for confirmation."""

    ELIGIBILITY = "eligibility"
    PRESETTLE = "presettle"
    SETTLE = "settle"
    QUERY = "query"
    CANCEL = "cancel"
    REVERSE = "reverse"
    CLAIM = "claim"
    PAYMENT = "payment"
    RECONCILE = "reconcile"
    ACCUMULATORS = "accumulators"
    RESERVE = "reserve"


class StageGrantSource(models.TextChoices):
    CERTIFICATE = "CERTIFICATE"  # Of a conformance run; there is none before docking exists.
    DEMO = "DEMO"


class PushState(models.TextChoices):
    WAITING = "WAITING"
    TAKEN = "TAKEN"
    REFUSED = "REFUSED"
    ENDED = "ENDED"


class PushFlow(StatefulRow):
    state = FSMField(choices=PushState, default=PushState.WAITING, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=PushState.WAITING, target=PushState.TAKEN)
    def taken(self) -> None:
        """The insurer said so, in a message that was verified."""

    @transition(field=state, source=PushState.WAITING, target=PushState.REFUSED)
    def refuse(self) -> None:
        """The insurer said that it will not take it."""

    @transition(field=state, source=PushState.WAITING, target=PushState.ENDED)
    def end(self) -> None:
        """Nobody needs an answer any more."""


class PushOutcome(models.TextChoices):
    """What one message of a push brought."""

    TAKEN = "TAKEN"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"  # No answer, or one that proves nothing: asked again under the same push number.
    NOT_SENT = "NOT_SENT"


class InboundOutcome(models.TextChoices):
    """What became of a message that an insurer sent us."""

    REFUSED_AT_THE_DOOR = "refused_at_the_door"
    WAITING = "waiting"
    APPLIED = "applied"
    ALREADY_DECIDED = "already_decided"
    UNKNOWN_CLAIM = "unknown_claim"
    CLAIM_WITHDRAWN = "claim_withdrawn"
    NUMBER_USED = "number_used"
    NOT_READABLE = "not_readable"
    NOT_POSSIBLE = "not_possible"


class WaitingWord(models.TextChoices):
    """What waits for a second name."""

    APPROVE = "APPROVE"
    APPROVE_PARTLY = "APPROVE_PARTLY"
    DECLINE = "DECLINE"
    ASK_AGAIN = "ASK_AGAIN"  # The patient would be asked for materials a second time.


class WaitingOutcome(models.TextChoices):
    """What became of a decision that waited for its second name."""

    COUNTED = "COUNTED"
    WITHDRAWN = "WITHDRAWN"
    OVERTAKEN = "OVERTAKEN"  # The claim moved meanwhile.
