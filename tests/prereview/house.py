"""A filed claim before the pre-review, made through the services on the registry's shelf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import Organisation, User
from accounts.services import organisation_create, user_create
from accounts.states import OrganisationKind, Role
from claims.models import Claim
from claims.services.drafts import ClaimDraft, LineDraft, claim_draft, claim_submit
from core.ids import new_trace_id
from prereview.services.take import claim_take
from registry.models import Prescription
from registry.states import ClaimKind
from tests.registry.house import NOW, TODAY, Shelf, prescription_of

PASSWORD = "correct-horse-47-staple"


def platform_of() -> Organisation:
    return organisation_create(
        code="PLATFORM", kind=OrganisationKind.PLATFORM, name="Platform", name_zh="平台", actor="platform", now=NOW
    )


def reviewer(home: Organisation, username: str, *roles: Role) -> User:
    return user_create(
        username=username,
        display_name=username.title(),
        organisation_id=home.pk,
        roles=roles or (Role.REVIEWER,),
        password=PASSWORD,
        actor="platform",
        now=NOW,
    )


@dataclass(frozen=True)
class Desk:
    """Two reviewers, a supervisor, and whoever has no business here."""

    shelf: Shelf
    home: Organisation
    lin: User
    mei: User
    tang: User


def make_desk(shelf: Shelf) -> Desk:
    home = platform_of()
    return Desk(
        shelf=shelf,
        home=home,
        lin=reviewer(home, "lin"),
        mei=reviewer(home, "mei"),
        tang=reviewer(home, "tang", Role.REVIEWER, Role.REVIEW_SUPERVISOR),
    )


def draft_of(shelf: Shelf, prescription: Prescription | None = None, **changes: Any) -> ClaimDraft:
    """Two boxes of 5,000.00: basic insurance has paid 4,000.00, other 1,000.00 of them. 80 % of the rest is payable."""
    prescription = prescription or prescription_of(shelf.person, shelf.drug, quantity=2)
    values: dict[str, Any] = {
        "person_id": shelf.person.pk,
        "policy_id": shelf.policy.pk,
        "drug_code": shelf.drug.pk,
        "kind": ClaimKind.FIRST,
        "lines": (LineDraft(quantity=2, unit_price_minor=500_000, basic_minor=400_000, other_minor=100_000),),
        "icd10": "C50.9",
        "diagnosed_on": TODAY.replace(month=6),
        "service_on": TODAY,
        "days_of_supply": 21,
        "prescription_id": prescription.pk,
    }
    return ClaimDraft(**(values | changes))


def filed(shelf: Shelf, prescription: Prescription | None = None, **changes: Any) -> Claim:
    """A claim in SUBMITTED. The shelf's terms ask for no papers unless a test says so."""
    trace_id = new_trace_id()
    draft = draft_of(shelf, prescription, **changes)
    claim = claim_draft(draft=draft, by="patient:1", now=NOW, trace_id=trace_id)
    return claim_submit(claim_id=claim.pk, by="patient:1", now=NOW, trace_id=trace_id)


def taken(shelf: Shelf, prescription: Prescription | None = None, **changes: Any) -> Claim:
    """A claim whose rules have run."""
    claim = filed(shelf, prescription, **changes)
    claim_take(claim_id=claim.pk, now=NOW, trace_id=new_trace_id())
    return fresh(claim.pk)


def fresh(claim_id: UUID) -> Claim:
    return Claim.objects.get(pk=claim_id)
