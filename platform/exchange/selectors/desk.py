"""Who is on call in a hospital's back office, from which amount on four eyes look, and what waits for them."""

from __future__ import annotations

from django.db.models import QuerySet

from exchange.models import BackOffice, Bill, DeskAct, Ruling

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


def rulings_waiting() -> QuerySet[Ruling]:
    """Proposed rulings that lack their second name, oldest first. Whose: row security and the portal's fence say."""
    rows = Ruling.objects.filter(closed_at__isnull=True).select_related("transaction__bill")
    return rows.order_by("proposed_at", "pk")


def acts_waiting() -> QuerySet[DeskAct]:
    """The desk's acts that lack their second name, oldest first."""
    rows = DeskAct.objects.filter(closed_at__isnull=True).select_related("transaction__bill")
    return rows.order_by("proposed_at", "pk")


def bills_wrong() -> QuerySet[Bill]:
    """Bills at rest that do not add up, and those whose refund became too much; oldest first."""
    rows = Bill.objects.exclude(unsquare_since__isnull=True, cash_short_minor=0)
    return rows.order_by("created_at", "pk")


def bills_owing() -> QuerySet[Bill]:
    """Bills that owe their patients cash, oldest first."""
    return Bill.objects.filter(refund_due_minor__gt=0).order_by("refund_due_since", "pk")
