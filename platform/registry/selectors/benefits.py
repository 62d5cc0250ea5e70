"""What is left of deductible and caps, and which policy year a day belongs to."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from registry.models import BenefitAccount, BenefitMove, Policy


def policy_year_from(*, policy: Policy, on: date) -> date:
    """First day of the policy year that `on` belongs to. Days of grace belong to the last year, earlier ones to the
    first; 29 February is kept on 1 March where there is none."""
    day = max(policy.starts_on, min(on, policy.ends_on))
    begins = _anniversary(policy.starts_on, day.year)
    return begins if begins <= day else _anniversary(policy.starts_on, day.year - 1)


def benefit_accounts_of(*, policy: Policy, person_id: UUID) -> list[BenefitAccount]:
    """The counts of one person on a policy, by kind, key and year."""
    return list(policy.benefits.filter(person_id=person_id).order_by("kind", "key", "year_from"))


def benefit_moves_of(*, cause_id: UUID) -> list[BenefitMove]:
    """What a claim has held, used, released and given back, in order."""
    return list(BenefitMove.objects.select_related("account").filter(cause_id=cause_id).order_by("at", "id"))


def _anniversary(starts_on: date, year: int) -> date:
    try:
        return starts_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
