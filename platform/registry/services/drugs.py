"""The master drug catalogue: what operations write into it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction

from accounts.services import audit_write
from accounts.services.audit import NOBODY
from core.errors import Problem
from core.money import EXPONENTS
from registry.models import Drug

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{1,39}")


class DrugInvalid(Problem):
    code = "drug_invalid"
    status = 422
    title = "The drug cannot stand in the catalogue like this"
    detail = "{explanation}"
    detail_zh = "药品信息无效：{explanation_zh}"
    fix = "Correct what the detail names; nothing was stored."
    fix_zh = "请按说明更正；本次未保存任何内容。"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrugDraft:
    """One pack. `reference_price_minor` is per unit, in minor units of `currency`."""

    code: str
    national_code: str
    generic_name: str
    generic_name_zh: str
    brand: str
    brand_zh: str
    specification: str
    reference_price_minor: int
    unit: str = "box"
    origin: str = ""
    cold_chain: bool = False
    infusion_only: bool = False
    currency: str = "CNY"
    discontinued_on: date | None = None


def drug_define(*, draft: DrugDraft, by: str, now: datetime) -> Drug:
    """Add a drug or change what is known of it; its code stays. Raises DrugInvalid."""
    _check(draft)
    values = asdict(draft)
    code = values.pop("code")
    try:
        with transaction.atomic():
            drug, _ = Drug.objects.update_or_create(
                code=code, defaults=values, create_defaults={**values, "created_at": now}
            )
            audit_write(actor=by, organisation_id=NOBODY, action="drug.defined", subject=code, now=now)
    except IntegrityError:
        raise DrugInvalid(
            explanation=f"National code {draft.national_code} belongs to another drug.",
            explanation_zh=f"国家药品代码 {draft.national_code} 已属于另一药品。",
        ) from None
    return drug


def _check(draft: DrugDraft) -> None:
    if not CODE.fullmatch(draft.code):
        raise DrugInvalid(
            explanation=f"{draft.code[:40]!r} is no code: capital letters, digits and hyphens, 2 to 40.",
            explanation_zh=f"{draft.code[:40]!r} 不是有效代码：须为 2 至 40 位大写字母、数字或连字符。",
        )
    for name in ("national_code", "generic_name", "generic_name_zh", "brand", "brand_zh", "specification", "unit"):
        if not getattr(draft, name).strip():
            raise DrugInvalid(explanation=f"{name} is empty.", explanation_zh=f"{name} 为空。")
    if type(draft.reference_price_minor) is not int or draft.reference_price_minor <= 0:
        raise DrugInvalid(
            explanation="The reference price is not a whole number of minor units above zero.",
            explanation_zh="参考价必须是大于零的最小货币单位整数。",
        )
    if draft.currency not in EXPONENTS:
        raise DrugInvalid(
            explanation=f"{draft.currency} is no currency of ours.", explanation_zh=f"不支持币种 {draft.currency}。"
        )
