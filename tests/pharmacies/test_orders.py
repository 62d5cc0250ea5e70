"""An order looks for its shop: choice, stock, cold chain, distance, load; refused, offered on, expired, cancelled."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from claims.models import ClaimParty
from core.errors import NotFound
from core.row_security import seen_by
from pharmacies.models import Order
from pharmacies.services.desk import OrderMoved
from pharmacies.services.dispatch import NoShop, ShopsTooFar, order_go_farther
from pharmacies.services.orders import (
    AnswerTooLate,
    FetchTimeOver,
    MaterialsUnseen,
    RefusalUnclear,
    order_accept,
    order_cancel,
    order_refuse,
    orders_expire,
)
from pharmacies.services.wishes import Place, wish_set
from pharmacies.states import Handing, OrderState, RefusalReason
from registry.models import Drug, Shop
from tests.claims.house import TRACE
from tests.pharmacies.house import (
    BY,
    FETCH_BY,
    PRICE_MINOR,
    Town,
    accepted,
    claim_of,
    fresh,
    live_codes,
    offered,
    price,
    ready,
    ready_order,
    shelf_of,
    stocked,
)
from tests.registry.house import DRUG, NOW
from tests.roles import as_role, rows

pytestmark = pytest.mark.django_db
O = OrderState  # noqa: E741
MIDDLE = Place(39_900_000, 116_400_000)


def wished(claim_id: UUID, **changes: Any) -> None:
    wish_set(claim_id=claim_id, by="patient", now=NOW, **changes)


def refused_by_shop(order: Order, reason: str = RefusalReason.OUT_OF_STOCK) -> Order:
    version = fresh(order).version
    order_refuse(order_id=order.pk, version=version, reason=RefusalReason(reason), by=BY, now=NOW, trace_id=TRACE)
    return fresh(order)


def jobs() -> int:
    return len(rows("SELECT 1 FROM journal_job WHERE kind = 'settlement.order_moved'"))


def pharmacies_that_see(order: Order) -> list[int]:
    parties = ClaimParty.objects.filter(claim_id=order.claim_id, role="PHARMACY", until=None)
    return list(parties.values_list("organisation_id", flat=True))


def test_it_goes_to_the_near_shop_and_only_that_one_sees_the_claim(town: Town) -> None:
    stocked(town.near)
    stocked(town.far)
    claim = claim_of(town)
    wished(claim.pk, place=MIDDLE)
    order = offered(claim)
    assert order.shop == town.near
    assert pharmacies_that_see(order) == [town.near.organisation_id]
    assert offered(claim).pk == order.pk


def test_the_patients_choice_comes_before_what_is_near(town: Town) -> None:
    stocked(town.near)
    stocked(town.far)
    claim = claim_of(town)
    wished(claim.pk, place=MIDDLE, shop_ids=[town.far.pk])
    assert offered(claim).shop == town.far


def test_a_shop_without_all_of_it_in_time_is_not_asked(town: Town) -> None:
    stocked(town.near, 1)
    stocked(town.near, 5, lot_no="SHORT", expires_on=NOW.date() + timedelta(days=20))
    claim = claim_of(town)
    with pytest.raises(NoShop):
        offered(claim)
    stocked(town.near, 1, lot_no="LONG", expires_on=NOW.date() + timedelta(days=21))
    assert offered(claim).shop == town.near


@pytest.mark.parametrize(
    "fault",
    [
        {"licence_until": NOW.date() - timedelta(days=1)},
        {"open_since": None},
        {"closed_since": NOW.date()},
        {"orders_at_once": 0},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_a_shop_that_cannot_is_not_asked(town: Town, fault: dict[str, Any]) -> None:
    stocked(town.near)
    stocked(town.far)
    Shop.objects.filter(pk=town.near.pk).update(**fault)
    assert offered(claim_of(town)).shop == town.far


def test_a_drug_that_is_kept_cold_goes_to_a_shop_that_can(town: Town) -> None:
    stocked(town.near)
    stocked(town.far)
    Drug.objects.filter(pk=DRUG).update(cold_chain=True)
    Shop.objects.filter(pk=town.far.pk).update(cold_chain=True)
    assert offered(claim_of(town)).shop == town.far


def test_a_delivery_goes_to_a_shop_that_delivers(town: Town) -> None:
    stocked(town.near)
    with pytest.raises(NoShop):
        offered(claim_of(town), handing=Handing.COURIER)


def test_a_suspended_shop_gets_no_order(town: Town) -> None:
    stocked(town.near)
    rows(
        "UPDATE pharmacies_entry SET state = 'SUSPENDED', version = version + 1 WHERE organisation_id = %s",
        [town.near.organisation_id],
    )
    with pytest.raises(NoShop):
        offered(claim_of(town))


def test_accepted_it_has_the_shops_price_and_the_lot_that_expires_first(town: Town) -> None:
    stocked(town.near, 5, lot_no="LATER", expires_on=date(2028, 1, 1))
    stocked(town.near, 1)
    order = accepted(offered(claim_of(town)))
    price(town.near, DRUG, PRICE_MINOR + 1)
    assert (fresh(order).total_minor, order.lines.get().price_source) == (
        2 * PRICE_MINOR,
        "Contract 2026, list of 1 November",
    )
    assert (shelf_of(town.near), shelf_of(town.near, "LATER")) == ((1, 1, 0), (5, 1, 0))


def test_it_is_not_accepted_unseen_too_late_or_by_an_old_page(town: Town) -> None:
    stocked(town.near)
    order = offered(claim_of(town))
    values: dict[str, Any] = {"order_id": order.pk, "by": BY, "trace_id": TRACE}
    with pytest.raises(MaterialsUnseen):
        order_accept(version=0, materials_seen=False, now=NOW, **values)
    with pytest.raises(AnswerTooLate):
        order_accept(version=0, materials_seen=True, now=order.answer_by, **values)
    with pytest.raises(OrderMoved):
        order_accept(version=7, materials_seen=True, now=NOW, **values)
    assert shelf_of(town.near) == (2, 0, 0)


def test_refused_it_is_offered_on_in_the_same_commit_and_its_stock_is_free(town: Town) -> None:
    stocked(town.near)
    stocked(town.far)
    claim = claim_of(town)
    wished(claim.pk, shop_ids=[town.near.pk])
    order = refused_by_shop(accepted(offered(claim)))
    assert (order.state, order.shop, order.round) == (O.OFFERED, town.far, 2)
    assert shelf_of(town.near) == (2, 0, 0)
    assert pharmacies_that_see(order) == [town.far.organisation_id]
    assert jobs() == 1


def test_refused_by_all_it_stays_refused_and_no_pharmacy_sees_the_claim(town: Town) -> None:
    stocked(town.near)
    order = refused_by_shop(offered(claim_of(town)))
    assert (order.state, order.state_reason) == (O.REFUSED, RefusalReason.OUT_OF_STOCK)
    assert pharmacies_that_see(order) == []


def test_a_reason_of_ones_own_is_no_reason(town: Town) -> None:
    stocked(town.near)
    order = offered(claim_of(town))
    with pytest.raises(RefusalUnclear):
        order_refuse(order_id=order.pk, version=0, reason="LUNCH", by=BY, now=NOW, trace_id=TRACE)  # type: ignore[arg-type]


def test_beyond_his_distance_the_patient_is_asked_first(town: Town) -> None:
    stocked(town.near)
    stocked(town.far)
    claim = claim_of(town)
    wished(claim.pk, place=MIDDLE, farthest_metres=5_000)
    order = refused_by_shop(offered(claim))
    assert order.state == O.REFUSED
    assert order.asks_farther_metres is not None
    assert 9_000 < order.asks_farther_metres < 10_000
    order_go_farther(order_id=order.pk, by="patient", now=NOW, trace_id=TRACE)
    assert (fresh(order).state, fresh(order).shop, fresh(order).asks_farther_metres) == (O.OFFERED, town.far, None)


def test_a_first_order_too_far_away_says_how_far(town: Town) -> None:
    stocked(town.far)
    claim = claim_of(town)
    wished(claim.pk, place=MIDDLE, farthest_metres=5_000)
    with pytest.raises(ShopsTooFar) as problem:
        offered(claim)
    assert 9_000 < int(str(problem.value.fields["metres"])) < 10_000


def test_the_place_is_sealed_and_only_the_patient_sees_the_wish(town: Town) -> None:
    claim = claim_of(town)
    wished(claim.pk, place=MIDDLE)
    [(sealed,)] = rows("SELECT sealed_place FROM pharmacies_shopwish")
    assert b"39900000" not in bytes(sealed)
    with as_role("app"), seen_by([town.near.organisation_id]):
        assert rows("SELECT 1 FROM pharmacies_shopwish") == []


def test_without_an_answer_it_is_offered_on_at_the_end_of_its_time(town: Town) -> None:
    stocked(town.near)
    stocked(town.far)
    order = offered(claim_of(town))
    assert orders_expire(now=order.answer_by - timedelta(seconds=1), limit=10) == 0
    assert orders_expire(now=order.answer_by, limit=10) == 1
    assert fresh(order).state == O.OFFERED
    assert fresh(order).shop != order.shop


def test_what_nobody_fetches_expires_with_its_code_and_its_stock_is_free(town: Town) -> None:
    order = ready_order(town)
    assert orders_expire(now=FETCH_BY, limit=10) == 1
    assert (fresh(order).state, fresh(order).state_reason) == (O.EXPIRED, "not_fetched")
    assert live_codes(order) == []
    assert shelf_of(town.near) == (2, 0, 0)
    assert orders_expire(now=FETCH_BY, limit=10) == 0


@pytest.mark.parametrize("far_along", [offered, lambda claim: accepted(offered(claim)), None])
def test_cancelled_from_anywhere_it_keeps_nothing(town: Town, far_along: Any) -> None:
    order = ready_order(town) if far_along is None else None
    if order is None:
        stocked(town.near)
        order = far_along(claim_of(town))
    for _ in range(2):
        order_cancel(order_id=order.pk, reason="withdrawn", by="desk", now=NOW, trace_id=TRACE)
    assert fresh(order).state == O.CANCELLED
    assert live_codes(order) == []
    assert shelf_of(town.near) == (2, 0, 0)
    assert pharmacies_that_see(order) == []


def test_the_code_ends_with_whatever_ends_first(town: Town) -> None:
    stocked(town.near, expires_on=NOW.date() + timedelta(days=21))
    order = ready(accepted(offered(claim_of(town))), fetch_by=NOW + timedelta(days=90))
    ends = order.fetch_by
    assert ends is not None
    assert ends.astimezone(NOW.tzinfo) - NOW < timedelta(days=22)


def test_past_every_end_there_is_no_code(town: Town) -> None:
    stocked(town.near)
    order = accepted(offered(claim_of(town)))
    with pytest.raises(FetchTimeOver):
        ready(order, fetch_by=NOW)


def test_another_shop_neither_sees_nor_answers_it(town: Town) -> None:
    stocked(town.near)
    order = offered(claim_of(town))
    with as_role("app"), seen_by([town.far.organisation_id]), pytest.raises(NotFound):
        order_accept(order_id=order.pk, version=0, materials_seen=True, by=BY, now=NOW, trace_id=TRACE)


def test_its_own_shop_works_on_it_with_its_own_sight(town: Town) -> None:
    stocked(town.near)
    order = offered(claim_of(town))
    with as_role("app"), seen_by([town.near.organisation_id]):
        order_accept(order_id=order.pk, version=0, materials_seen=True, by=BY, now=NOW, trace_id=TRACE)
    assert fresh(order).state == O.ACCEPTED
