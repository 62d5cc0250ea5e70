"""Versions of a product's terms: drafted by one, approved by another, and what an approval would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.transitions import write_many
from registry.models import Authorisation, Drug, Policy, Product, Terms
from registry.selectors.terms import terms_read
from registry.states import AuthorisationState, PolicyState, TermsState
from registry.terms import TermsInvalid, TermsOfProduct, parse


class TermsMoved(Conflict):
    code = "terms_moved"
    title = "The terms changed while you looked at them"
    detail = "{product} v{number} is {state} now, by {by}. Nothing of yours was stored."
    detail_zh = "您查看期间，{product} 第 {number} 版条款已变为 {state}（{by}）。您的操作未保存。"
    fix = "Look at them as they are now, and act again if that is still right."
    fix_zh = "请查看最新内容；如仍需处理，请重新操作。"


class TermsNeedAnother(Problem):
    code = "terms_need_another"
    status = 403
    title = "Nobody approves his own terms"
    detail = "{by} drafted {product} v{number} and cannot approve them."
    detail_zh = "{product} 第 {number} 版条款由 {by} 起草，本人不能批准。"
    fix = "Ask a colleague to look at them."
    fix_zh = "请由同事审核批准。"


class TermsOfAnother(Problem):
    code = "terms_of_another"
    status = 403
    title = "A draft is changed by whoever drafted it"
    detail = "{product} v{number} was drafted by {drafted_by}."
    detail_zh = "{product} 第 {number} 版条款由 {drafted_by} 起草，仅其本人可修改。"
    fix = "Ask that colleague, or draft a version of your own."
    fix_zh = "请联系起草人，或另起草一个版本。"


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter that differs, as it was and as it would be."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Impact:
    """What an approval would change from `effective_from` on. Claims in flight are not visible from here."""

    compared_with: int | None
    listed: tuple[str, ...]
    delisted: tuple[str, ...]
    changes: tuple[Change, ...]
    policies: int
    authorisations_of_delisted: Mapping[str, int]
    authorisations_end: bool

    @property
    def nothing(self) -> bool:
        return self.compared_with is not None and not (self.listed or self.delisted or self.changes)


def terms_draft(
    *,
    product_code: str,
    effective_from: date,
    body: Mapping[str, Any],
    by: str,
    now: datetime,
    trace_id: str,
    note: str = "",
) -> Terms:
    """A new version, in DRAFT. Raises NotFound, TermsInvalid."""
    _read_checked(body)
    with transaction.atomic():
        product = Product.objects.select_for_update().filter(code=product_code).first()
        if product is None:
            raise NotFound(noun="product", noun_zh="产品", key=product_code)
        latest = Terms.objects.filter(product=product).order_by("-number").values_list("number", flat=True).first()
        terms = Terms(
            id=uuid7(now),
            product=product,
            organisation_id=product.organisation_id,
            number=(latest or 0) + 1,
            effective_from=effective_from,
            body=dict(body),
            note=note,
            drafted_by=by,
            state_at=now,
            state_by=by,
            trace_id=trace_id,
        )
        terms.save(force_insert=True)
    return terms


@transaction.atomic
def terms_change(
    *,
    terms_id: UUID,
    version: int,
    by: str,
    now: datetime,
    body: Mapping[str, Any] | None = None,
    effective_from: date | None = None,
    note: str | None = None,
) -> Terms:
    """Another content of a draft, by its drafter. Raises NotFound, TermsMoved, TermsOfAnother, TermsInvalid."""
    terms = _locked(terms_id, version, TermsState.DRAFT)
    if terms.drafted_by != by:
        raise TermsOfAnother(product=terms.product_id, number=terms.number, drafted_by=terms.drafted_by)
    if body is not None:
        _read_checked(body)
        terms.body = dict(body)
    terms.effective_from = effective_from or terms.effective_from
    terms.note = terms.note if note is None else note
    write_many([terms], fields=["body", "effective_from", "note"])
    return terms


@transaction.atomic
def terms_propose(*, terms_id: UUID, version: int, by: str, now: datetime, trace_id: str) -> Terms:
    """Ready for the second person. Raises NotFound, TermsMoved."""
    terms = _locked(terms_id, version, TermsState.DRAFT)
    terms.propose()
    return _moved(terms, by, now, trace_id)


@transaction.atomic
def terms_send_back(*, terms_id: UUID, version: int, reason: str, by: str, now: datetime, trace_id: str) -> Terms:
    """The second person asks for changes. Raises NotFound, TermsMoved."""
    terms = _locked(terms_id, version, TermsState.PROPOSED)
    terms.send_back()
    return _moved(terms, by, now, trace_id, reason=reason)


@transaction.atomic
def terms_approve(*, terms_id: UUID, version: int, by: str, now: datetime, trace_id: str) -> Terms:
    """In force from their day on, and fixed. Raises NotFound, TermsMoved, TermsNeedAnother, TermsInvalid."""
    terms = _locked(terms_id, version, TermsState.PROPOSED)
    if terms.drafted_by == by:
        raise TermsNeedAnother(by=by, product=terms.product_id, number=terms.number)
    _read_checked(terms.body)
    terms.approve()
    terms.approved_by, terms.approved_at = by, now
    return _moved(terms, by, now, trace_id, "approved_by", "approved_at")


@transaction.atomic
def terms_withdraw(*, terms_id: UUID, version: int, reason: str, by: str, now: datetime, trace_id: str) -> Terms:
    """Never to be used. Raises NotFound, TermsMoved."""
    terms = _locked(terms_id, version, TermsState.DRAFT, TermsState.PROPOSED)
    terms.withdraw()
    return _moved(terms, by, now, trace_id, reason=reason)


def terms_impact(*, terms: Terms) -> Impact:
    """What these terms change against those that would be in force on their first day without them."""
    read = parse(terms.body)
    others = Terms.objects.filter(product_id=terms.product_id, state=TermsState.APPROVED).exclude(pk=terms.pk)
    in_force = others.filter(effective_from__lte=terms.effective_from)
    before = in_force.order_by("-effective_from", "-number").first()
    earlier = terms_read(terms=before) if before is not None else None
    had = {one.drug for one in earlier.drugs} if earlier is not None else set()
    has = {one.drug for one in read.drugs}
    running: dict[str, int] = dict.fromkeys(sorted(had - has), 0)
    found = Authorisation.objects.filter(
        policy__product_id=terms.product_id, drug_id__in=running, valid_until__gte=terms.effective_from
    ).exclude(state=AuthorisationState.ENDED)
    for drug in found.values_list("drug_id", flat=True):
        running[drug] += 1
    policies = Policy.objects.filter(product_id=terms.product_id, ends_on__gte=terms.effective_from)
    return Impact(
        compared_with=before.number if before is not None else None,
        listed=tuple(sorted(has - had)),
        delisted=tuple(running),
        changes=_changes(earlier, read) if earlier is not None else (),
        policies=policies.exclude(state=PolicyState.CANCELLED).count(),
        authorisations_of_delisted=running,
        authorisations_end=read.running_on_delisting == "end",
    )


def _changes(before: TermsOfProduct, after: TermsOfProduct) -> tuple[Change, ...]:
    changes = [
        Change(field.name, str(getattr(before, field.name)), str(getattr(after, field.name)))
        for field in fields(TermsOfProduct)
        if field.name != "drugs" and getattr(before, field.name) != getattr(after, field.name)
    ]
    for one in after.drugs:
        earlier = before.listed(one.drug)
        if earlier is not None:
            changes += [
                Change(f"{one.drug}.{field.name}", str(getattr(earlier, field.name)), str(getattr(one, field.name)))
                for field in fields(one)
                if getattr(earlier, field.name) != getattr(one, field.name)
            ]
    return tuple(changes)


def _read_checked(body: Mapping[str, Any]) -> TermsOfProduct:
    """The terms, all of whose drugs stand in the catalogue. Raises TermsInvalid."""
    read = parse(body)
    named = {one.drug for one in read.drugs}
    known = set(Drug.objects.filter(code__in=named).values_list("code", flat=True))
    for drug in sorted(named - known):
        raise TermsInvalid(place="drugs", fault=f"{drug} is not in the catalogue")
    return read


def _locked(terms_id: UUID, version: int, *states: TermsState) -> Terms:
    terms = Terms.objects.select_for_update().filter(pk=terms_id).first()
    if terms is None:
        raise NotFound(noun="terms", noun_zh="条款", key=terms_id)
    if terms.version != version or terms.state not in states:
        raise TermsMoved(product=terms.product_id, number=terms.number, state=terms.state, by=terms.state_by)
    return terms


def _moved(terms: Terms, by: str, now: datetime, trace_id: str, *fields_too: str, reason: str = "") -> Terms:
    terms.moved(now=now, by=by, reason=reason)
    terms.trace_id = trace_id
    write_many([terms], fields=["state", "trace_id", *fields_too])
    return terms
