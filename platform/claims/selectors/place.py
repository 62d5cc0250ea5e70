"""Which terms count for a claim, and where its drug stands on the list that counts."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from claims.models import Claim
from registry.selectors.products import product_day
from registry.selectors.terms import ListedOn, listed_on, terms_on, terms_read

if TYPE_CHECKING:
    from registry.models import Terms


def service_day(*, claim: Claim, now: datetime) -> date:
    """The day whose terms and cover count: the one that was said, else today in the product's time zone."""
    return claim.service_on or product_day(product=claim.product, now=now)


def list_day(*, claim: Claim, now: datetime, terms: Terms | None = None) -> date | None:
    """Which date's list counts, by the terms of the day of service; None without terms."""
    on = service_day(claim=claim, now=now)
    terms = claim.terms or terms or terms_on(product_code=claim.product_id, on=on)
    if terms is None:
        return None
    rule = terms_read(terms=terms).list_date
    if rule == "prescription" and claim.prescription is not None:
        return claim.prescription.issued_on
    if rule == "submission":
        return product_day(product=claim.product, now=claim.submitted_at or now)
    return on


def place_of(*, claim: Claim, now: datetime, terms: Terms | None = None) -> ListedOn | None:
    """The drug's place on the list that counts; a running authorisation may carry it over a delisting.

    `terms`: those of the day of service, where the caller has just read them.
    """
    on = list_day(claim=claim, now=now, terms=terms)
    if on is None:
        return None
    since = claim.authorisation.valid_from if claim.authorisation is not None else None
    known = terms if on == service_day(claim=claim, now=now) else None
    return listed_on(product_code=claim.product_id, drug_code=claim.drug_id, on=on, authorised_on=since, terms=known)
