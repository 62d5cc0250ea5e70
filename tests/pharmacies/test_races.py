"""Two at one box, one code, one trace code: real connections, real locks, one winner, and nothing half done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.ids import uuid7
from pharmacies.models import HandOver, Order, TraceCode
from pharmacies.services.codes import CodeMissing, code_find, code_show
from pharmacies.services.counter import LotNotGood
from pharmacies.services.desk import HandOverPending, OrderMoved
from pharmacies.services.orders import order_cancel, order_refuse, orders_expire
from pharmacies.services.shelves import StockGone
from pharmacies.services.traces import TraceCodeSold
from pharmacies.states import OrderState, RefusalReason
from tests.claims.house import TRACE
from tests.claims.test_races import at_once, problems
from tests.pharmacies.house import (
    BY,
    FETCH_BY,
    Town,
    accepted,
    box,
    claim_of,
    digits,
    finished,
    fresh,
    handed,
    live_codes,
    offered,
    opened,
    ready,
    ready_order,
    record,
    shelf_of,
    shown,
    stocked,
)
from tests.registry.house import NOW, person_of, policy_of
from tests.roles import refused, rows

O = OrderState  # noqa: E741


def two_offered(town: Town) -> list[Order]:
    """Two orders for the two boxes that one shop has."""
    stocked(town.near)
    other = person_of()
    policy = policy_of(town.shelf.product, other)
    claims = [claim_of(town), claim_of(town, person_id=other.pk, policy_id=policy.pk)]
    return [offered(claim) for claim in claims]


def test_two_orders_for_the_last_box_one_gets_it(committed_town: Town) -> None:
    orders = two_offered(committed_town)
    results = at_once(*[lambda order=order: accepted(order) for order in orders])
    assert problems(results) == [StockGone]
    assert shelf_of(committed_town.near) == (2, 2, 0)
    assert sorted(fresh(order).state for order in orders) == [O.ACCEPTED, O.OFFERED]


@pytest.mark.django_db
def test_the_database_keeps_more_than_there_is_from_being_reserved(town: Town) -> None:
    order = accepted(two_offered(town)[0])
    lot_id = order.lines.get().reservations.get().lot_id
    with refused("no_box_is_reserved_twice"):
        rows(
            "INSERT INTO pharmacies_stockmove (id, lot_id, organisation_id, kind, quantity, cause_id, episode, at, by) "
            "VALUES (%s, %s, %s, 'RESERVE', 1, %s, 1, now(), 'x')",
            [uuid7(NOW), lot_id, order.organisation_id, uuid7(NOW)],
        )


def test_one_code_used_twice_at_once_hands_over_once(committed_town: Town) -> None:
    order = shown(ready_order(committed_town))
    version = fresh(order).version
    drafts = [record(), record()]
    results = at_once(*[lambda draft=draft: opened(order, draft) for draft in drafts])
    # The second one finds the order moved on, or the first one's boxes still on the counter.
    assert len(problems(results)) == 1
    assert set(problems(results)) <= {OrderMoved, HandOverPending}
    assert HandOver.objects.count() == 1
    assert fresh(order).version == version + 1


@pytest.mark.django_db
def test_a_code_that_was_used_opens_nothing_more(town: Town) -> None:
    order = ready_order(town)
    used = digits(order)
    handed(order, record(box(1)))
    assert not code_show(order_id=order.pk, code=used, by=BY, now=NOW).right
    with pytest.raises(CodeMissing):
        opened(order, record(box(1)))


@pytest.mark.django_db
@pytest.mark.parametrize(("aside", "opens"), [(timedelta(seconds=-1), True), (timedelta(), False)])
def test_a_code_opens_until_its_edge_and_not_at_it(town: Town, aside: timedelta, opens: bool) -> None:
    order = ready_order(town)
    at = FETCH_BY + aside
    assert code_show(order_id=order.pk, code=digits(order), by=BY, now=at).right is opens
    if opens:
        assert opened(order, now=at).outcome == "PENDING"
    else:
        with pytest.raises(CodeMissing):
            opened(order, now=at)


@pytest.mark.django_db
def test_a_code_shown_before_its_edge_does_not_open_after_it(town: Town) -> None:
    order = shown(ready_order(town), now=FETCH_BY - timedelta(seconds=1))
    with pytest.raises(CodeMissing):
        opened(order, now=FETCH_BY)


def test_the_sweeper_and_the_counter_at_the_edge_one_of_them_has_it(committed_town: Town) -> None:
    edge = FETCH_BY - timedelta(seconds=1)
    order = shown(ready_order(committed_town), now=edge)
    results = at_once(lambda: opened(order, now=edge), lambda: orders_expire(now=FETCH_BY, limit=10))
    pending = HandOver.objects.filter(outcome="PENDING").count()
    assert pending + (fresh(order).state == O.EXPIRED) == 1
    assert shelf_of(committed_town.near) == (2, 2 if pending else 0, 0)
    assert len(results) == 2


@pytest.mark.django_db
def test_a_trace_code_sold_before_is_not_sold_again_and_nothing_is_half_done(town: Town) -> None:
    first, second = two_ready(town)
    taken = record(box(1))
    handed(first, taken)
    again = record(box(1, codes=taken.boxes[0].trace_codes))
    with pytest.raises(TraceCodeSold):
        opened(shown(second), again)
    assert HandOver.objects.filter(order=second).count() == 0
    assert len(live_codes(second)) == 1


def test_one_trace_code_at_two_counters_at_once_is_sold_once(committed_town: Town) -> None:
    orders = [shown(order) for order in two_ready(committed_town)]
    drafts = [record(box(1, codes=["8100999"])) for _ in orders]
    results = at_once(*[lambda n=n: opened(orders[n], drafts[n]) for n in range(2)])
    assert problems(results) == [TraceCodeSold]
    assert TraceCode.objects.filter(code="8100999").count() == 1


@pytest.mark.django_db
def test_an_expired_lot_is_neither_offered_reserved_nor_handed_over(town: Town) -> None:
    order = ready_order(town)
    stocked(town.near, lot_no="LOT-OLD", expires_on=NOW.date())
    tomorrow = NOW + timedelta(days=1)
    old = record(box(1, lot_no="LOT-OLD", expires_on=NOW.date()))
    with pytest.raises(LotNotGood):
        opened(shown(order, now=tomorrow), old, now=tomorrow)
    assert shelf_of(town.near, "LOT-OLD") == (1 + 1, 0, 0)


@pytest.mark.django_db
def test_a_code_of_another_shop_fits_nothing_here(town: Town) -> None:
    order = ready_order(town)
    elsewhere = town.far.organisation_id
    seen = code_find(organisation_id=elsewhere, code=digits(order), by=BY, now=NOW)
    assert (seen.right, seen.order_id) == (False, None)
    assert code_find(organisation_id=order.organisation_id, code=digits(order), by=BY, now=NOW).order_id == order.pk


def test_a_refusal_and_a_cancellation_at_once_free_the_stock_once(committed_town: Town) -> None:
    order = ready_order(committed_town)
    version = fresh(order).version
    at_once(
        lambda: order_cancel(order_id=order.pk, reason="withdrawn", by="desk", now=NOW, trace_id=TRACE),
        lambda: order_refuse(
            order_id=order.pk, version=version, reason=RefusalReason.CLOSED, by=BY, now=NOW, trace_id=TRACE
        ),
    )
    assert shelf_of(committed_town.near) == (2, 0, 0)
    assert live_codes(order) == []
    # The refusal may have come first: the cancellation then ends what it left.
    assert fresh(order).state == O.CANCELLED


def two_ready(town: Town) -> list[Order]:
    """Two orders of two boxes, of one lot of four."""
    orders = two_offered(town)
    stocked(town.near)
    return [ready(accepted(order)) for order in orders]


def test_one_hand_over_finished_twice_at_once_leaves_once(committed_town: Town) -> None:
    handover = opened(shown(ready_order(committed_town)))
    results = at_once(lambda: finished(handover), lambda: finished(handover))
    assert problems(results) == []
    assert shelf_of(committed_town.near) == (0, 0, 0)
