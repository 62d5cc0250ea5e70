"""Who has a claim open for work: one person at a time, for a while, renewed by looking at it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from claims.models import ClaimLease
from claims.services.desk import claim_lock, lease_respect
from claims.states import Stage

LEASE: Final = timedelta(minutes=20)


@transaction.atomic
def lease_take(*, claim_id: UUID, stage: Stage, holder: str, holder_name: str, now: datetime) -> ClaimLease:
    """The claim is `holder`'s (name for sign-in) for twenty minutes from now on. Raises ClaimHeld, NotFound."""
    claim = claim_lock(claim_id=claim_id)
    lease_respect(claim=claim, by=holder, now=now)
    values = {"holder": holder, "holder_name": holder_name, "stage": stage, "until": now + LEASE}
    lease, _ = ClaimLease.objects.update_or_create(claim=claim, defaults=values)
    return lease


@transaction.atomic
def lease_give_back(*, claim_id: UUID, holder: str) -> None:
    """Others may open it. A lease that is somebody else's by now stays."""
    claim_lock(claim_id=claim_id)
    ClaimLease.objects.filter(pk=claim_id, holder=holder).delete()
