"""Vocabularies and machines of the master data.

Terms of a product:

    DRAFT --> PROPOSED --> APPROVED
      |          +--> DRAFT          sent back, with the reason
      +--> WITHDRAWN <--+

APPROVED is the end: terms in force are never changed, a later version takes their place from its own date on.

An authorisation:

    ACTIVE --> SUSPENDED --> ACTIVE
       +--> ENDED <--+               used up, expired, drug changed, withdrawn, person died
"""

from __future__ import annotations

from django.db import models
from django_fsm import FSMField, transition

from core.transitions import StatefulRow


class TermsState(models.TextChoices):
    DRAFT = "DRAFT"
    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    WITHDRAWN = "WITHDRAWN"


class TermsFlow(StatefulRow):
    state = FSMField(choices=TermsState, default=TermsState.DRAFT, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=TermsState.DRAFT, target=TermsState.PROPOSED)
    def propose(self) -> None:
        """Ready for the second person."""

    @transition(field=state, source=TermsState.PROPOSED, target=TermsState.DRAFT)
    def send_back(self) -> None:
        """The second person asks for changes."""

    @transition(field=state, source=TermsState.PROPOSED, target=TermsState.APPROVED)
    def approve(self) -> None:
        """In force from `effective_from` on, whatever was approved before for that day."""

    @transition(field=state, source=(TermsState.DRAFT, TermsState.PROPOSED), target=TermsState.WITHDRAWN)
    def withdraw(self) -> None:
        """Never to be used."""


class AuthorisationState(models.TextChoices):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"


class AuthorisationFlow(StatefulRow):
    state = FSMField(choices=AuthorisationState, default=AuthorisationState.ACTIVE, protected=True)

    class Meta:
        abstract = True

    @transition(field=state, source=AuthorisationState.ACTIVE, target=AuthorisationState.SUSPENDED)
    def suspend(self) -> None:
        """A person has to look first: re-evaluation is due, recovery is under way."""

    @transition(field=state, source=AuthorisationState.SUSPENDED, target=AuthorisationState.ACTIVE)
    def resume(self) -> None:
        """The next cycle may be asked for again."""

    @transition(
        field=state, source=(AuthorisationState.ACTIVE, AuthorisationState.SUSPENDED), target=AuthorisationState.ENDED
    )
    def end(self) -> None:
        """No further cycle."""


class ConfirmationMode(models.TextChoices):
    """When the insurer's confirmation binds: product data."""

    BEFORE_HANDOVER = "BEFORE_HANDOVER"  # The pick-up code becomes usable after CONFIRMED.
    DELEGATED = "DELEGATED"  # Pre-review binds the insurer within its rule pack and amount.
    AFTER = "AFTER"  # Handed over first; the platform carries the risk.
    REIMBURSE = "REIMBURSE"  # The patient has paid.


class ClaimKind(models.TextChoices):
    FIRST = "FIRST"
    RENEWAL = "RENEWAL"  # One cycle more of a running authorisation.


class DocumentKind(models.TextChoices):
    ID_CARD = "ID_CARD"
    POLICY = "POLICY"
    PRESCRIPTION = "PRESCRIPTION"
    DIAGNOSIS_CERTIFICATE = "DIAGNOSIS_CERTIFICATE"
    PATHOLOGY = "PATHOLOGY"
    GENE_TEST = "GENE_TEST"
    TREATMENT_RECORD = "TREATMENT_RECORD"
    INVOICE = "INVOICE"
    BASIC_INSURANCE_SLIP = "BASIC_INSURANCE_SLIP"
    OTHER = "OTHER"


class PolicyState(models.TextChoices):
    IN_FORCE = "IN_FORCE"
    LAPSED = "LAPSED"  # Premium unpaid; grace may still run.
    CANCELLED = "CANCELLED"


class Relation(models.TextChoices):
    SELF = "SELF"
    SPOUSE = "SPOUSE"
    CHILD = "CHILD"
    PARENT = "PARENT"


class BenefitKind(models.TextChoices):
    """What of a policy is counted, per person and policy year."""

    DEDUCTIBLE = "DEDUCTIBLE"
    DRUG_CAP = "DRUG_CAP"
    CATEGORY_CAP = "CATEGORY_CAP"
    ANNUAL_CAP = "ANNUAL_CAP"
    SUM_INSURED = "SUM_INSURED"


class BenefitMoveKind(models.TextChoices):
    HOLD = "HOLD"  # A claim in flight.
    RELEASE = "RELEASE"  # It ended without payment.
    USE = "USE"  # It was confirmed: held becomes used.
    GIVE_BACK = "GIVE_BACK"  # Confirmed, then undone.
    IMPORT = "IMPORT"  # What was used before this platform knew the policy.
