"""Policies, and what one covers on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from registry.models import Policy, PolicyMember
from registry.selectors.products import product_day
from registry.states import PolicyState
from registry.terms import TermsOfProduct


@dataclass(frozen=True, slots=True)
class Cover:
    """`waiting_until` is the last day of waiting, None when none of it is left on the day asked for."""

    member: PolicyMember | None
    in_force: bool
    in_grace: bool
    waiting_until: date | None

    @property
    def covers(self) -> bool:
        return self.member is not None and (self.in_force or self.in_grace) and self.waiting_until is None


def policies_of(*, person_id: UUID) -> list[Policy]:
    """Policies the person is on, the latest first."""
    return list(
        Policy.objects.select_related("product", "organisation")
        .filter(members__person_id=person_id)
        .order_by("-starts_on", "policy_no")
    )


def cover_on(*, policy: Policy, person_id: UUID, on: date | datetime, terms: TermsOfProduct) -> Cover:
    """What the policy is to the person on a day; a moment is taken as its day in the product's time zone.

    Waiting days count from the first day of the unbroken row of renewals, or from the member's own first day when he
    joined later: of 30 waiting days from 1 January, 30 January is the last. Grace follows the last day of cover. A
    cancelled policy covers nothing by itself: what happened before its end is for a person to look at.
    """
    day = product_day(product=policy.product, now=on) if isinstance(on, datetime) else on
    member = policy.members.select_related("person").filter(person_id=person_id).first()
    if member is None or policy.state == PolicyState.CANCELLED:
        return Cover(member, in_force=False, in_grace=False, waiting_until=None)
    begins = max(policy.starts_on, member.starts_on)
    died_on, leaves_on = member.person.died_on, member.ends_on
    gone = (died_on is not None and day > died_on) or (leaves_on is not None and day > leaves_on)
    in_force = not gone and begins <= day <= policy.ends_on
    in_grace = not gone and policy.ends_on < day <= policy.ends_on + timedelta(days=terms.grace_days)
    joined_later = member.starts_on > policy.starts_on
    waits_from = member.starts_on if joined_later else policy.first_started_on
    last = waits_from + timedelta(days=terms.waiting_days - 1)
    return Cover(member, in_force, in_grace, last if terms.waiting_days and day <= last else None)
