"""What an authorisation still allows, and from when."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from registry.models import Authorisation, Policy
from registry.states import AuthorisationState
from registry.terms import WHOLE_BASIS_POINTS


def authorisation_by_id(*, authorisation_id: UUID) -> Authorisation | None:
    return Authorisation.objects.filter(pk=authorisation_id).first()


def authorisation_running(*, policy: Policy, person_id: UUID, drug_code: str) -> Authorisation | None:
    """The one that is not ended, suspended ones too."""
    found = Authorisation.objects.filter(policy=policy, person_id=person_id, drug_id=drug_code)
    return found.exclude(state=AuthorisationState.ENDED).first()


def authorisations_of(*, person_id: UUID) -> list[Authorisation]:
    found = Authorisation.objects.select_related("drug", "policy").filter(person_id=person_id)
    return list(found.order_by("-valid_from", "-id"))


def authorisation_fault(*, authorisation: Authorisation, on: date, quantity: int) -> str | None:
    """Why no cycle of `quantity` units can be asked for on that day: suspended, ended, not_begun, expired, used_up,
    dose_changed. None when it can."""
    if authorisation.state != AuthorisationState.ACTIVE:
        return str(authorisation.state).lower()
    if on < authorisation.valid_from:
        return "not_begun"
    if on > authorisation.valid_until:
        return "expired"
    if authorisation.cycles_used >= authorisation.cycles:
        return "used_up"
    usual = authorisation.quantity_per_cycle
    changed = abs(quantity - usual) * WHOLE_BASIS_POINTS
    return "dose_changed" if changed > usual * authorisation.dose_change_basis_points else None


def supplied_until(*, authorisation: Authorisation) -> date | None:
    """The first day for which nothing is left of what was picked up, charity boxes included; None before the first."""
    if authorisation.last_supply_on is None:
        return None
    return authorisation.last_supply_on + timedelta(days=authorisation.last_supply_days)


def refill_from(*, authorisation: Authorisation, early_refill_days: int) -> date | None:
    """The first day on which the next cycle may be asked for; None when nothing was picked up yet."""
    until = supplied_until(authorisation=authorisation)
    return None if until is None else until - timedelta(days=early_refill_days)


def re_evaluation_due(*, authorisation: Authorisation) -> bool:
    """Whether the next cycle needs the materials again."""
    used = authorisation.cycles_used
    return used > 0 and used % authorisation.re_evaluate_after_cycles == 0


def cycle_is_charity(*, authorisation: Authorisation, cycle_no: int) -> bool:
    """Whether that cycle comes from charity: of "paid n, free m", the m after each n."""
    paid, free = authorisation.charity_paid_cycles, authorisation.charity_free_cycles
    return bool(free) and (cycle_no - 1) % (paid + free) >= paid
