"""The only readers of claims for others. Each says whose; row-level security stands behind it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.selectors import Seen, organisations_seen_by
from claims.models import Claim, Decision, MaterialsRequest
from claims.states import ClaimState, PartyRole

if TYPE_CHECKING:
    from accounts.models import User

SHOWN = ("product", "policy", "person", "drug", "organisation", "terms")


def claims_visible_to(*, user: User) -> QuerySet[Claim]:
    """Filed claims that the user's organisations are parties of; all claims but drafts for the platform."""
    return _filed_and_seen(organisations_seen_by(user=user))


def claims_of_organisation(*, organisation_id: int) -> QuerySet[Claim]:
    """Filed claims that a program of the organisation may read: those it is a party of."""
    return _filed_and_seen([organisation_id])


def claims_worked_by(*, user: User) -> QuerySet[Claim]:
    """Of these, those on which the user's organisation decides: as lead insurer, or as its administrator."""
    seen = organisations_seen_by(user=user)
    visible = claims_visible_to(user=user)
    if isinstance(seen, str):
        return visible
    roles = (PartyRole.LEAD_INSURER, PartyRole.ADMINISTRATOR)
    working = Q(parties__organisation_id__in=seen, parties__role__in=roles, parties__until__isnull=True)
    return visible.filter(working).distinct()


def claims_of_persons(*, person_ids: Collection[UUID]) -> QuerySet[Claim]:
    """Their claims, drafts too, the latest first."""
    return Claim.objects.select_related(*SHOWN).filter(person_id__in=person_ids).order_by("-created_at", "-id")


def claim_of_cycle(*, authorisation_id: UUID, cycle_no: int) -> Claim | None:
    """The confirmed claim of that cycle, paid or not, if this database transaction sees it."""
    confirmed = Q(state__in=(ClaimState.CONFIRMED, ClaimState.PARTLY_CONFIRMED)) | Q(
        state=ClaimState.CLOSED, confirmed_minor__gt=0
    )
    rows = Claim.objects.select_related(*SHOWN).filter(confirmed, authorisation_id=authorisation_id, cycle_no=cycle_no)
    return rows.order_by("-decided_at").first()


def claim_by_no(*, claim_no: str) -> Claim | None:
    """The claim of that number, if this database transaction sees it."""
    return Claim.objects.select_related(*SHOWN).filter(claim_no=claim_no).first()


def claim_by_id(*, claim_id: UUID) -> Claim | None:
    """The claim with all that it stands on, if this database transaction sees it."""
    return Claim.objects.select_related(*SHOWN, "prescription", "authorisation").filter(pk=claim_id).first()


def decisions_of(*, claim: Claim) -> list[Decision]:
    """The latest first."""
    return list(claim.decisions.order_by("-at", "-id"))


def insurers_of(*, claim: Claim) -> list[tuple[int, int]]:
    """(organisation, basis points of the payable) of the insurers that bear the claim now, the lead first."""
    roles = (PartyRole.LEAD_INSURER, PartyRole.CO_INSURER)
    rows = claim.parties.filter(role__in=roles, until__isnull=True).order_by("-role", "organisation_id")
    return list(rows.values_list("organisation_id", "basis_points"))


def decisions_by_id(*, ids: Collection[UUID]) -> list[Decision]:
    """Those of `ids` that are decisions which this database transaction sees."""
    return list(Decision.objects.filter(pk__in=ids))


def materials_requests_of(*, claim: Claim) -> list[MaterialsRequest]:
    """The latest first; the open one, if any, is it."""
    return list(claim.materials_requests.order_by("-number"))


def _filed_and_seen(seen: Seen) -> QuerySet[Claim]:
    filed = Claim.objects.select_related(*SHOWN).exclude(submitted_at__isnull=True)
    if isinstance(seen, str):
        return filed
    return filed.filter(Q(parties__organisation_id__in=seen, parties__until__isnull=True)).distinct()


def claims_matching(*, user: User, term: str) -> QuerySet[Claim]:
    """Those that the user sees whose number, policy number or trace id is `term`, the latest filed first."""
    found = Q(claim_no__iexact=term) | Q(policy__policy_no=term) | Q(trace_id=term)
    return claims_visible_to(user=user).filter(found).order_by("-submitted_at")
