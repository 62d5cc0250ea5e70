"""A dual-channel shop with an order at its counter, and basic insurance behind job A."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from accounts.models import Organisation
from accounts.services import organisation_create
from accounts.states import OrganisationKind
from claims.models import Claim
from core.clock import database_now
from core.ids import new_trace_id, uuid7
from exchange.models import InsurerInterface
from pharmacies.models import HandOver, Order, OrderLine, Pharmacist
from pharmacies.services.basic import BasicItem
from registry.models import Shop
from tests.claims.house import in_confirmation
from tests.exchange.house import REGION, SCHEME, House, connect, forget_processes, organisation
from tests.registry.house import Shelf

PRICE_MINOR = 500_000


@dataclass(frozen=True)
class Counter:
    centre: InsurerInterface
    house: House
    claim: Claim
    order: Order
    handover: HandOver

    @property
    def items(self) -> list[BasicItem]:
        return [BasicItem(1, "DEMO-TRAST-440", "trastuzumab", 2, PRICE_MINOR)]


def make_counter(shelf: Shelf) -> Counter:
    forget_processes()
    centre = connect("CENTRE")
    now = database_now()
    chain = organisation("CHAIN-A", OrganisationKind.PHARMACY_CHAIN)
    house_of_shop = organisation_create(
        code="SHOP-A1",
        kind=OrganisationKind.PHARMACY_SHOP,
        name="Shop",
        name_zh="药房",
        parent_id=chain.pk,
        actor="platform",
        now=now,
    )
    shop = Shop.objects.create(
        id=uuid7(now),
        organisation=house_of_shop,
        name="Shop A1",
        name_zh="甲一药房",
        address="1 Demo Road",
        latitude_micro=31_230_000,
        longitude_micro=121_470_000,
        licence_no="L-1",
        licence_until=date(2030, 1, 1),
        basic_insurance=True,
        basic_scheme=SCHEME,
        basic_region=REGION,
        created_at=now,
    )
    claim = in_confirmation(shelf)
    order = Order.objects.create(
        id=uuid7(now),
        order_no="O-2026-0001",
        organisation=house_of_shop,
        shop=shop,
        claim=claim,
        person=claim.person,
        offered_at=now,
        answer_by=now + timedelta(hours=1),
        total_minor=2 * PRICE_MINOR,
        created_at=now,
        state_at=now,
        state_by="platform",
        trace_id=new_trace_id(),
    )
    line = {"line_no": 1, "drug": claim.drug, "ordered": 2, "unit_price_minor": PRICE_MINOR}
    OrderLine.objects.create(id=uuid7(now), order=order, **line)
    house = House(house_of_shop, chain, centre.insurer, centre, centre.lane)
    return Counter(centre, house, claim, order, handover_of(order, house_of_shop))


def handover_of(order: Order, shop: Organisation, number: int = 1) -> HandOver:
    now = database_now()
    person, _ = Pharmacist.objects.get_or_create(
        organisation=shop,
        username="pharmacist-1",
        defaults={
            "id": uuid7(now),
            "name": "A Pharmacist",
            "licence_no": "P-1",
            "licence_until": date(2030, 1, 1),
            "roles": ["AUDIT", "DISPENSE", "CHECK"],
            "created_at": now,
        },
    )
    return HandOver.objects.create(
        id=uuid7(now),
        order=order,
        organisation=shop,
        number=number,
        handing="PICK_UP",
        amount_minor=2 * PRICE_MINOR,
        idempotency_key=f"key-{number}",
        audited_by=person,
        dispensed_by=person,
        checked_by=person,
        opened_at=now,
        opened_by="pharmacist-1",
    )
