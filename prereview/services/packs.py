"""Rule packs: drafted by one, proven by their own cases, published by another."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.services import audit_write
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from core.transitions import write_many
from prereview.models import RulePack
from prereview.rules.packs import cases_read, pack_prove, pack_read
from prereview.states import PackState
from registry.selectors.products import product_by_code

FAULTS_SHOWN = 20


class PackFails(Problem):
    code = "pack_fails_its_cases"
    status = 422
    title = "The pack fails by its own cases"
    detail = "{count} of its promises do not hold: {faults}."
    detail_zh = "规则包有 {count} 项自带用例未通过：{faults}。"
    fix = "Correct the rules or the cases; the published pack still counts."
    fix_zh = "请更正规则或用例；已发布的规则包继续生效。"


class PackMoved(Conflict):
    code = "pack_moved"
    title = "The pack was changed meanwhile"
    detail = "Pack {number} of {product} is {state}, version {current}."
    detail_zh = "产品 {product} 的第 {number} 版规则包现为 {state}（版本 {current}）。"
    fix = "Open it again and decide then."
    fix_zh = "请重新打开后再作决定。"


class PackNeedsAnother(Problem):
    code = "pack_needs_another"
    status = 403
    title = "Another person publishes"
    detail = "{by} drafted this pack."
    detail_zh = "该规则包由 {by} 起草。"
    fix = "Ask a colleague to look and publish it."
    fix_zh = "请由另一位同事审阅并发布。"


@transaction.atomic
def pack_draft(
    *,
    product_code: str,
    body: dict[str, Any],
    cases: list[dict[str, Any]],
    note: str,
    by: str,
    now: datetime,
    trace_id: str,
) -> RulePack:
    """A new version, in DRAFT: readable, not yet proven. Raises NotFound, PackInvalid."""
    product = product_by_code(code=product_code)
    if product is None:
        raise NotFound(noun="product", noun_zh="产品", key=product_code)
    pack_read(body)
    cases_read(cases)
    last = RulePack.objects.filter(product_id=product_code).aggregate(last=Max("number"))["last"]
    return RulePack.objects.create(
        id=uuid7(now),
        product_id=product_code,
        organisation_id=product.organisation_id,
        number=(last or 0) + 1,
        body=body,
        cases=cases,
        note=note,
        drafted_by=by,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
    )


@transaction.atomic
def pack_publish(*, pack_id: UUID, version: int, by: str, now: datetime, trace_id: str) -> RulePack:
    """It counts from now on, the one before is retired.

    Raises NotFound, PackMoved, PackNeedsAnother, PackFails with the cases that do not hold.
    """
    pack = _locked(pack_id, version)
    if by == pack.drafted_by:
        raise PackNeedsAnother(by=by)
    faults = pack_prove(pack_read(pack.body), cases_read(pack.cases))
    if faults:
        raise PackFails(count=len(faults), faults="; ".join(faults[:FAULTS_SHOWN]))
    others = RulePack.objects.select_for_update().filter(product_id=pack.product_id, state=PackState.PUBLISHED)
    for before in others.order_by("number"):
        before.retire()
        _moved(before, by, now, trace_id)
    pack.publish()
    pack.published_by, pack.published_at = by, now
    _moved(pack, by, now, trace_id)
    audit_write(
        actor=by, organisation_id=pack.organisation_id, action="rule_pack.published", subject=str(pack), now=now
    )
    return pack


@transaction.atomic
def pack_withdraw(*, pack_id: UUID, version: int, by: str, now: datetime, trace_id: str) -> RulePack:
    """A draft that is never to be used. Raises NotFound, PackMoved."""
    pack = _locked(pack_id, version)
    pack.withdraw()
    _moved(pack, by, now, trace_id)
    return pack


def _locked(pack_id: UUID, version: int) -> RulePack:
    pack = RulePack.objects.select_for_update().filter(pk=pack_id).first()
    if pack is None:
        raise NotFound(noun="rule pack", noun_zh="规则包", key=pack_id)
    if pack.version != version or pack.state != PackState.DRAFT:
        raise PackMoved(number=pack.number, product=pack.product_id, state=pack.state, current=pack.version)
    return pack


def _moved(pack: RulePack, by: str, now: datetime, trace_id: str) -> None:
    pack.trace_id = trace_id
    pack.moved(now=now, by=by)
    write_many([pack], fields=["state", "published_by", "published_at", "trace_id"])
