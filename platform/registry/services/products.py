"""Products and who carries them. What changes over time stands in their terms."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from accounts.services import audit_write
from core.errors import Conflict, Problem
from core.money import EXPONENTS
from registry.models import Product, ProductShare
from registry.terms import WHOLE_BASIS_POINTS


class ProductInvalid(Problem):
    code = "product_invalid"
    status = 422
    title = "The product cannot be offered like this"
    detail = "{explanation}"
    detail_zh = "产品信息无效：{explanation_zh}"
    fix = "Correct what the detail names; nothing was stored."
    fix_zh = "请按说明更正；本次未保存任何内容。"


class SharesFixed(Conflict):
    code = "shares_fixed"
    title = "Who carries a product does not change"
    detail = "Product {product} has been defined with another lead, other shares or another currency."
    detail_zh = "产品 {product} 的主承保人、份额或币种已确定，不能更改。"
    fix = "Define a new product; policies and claims of the old one keep their shares."
    fix_zh = "请另建新产品；原产品的保单和理赔保留原份额。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDraft:
    """`organisation_id` leads. `shares` are basis points of every payable by insurer: they sum to 10,000."""

    code: str
    organisation_id: int
    name: str
    name_zh: str
    summary: str
    summary_zh: str
    offered_from: date
    shares: Mapping[int, int]
    administrator_id: int | None = None
    offered_until: date | None = None
    time_zone: str = "Asia/Shanghai"
    currency: str = "CNY"


def product_define(*, draft: ProductDraft, by: str, now: datetime) -> Product:
    """Add a product with its shares, or change its names and dates. Raises ProductInvalid, SharesFixed."""
    _check(draft)
    with transaction.atomic():
        known = Product.objects.filter(code=draft.code).first()
        if known is not None:
            _same_check(known, draft)
        product = known or Product(code=draft.code, organisation_id=draft.organisation_id, created_at=now)
        for name in ("name", "name_zh", "summary", "summary_zh", "offered_from", "offered_until", "time_zone"):
            setattr(product, name, getattr(draft, name))
        product.administrator_id, product.currency = draft.administrator_id, draft.currency
        product.save(force_insert=known is None, force_update=known is not None)
        if known is None:
            ProductShare.objects.bulk_create(
                ProductShare(
                    product=product,
                    organisation_id=organisation_id,
                    basis_points=basis_points,
                    leads=organisation_id == draft.organisation_id,
                )
                for organisation_id, basis_points in sorted(draft.shares.items())
            )
        audit_write(
            actor=by, organisation_id=draft.organisation_id, action="product.defined", subject=draft.code, now=now
        )
    return product


def _same_check(known: Product, draft: ProductDraft) -> None:
    shares = dict(known.shares.values_list("organisation_id", "basis_points"))
    told = (draft.organisation_id, dict(draft.shares), draft.currency)
    if (known.organisation_id, shares, known.currency) != told:
        raise SharesFixed(product=draft.code)


def _check(draft: ProductDraft) -> None:
    shares = draft.shares
    if sum(shares.values()) != WHOLE_BASIS_POINTS or any(share <= 0 for share in shares.values()):
        raise ProductInvalid(
            explanation=f"The shares sum to {sum(shares.values())} basis points, not to 10,000 of positive ones.",
            explanation_zh=f"各份额均须为正且合计 10,000 基点，现为 {sum(shares.values())}。",
        )
    if draft.organisation_id not in shares:
        raise ProductInvalid(explanation="The lead insurer has no share.", explanation_zh="主承保人没有份额。")
    if draft.time_zone not in zoneinfo.available_timezones():
        raise ProductInvalid(
            explanation=f"{draft.time_zone} is no IANA time zone.",
            explanation_zh=f"{draft.time_zone} 不是有效的 IANA 时区。",
        )
    if draft.currency not in EXPONENTS:
        raise ProductInvalid(
            explanation=f"{draft.currency} is no currency of ours.", explanation_zh=f"不支持币种 {draft.currency}。"
        )
    if draft.offered_until is not None and draft.offered_until < draft.offered_from:
        raise ProductInvalid(
            explanation="It is offered no longer before it is offered.", explanation_zh="停售日早于起售日。"
        )
    for name in ("code", "name", "name_zh", "summary", "summary_zh"):
        if not getattr(draft, name).strip():
            raise ProductInvalid(explanation=f"{name} is empty.", explanation_zh=f"{name} 为空。")
