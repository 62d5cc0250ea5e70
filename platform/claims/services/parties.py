"""Which pharmacy sees a claim: the one that its order is offered to, and no other any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from claims.models import ClaimParty
from claims.states import PartyRole


@transaction.atomic
def claim_pharmacy_set(*, claim_id: UUID, organisation_id: int | None, now: datetime) -> None:
    """From `now` on that pharmacy sees the claim; None: no pharmacy does. Needs the platform's sight."""
    rows = ClaimParty.objects.filter(claim_id=claim_id, role=PartyRole.PHARMACY)
    gone = rows.filter(until=None)
    (gone if organisation_id is None else gone.exclude(organisation_id=organisation_id)).update(until=now)
    if organisation_id is not None:
        ClaimParty.objects.update_or_create(
            claim_id=claim_id,
            organisation_id=organisation_id,
            role=PartyRole.PHARMACY,
            defaults={"until": None},
            create_defaults={"since": now},
        )
