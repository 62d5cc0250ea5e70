"""The whole of job B between recommendation and money: a desk, a town of pharmacies, claims at their counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from accounts.models import Organisation
from accounts.states import OrganisationKind
from claims.models import Claim
from pharmacies.models import HandOver, Order
from pharmacies.services.counter import HandOverDraft
from pharmacies.services.orders import order_refuse
from pharmacies.services.wishes import wish_set
from pharmacies.states import RefusalReason, ReturnReason
from settlement.models import Advance, SettlementLeg
from settlement.services.contracts import contract_sign, pharmacy_exposure_set
from settlement.services.follow import claim_follow, order_follow
from settlement.services.legs import leg_paid, legs_approve, legs_send
from settlement.services.process import goods_hand_over, goods_take_back, goods_undo, order_take
from settlement.states import LegKind
from tests.claims.house import begun, filed, passed
from tests.pharmacies.house import Town, fresh, make_town, record, shown, stocked
from tests.registry.house import FIRST_DAY, NOW, TODAY, insurer_of, make_shelf
from tests.roles import rows
from tests.settlement.house import CHAIN_LINE, COLLEAGUE, CONTRACT, DESK, LINE, TRACE, Desk, line_of, signed

SHOP = "pharmacist-1"


@dataclass(frozen=True)
class Market:
    desk: Desk
    town: Town

    @property
    def chain(self) -> Organisation:
        return self.town.chain


def make_market(contract: Mapping[str, Any] | None = None, *, boxes: int = 2, **terms_changes: Any) -> Market:
    """`boxes` of the drug lie in the near shop, and as many in the far one."""
    platform = insurer_of("MEDISETTLE", OrganisationKind.PLATFORM)
    town = make_town(make_shelf(**terms_changes))
    # Making it has had them checked at once; a hold names its posting before that is written.
    rows("SET CONSTRAINTS ALL DEFERRED")
    desk = Desk(platform, town.chain, town.near.organisation, town.shelf)
    contract_sign(
        organisation_id=desk.insurer.pk,
        effective_from=FIRST_DAY,
        body={**CONTRACT, **(contract or {})},
        drafted_by=DESK,
        by=COLLEAGUE,
        now=NOW,
    )
    line_of(desk, LINE)
    pharmacy_exposure_set(organisation_id=town.chain.pk, amount_minor=CHAIN_LINE, reason="agreed", by=DESK, now=NOW)
    if boxes:
        stocked(town.near, boxes)
        stocked(town.far, boxes)
    return Market(desk, town)


def recommended(market: Market, *, now: datetime = NOW, **changes: Any) -> Claim:
    """Recommended, mandate signed, looked at: money held and a shop asked, where that is possible."""
    claim = filed(market.desk.shelf, now=now, **changes)
    signed(claim, now=now)
    # Both shops are alike: the patient names the near one first.
    wish_set(claim_id=claim.pk, shop_ids=[market.town.near.pk], by="patient", now=now)
    claim = passed(begun(claim, now=now), now=now)
    follow(claim, now=now)
    return Claim.objects.get(pk=claim.pk)


def follow(claim: Claim, *, now: datetime = NOW) -> None:
    claim_follow(claim_id=claim.pk, now=now, trace_id=TRACE)


def order_of(claim: Claim) -> Order:
    return Order.objects.exclude(state__in=("CANCELLED", "RETURNED")).get(claim_id=claim.pk)


def advance_of(claim: Claim) -> Advance:
    return Advance.objects.filter(claim_id=claim.pk).latest("episode")


def taken(claim: Claim, *, now: datetime = NOW) -> Order:
    order = order_of(claim)
    order_take(order_id=order.pk, version=order.version, materials_seen=True, by=SHOP, now=now, trace_id=TRACE)
    return fresh(order)


def refused_by_shop(order: Order, *, now: datetime = NOW) -> Order:
    order_refuse(
        order_id=order.pk,
        version=fresh(order).version,
        reason=RefusalReason.OUT_OF_STOCK,
        by=SHOP,
        now=now,
        trace_id=TRACE,
    )
    order_follow(order_id=order.pk, now=now, trace_id=TRACE)
    return fresh(order)


def handed(order: Order, draft: HandOverDraft | None = None, *, now: datetime = NOW) -> HandOver:
    shown(order, now=now)
    return goods_hand_over(
        order_id=order.pk,
        version=fresh(order).version,
        draft=draft or record(),
        by=SHOP,
        now=now,
        trace_id=TRACE,
    )


def undone(handover: HandOver, *, now: datetime = NOW) -> None:
    goods_undo(handover_id=handover.pk, reason="wrong box", by=SHOP, now=now, trace_id=TRACE)


def taken_back(handover: HandOver, *, now: datetime = NOW) -> None:
    goods_take_back(handover_id=handover.pk, reason=ReturnReason.QUALITY, by=SHOP, now=now, trace_id=TRACE)


def legs_of(claim: Claim, kind: LegKind) -> list[SettlementLeg]:
    return list(SettlementLeg.objects.filter(claim_id=claim.pk, kind=kind).order_by("created_at", "id"))


def sent_to_bank(leg: SettlementLeg) -> None:
    legs_approve(leg_ids=[leg.pk], by=DESK, now=NOW, trace_id=TRACE)
    legs_send(leg_ids=[leg.pk], by=DESK, now=NOW, trace_id=TRACE)


def paid_out(leg: SettlementLeg, evidence_id: UUID | None = None) -> None:
    """As the bank's book says it; the cash posting is the payment's own."""
    sent_to_bank(leg)
    leg_paid(
        leg_id=leg.pk,
        amount_minor=leg.amount_minor,
        evidence_id=evidence_id or uuid4(),
        value_date=TODAY,
        by=DESK,
        now=NOW,
        trace_id=TRACE,
    )


def reserved() -> int:
    """Boxes kept for somebody, in all shops."""
    [(count,)] = rows("SELECT coalesce(sum(reserved), 0)::int FROM pharmacies_stocklot")
    return int(count)


def held_open() -> list[tuple[str, int]]:
    """Open holds of money, by kind."""
    return rows("SELECT kind, amount_minor FROM ledger_hold WHERE state = 'OPEN' ORDER BY kind")
