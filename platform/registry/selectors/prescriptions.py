"""Prescriptions, and whether one may be filled."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from registry.models import Drug, Prescription


def prescription_by_id(*, prescription_id: UUID) -> Prescription | None:
    return Prescription.objects.select_related("drug").filter(pk=prescription_id).first()


def prescriptions_of(*, person_id: UUID) -> list[Prescription]:
    found = Prescription.objects.select_related("drug").filter(person_id=person_id)
    return list(found.order_by("-issued_on", "-id"))


def prescription_fault(*, prescription: Prescription, drug: Drug, on: date) -> str | None:
    """Why it cannot be filled with `drug` on that day: other_drug, not_yet_issued, expired, filled_up, too_soon.

    None when it can. It is valid through its last day; the interval counts from the last filling.
    """
    if prescription.drug_id != drug.pk:
        return "other_drug"
    if on < prescription.issued_on:
        return "not_yet_issued"
    if on > prescription.valid_until:
        return "expired"
    if prescription.filled > prescription.repeats:
        return "filled_up"
    if prescription.last_filled_on is not None:
        next_on = prescription.last_filled_on + timedelta(days=prescription.minimum_interval_days)
        if on < next_on:
            return "too_soon"
    return None
