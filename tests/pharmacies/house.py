"""A chain with shops, pharmacists and stock; recommended claims, and orders in whatever state, brought there by the
services."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from accounts.models import Organisation
from accounts.services import organisation_create
from accounts.states import OrganisationKind
from claims.models import Claim
from core.ids import uuid7
from pharmacies.models import Entry, HandOver, Order, Pharmacist, PickUpCode
from pharmacies.services.codes import code_show, code_shown_to_patient
from pharmacies.services.counter import BoxDraft, HandOverDraft
from pharmacies.services.dispatch import order_open
from pharmacies.services.handovers import handover_finish, handover_open
from pharmacies.services.orders import order_accept, order_ready
from pharmacies.services.stock import stock_receive
from pharmacies.states import Handing
from registry.models import Shop
from registry.services.shops import ShopDraft, shop_define, shop_price_set
from tests.claims.house import TRACE, in_confirmation
from tests.registry.house import DRUG, FIRST_DAY, NOW, OTHER_DRUG, Shelf, insurer_of
from tests.roles import rows

BY = "pharmacist-1"
LOT, LAST_GOOD = "LOT-A", date(2027, 6, 30)
PRICE_MINOR = 490_000
SOON = NOW + timedelta(minutes=5)
FETCH_BY = NOW + timedelta(days=7)
_boxes = itertools.count(1)


@dataclass(frozen=True)
class Town:
    """Two shops of one chain, a kilometre and ten from the middle; nothing on their shelves yet."""

    shelf: Shelf
    chain: Organisation
    near: Shop
    far: Shop


def make_town(shelf: Shelf) -> Town:
    chain = insurer_of("CHAIN-A", OrganisationKind.PHARMACY_CHAIN)
    live(chain)
    return Town(shelf, chain, shop_of(chain, "SHOP-A1"), shop_of(chain, "SHOP-A2", longitude_micro=116_510_000))


def shop_of(chain: Organisation, code: str, **changes: Any) -> Shop:
    """A live shop with three pharmacists; one degree of longitude is about 85 km there."""
    house = organisation_create(
        code=code,
        kind=OrganisationKind.PHARMACY_SHOP,
        name=f"Shop {code}",
        name_zh=f"门店{code}",
        parent_id=chain.pk,
        actor="platform",
        now=NOW,
    )
    values: dict[str, Any] = {
        "organisation_code": code,
        "name": f"Shop {code}",
        "name_zh": f"门店{code}",
        "address": "1 Demo Road",
        "latitude_micro": 39_900_000,
        "longitude_micro": 116_400_000,
        "licence_no": f"L-{code}",
        "licence_until": date(2030, 1, 1),
        "open_since": FIRST_DAY,
    }
    shop = shop_define(draft=ShopDraft(**(values | changes)), by="platform", now=NOW)
    live(house)
    for drug in (DRUG, OTHER_DRUG):
        price(shop, drug)
    for number, role in enumerate(("AUDIT", "DISPENSE", "CHECK"), start=1):
        pharmacist(shop, f"pharmacist-{number}", role)
    return shop


def price(shop: Shop, drug: str, price_minor: int = PRICE_MINOR) -> None:
    shop_price_set(
        shop_id=shop.pk,
        drug_code=drug,
        sku=f"SKU-{drug}",
        price_minor=price_minor,
        price_source="Contract 2026, list of 1 November",
        by="chain",
        now=NOW,
    )


def live(organisation: Organisation) -> Entry:
    rows("SET CONSTRAINTS ALL IMMEDIATE")
    entry = Entry.objects.create(
        id=uuid7(NOW), organisation=organisation, created_at=NOW, state_at=NOW, state_by="platform", trace_id=TRACE
    )
    for state in ("CONDITIONS_CHECKED", "LIVE"):
        rows("UPDATE pharmacies_entry SET state = %s, version = version + 1 WHERE id = %s", [state, entry.pk])
    return entry


def pharmacist(shop: Shop, username: str, *roles: str, licence_until: date = date(2030, 1, 1)) -> Pharmacist:
    return Pharmacist.objects.create(
        id=uuid7(NOW),
        organisation_id=shop.organisation_id,
        username=username,
        name="A Pharmacist",
        licence_no=f"P-{username}",
        licence_until=licence_until,
        roles=list(roles),
        created_at=NOW,
    )


def stocked(shop: Shop, quantity: int = 2, *, lot_no: str = LOT, expires_on: date = LAST_GOOD, drug: str = DRUG) -> Any:
    values: dict[str, Any] = {"drug_code": drug, "lot_no": lot_no, "expires_on": expires_on, "quantity": quantity}
    return stock_receive(shop_id=shop.pk, **values, by=BY, now=NOW)


def offered(claim: Claim, *, handing: Handing = Handing.PICK_UP, now: datetime = NOW) -> Order:
    return order_open(claim_id=claim.pk, handing=handing, by="platform", now=now, trace_id=TRACE)


def accepted(order: Order, *, now: datetime = NOW) -> Order:
    return order_accept(
        order_id=order.pk, version=fresh(order).version, materials_seen=True, by=BY, now=now, trace_id=TRACE
    )


def ready(order: Order, *, usable: bool = True, fetch_by: datetime = FETCH_BY, now: datetime = NOW) -> Order:
    order_ready(order_id=order.pk, usable=usable, fetch_by=fetch_by, by="platform", now=now, trace_id=TRACE)
    return fresh(order)


def ready_order(town: Town, **changes: Any) -> Order:
    """Two boxes of lot A reserved, and a code that opens."""
    stocked(town.near)
    return ready(accepted(offered(claim_of(town, **changes))))


def claim_of(town: Town, **changes: Any) -> Claim:
    return in_confirmation(town.shelf, **changes)


def digits(order: Order) -> str:
    return code_shown_to_patient(order=order).digits


def shown(order: Order, *, now: datetime = NOW) -> Order:
    assert code_show(order_id=order.pk, code=digits(order), by=BY, now=now).right
    return order


def trace_codes(quantity: int) -> list[str]:
    return [f"8100{next(_boxes):016d}" for _ in range(quantity)]


def box(quantity: int = 2, *, codes: Sequence[str] | None = None, **changes: Any) -> BoxDraft:
    values: dict[str, Any] = {"line_no": 1, "lot_no": LOT, "expires_on": LAST_GOOD, "quantity": quantity}
    values["trace_codes"] = trace_codes(quantity) if codes is None else codes
    return BoxDraft(**(values | changes))


def record(*boxes: BoxDraft, **changes: Any) -> HandOverDraft:
    values: dict[str, Any] = {
        "idempotency_key": f"key-{next(_boxes)}",
        "boxes": boxes or (box(),),
        "audited_by": "pharmacist-1",
        "dispensed_by": "pharmacist-2",
        "checked_by": "pharmacist-3",
    }
    return HandOverDraft(**(values | changes))


def opened(order: Order, draft: HandOverDraft | None = None, *, now: datetime = NOW) -> HandOver:
    return handover_open(
        order_id=order.pk,
        version=fresh(order).version,
        draft=draft or record(),
        by=BY,
        now=now,
        trace_id=TRACE,
    )


def finished(handover: HandOver, *, now: datetime = NOW) -> HandOver:
    return handover_finish(handover_id=handover.pk, by=BY, now=now, trace_id=TRACE)


def handed(order: Order, draft: HandOverDraft | None = None, *, now: datetime = NOW) -> HandOver:
    return finished(opened(shown(order, now=now), draft, now=now), now=now)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def live_codes(order: Order) -> list[PickUpCode]:
    return list(order.codes.filter(outcome="ACTIVE"))


def shelf_of(shop: Shop, lot_no: str = LOT) -> tuple[int, int, int]:
    """On hand, reserved, quarantined."""
    [found] = rows(
        "SELECT on_hand, reserved, quarantined FROM pharmacies_stocklot WHERE shop_id = %s AND lot_no = %s",
        [shop.pk, lot_no],
    )
    return found
