"""Shops and their prices: what operations and a chain write."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.selectors import organisation_by_code
from accounts.services import audit_write
from accounts.states import OrganisationKind
from core.errors import NotFound, Problem
from core.ids import uuid7
from registry.models import Drug, Shop, ShopDrug

DAY_MINUTES = 24 * 60
LARGEST_PRICE_MINOR = 10**11


class ShopInvalid(Problem):
    code = "shop_invalid"
    status = 422
    title = "The shop or its price cannot be stored like this"
    detail = "{field}: {explanation}"
    detail_zh = "门店信息无效，{field}：{explanation_zh}"
    fix = "Correct that field; nothing was stored."
    fix_zh = "请更正该项；本次未保存任何内容。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopDraft:
    """A counter. Degrees in millionths, hours in minutes of the local day."""

    organisation_code: str
    name: str
    name_zh: str
    address: str
    latitude_micro: int
    longitude_micro: int
    licence_no: str
    licence_until: date
    phone: str = ""
    cold_chain: bool = False
    infusion: bool = False
    delivers: bool = False
    basic_insurance: bool = False
    basic_scheme: str = ""
    basic_region: str = ""
    opens_minute: int = 8 * 60
    closes_minute: int = 20 * 60
    orders_at_once: int = 20
    open_since: date | None = None
    closed_since: date | None = None


@transaction.atomic
def shop_define(*, draft: ShopDraft, by: str, now: datetime) -> Shop:
    """Add a shop or change what is known of it. Raises NotFound, ShopInvalid."""
    organisation = organisation_by_code(code=draft.organisation_code)
    if organisation is None:
        raise NotFound(noun="organisation", noun_zh="机构", key=draft.organisation_code)
    if organisation.kind != OrganisationKind.PHARMACY_SHOP:
        raise ShopInvalid(field="organisation", explanation="it is no shop of a chain", explanation_zh="不是连锁门店")
    _check(draft)
    values = asdict(draft)
    values.pop("organisation_code")
    shop, _ = Shop.objects.update_or_create(
        organisation=organisation, defaults=values, create_defaults={**values, "id": uuid7(now), "created_at": now}
    )
    audit_write(
        actor=by, organisation_id=organisation.pk, action="shop.defined", subject=draft.organisation_code, now=now
    )
    return shop


@transaction.atomic
def shop_price_set(
    *, shop_id: UUID, drug_code: str, sku: str, price_minor: int, price_source: str, by: str, now: datetime
) -> ShopDrug:
    """What a shop charges per unit from now on, and its own number for the drug. Orders that were accepted keep theirs.

    Raises NotFound, ShopInvalid.
    """
    shop = Shop.objects.filter(pk=shop_id).first()
    if shop is None or not Drug.objects.filter(pk=drug_code).exists():
        raise NotFound(noun="shop or drug", noun_zh="门店或药品", key=f"{shop_id}, {drug_code}")
    if type(price_minor) is not int or not 0 < price_minor <= LARGEST_PRICE_MINOR:
        raise ShopInvalid(
            field="price_minor", explanation="no whole number of minor units above zero", explanation_zh="须为正整数"
        )
    if not sku.strip() or not price_source.strip():
        raise ShopInvalid(field="sku, price_source", explanation="empty", explanation_zh="为空")
    values = {"sku": sku.strip(), "price_minor": price_minor, "price_source": price_source.strip(), "changed_at": now}
    try:
        with transaction.atomic():
            row, _ = ShopDrug.objects.update_or_create(shop=shop, drug_id=drug_code, defaults=values)
    except IntegrityError as error:
        if "one_drug_per_shop_and_sku" not in str(error):
            raise
        raise ShopInvalid(
            field="sku", explanation="it is another drug's number there", explanation_zh="该编码已用于其他药品"
        ) from None
    audit_write(
        actor=by,
        organisation_id=shop.organisation_id,
        action="shop.price_set",
        subject=drug_code,
        details={"price_minor": price_minor},
        now=now,
    )
    return row


def _check(draft: ShopDraft) -> None:
    for field in ("name", "name_zh", "address", "licence_no"):
        if not getattr(draft, field).strip():
            raise ShopInvalid(field=field, explanation="empty", explanation_zh="为空")
    if not (abs(draft.latitude_micro) <= 90_000_000 and abs(draft.longitude_micro) <= 180_000_000):
        raise ShopInvalid(field="latitude, longitude", explanation="not on earth", explanation_zh="坐标超出范围")
    if not 0 <= draft.opens_minute < draft.closes_minute <= DAY_MINUTES:
        raise ShopInvalid(field="hours", explanation="it closes before it opens", explanation_zh="营业时间无效")
    if draft.basic_insurance and not draft.basic_scheme:
        raise ShopInvalid(field="basic_scheme", explanation="empty", explanation_zh="双通道门店须填写险种")
    if draft.orders_at_once < 1:
        raise ShopInvalid(field="orders_at_once", explanation="less than one", explanation_zh="须至少为 1")
