"""The terms of a product on a day."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from registry.models import Terms
from registry.states import TermsState
from registry.terms import Listed, TermsOfProduct, parse

REMEMBERED = 200
_read: OrderedDict[UUID, TermsOfProduct] = OrderedDict()


@dataclass(frozen=True, slots=True)
class ListedOn:
    """A drug's place on the list that counts for it, and the terms that list is part of."""

    terms: Terms
    listed: Listed


def terms_on(*, product_code: str, on: date) -> Terms | None:
    """The approved terms in force on that day: the latest `effective_from` not after it, then the highest number."""
    approved = Terms.objects.filter(product_id=product_code, state=TermsState.APPROVED, effective_from__lte=on)
    return approved.order_by("-effective_from", "-number").first()


def terms_read(*, terms: Terms) -> TermsOfProduct:
    """The typed terms; approved ones never change and are remembered by this process."""
    known = _read.get(terms.pk)
    if known is not None:
        _read.move_to_end(terms.pk)
        return known
    value = parse(terms.body)
    if terms.state == TermsState.APPROVED:
        _read[terms.pk] = value
        while len(_read) > REMEMBERED:
            _read.popitem(last=False)
    return value


def listed_on(
    *, product_code: str, drug_code: str, on: date, authorised_on: date | None = None, terms: Terms | None = None
) -> ListedOn | None:
    """Where the drug stands on the list of that day; None when it does not.

    `authorised_on`: the first day of a running authorisation. A drug that has left the list since stays, by the list of
    that first day, where the terms of `on` say that running authorisations continue. `terms`: those of `on`, where the
    caller has just read them.
    """
    terms = terms or terms_on(product_code=product_code, on=on)
    if terms is None:
        return None
    read = terms_read(terms=terms)
    listed = read.listed(drug_code)
    if listed is not None:
        return ListedOn(terms, listed)
    if authorised_on is None or authorised_on > on or read.running_on_delisting != "continue":
        return None
    return listed_on(product_code=product_code, drug_code=drug_code, on=authorised_on)
