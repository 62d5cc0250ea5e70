"""Who is on call in a hospital's back office, and from which amount on four eyes look."""

from __future__ import annotations

from exchange.models import BackOffice

# Nobody is named: the platform's operators own it.
OPERATIONS = "operations"


def on_call_of(organisation_id: int) -> str:
    """Who owns what needs a person: the name to sign in with, or `operations`."""
    found = BackOffice.objects.filter(organisation_id=organisation_id, on_call__isnull=False)
    return found.values_list("on_call__username", flat=True).first() or OPERATIONS


def four_eyes_minor_of(organisation_id: int) -> int:
    """From this amount (minor units) on a second person confirms."""
    found = BackOffice.objects.filter(organisation_id=organisation_id).values_list("four_eyes_minor", flat=True).first()
    return int(BackOffice._meta.get_field("four_eyes_minor").default) if found is None else found
