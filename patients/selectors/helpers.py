"""Who helps whom, and who was asked to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from core.clock import local_day
from core.crypto import unseal
from patients.models import HelperGrant


@dataclass(frozen=True, slots=True)
class Invitation:
    grant_id: UUID
    scopes: tuple[str, ...]
    until: date
    invited_at: datetime


def helpers_of(*, person_id: UUID) -> QuerySet[HelperGrant]:
    """Grants of that person, also those that have ended; the latest first."""
    return HelperGrant.objects.filter(person_id=person_id).order_by("-id")


def helper_name(*, grant: HelperGrant) -> str:
    """What the patient calls the helper. Raises core.crypto.SealBroken."""
    return unseal(grant.sealed_name, context=name_context(grant.pk)).decode()


def name_context(grant_id: UUID) -> str:
    return f"helper:{grant_id}:name"


def invitations_of(*, account_id: UUID, now: datetime) -> list[Invitation]:
    """What this account's number was invited to and has not accepted. By whom is told after it has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT grant_id, scopes, until, invited_at FROM patients_invitations(%s, %s)",
            [account_id, local_day(now)],
        )
        return [Invitation(row[0], tuple(json.loads(row[1])), row[2], row[3]) for row in cursor.fetchall()]
