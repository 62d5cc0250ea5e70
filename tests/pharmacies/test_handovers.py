"""At the counter: who signs, which boxes, partial supply, given up, undone, and goods that come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from claims.models import Claim
from claims.services.ends import claim_withdraw
from core.errors import NotFound, Problem
from core.row_security import seen_by
from pharmacies.models import GoodsReturn, HandOver, Pharmacist, TraceCode
from pharmacies.services.codes import (
    CodeMissing,
    CodeTriesSpent,
    code_find,
    code_make_usable,
    code_show,
    code_shown_to_patient,
)
from pharmacies.services.counter import (
    ColdChainBroken,
    LotNotGood,
    PharmacistMayNot,
    RecordUnclear,
    TooManyBoxes,
)
from pharmacies.services.desk import HandOverPending
from pharmacies.services.handovers import NotOnTheCounter, handover_abort, handover_undo
from pharmacies.services.orders import order_cancel, orders_expire
from pharmacies.services.returns import goods_return_finish, goods_return_open
from pharmacies.states import OrderState, ReturnReason
from registry.models import Drug, Person, Shop
from tests.claims.house import PATIENT, TRACE
from tests.pharmacies.house import (
    BY,
    FETCH_BY,
    PRICE_MINOR,
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
from tests.registry.house import DRUG, NOW
from tests.roles import as_role

pytestmark = pytest.mark.django_db
O = OrderState  # noqa: E741


def undone(handover: HandOver, *, now: Any = NOW) -> HandOver:
    return handover_undo(handover_id=handover.pk, reason="wrong_box", by=BY, now=now, trace_id=TRACE)


def aborted(handover: HandOver) -> HandOver:
    return handover_abort(handover_id=handover.pk, reason="no_money", by=BY, now=NOW, trace_id=TRACE)


def returned(handover: HandOver) -> GoodsReturn:
    values: dict[str, Any] = {"by": BY, "now": NOW, "trace_id": TRACE}
    row = goods_return_open(handover_id=handover.pk, reason=ReturnReason.RECALL, **values)
    return goods_return_finish(return_id=row.pk, **values)


def test_while_it_is_pending_nothing_has_left_and_finished_it_has(town: Town) -> None:
    order = shown(ready_order(town))
    handover = opened(order)
    assert (handover.outcome, handover.amount_minor) == ("PENDING", 2 * PRICE_MINOR)
    assert shelf_of(town.near) == (2, 2, 0)
    finished(handover)
    assert shelf_of(town.near) == (0, 0, 0)
    assert fresh(order).state == O.HANDED_OVER
    assert Claim.objects.get(pk=order.claim_id).handed_over_at == NOW
    with pytest.raises(Problem):
        claim_withdraw(claim_id=order.claim_id, by=PATIENT, now=NOW, trace_id=TRACE)


def test_the_same_request_again_is_the_same_hand_over(town: Town) -> None:
    order, draft = shown(ready_order(town)), record()
    first = opened(order, draft)
    assert opened(order, draft).pk == first.pk
    finished(first)
    assert finished(first).outcome == "DONE"
    assert shelf_of(town.near) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"audited_by": "nobody"}, PharmacistMayNot),
        ({"audited_by": "pharmacist-2"}, PharmacistMayNot),
        ({"checked_by": "pharmacist-2"}, PharmacistMayNot),
        ({"boxes": (box(3),)}, TooManyBoxes),
        ({"boxes": (box(1, codes=[]),)}, RecordUnclear),
        ({"boxes": (box(2, codes=["A", "A "]),)}, RecordUnclear),
        ({"boxes": (box(1, line_no=9),)}, RecordUnclear),
        ({"boxes": ()}, RecordUnclear),
        ({"boxes": (box(1, lot_no="NONE"),)}, LotNotGood),
        ({"boxes": (box(1, expires_on=date(2030, 1, 1)),)}, LotNotGood),
    ],
)
def test_a_record_that_is_not_right_hands_nothing_over(
    town: Town, changes: dict[str, Any], problem: type[Problem]
) -> None:
    order = shown(ready_order(town))
    with pytest.raises(problem):
        opened(order, replace(record(), **changes))
    assert not HandOver.objects.exists()
    assert len(live_codes(order)) == 1
    assert shelf_of(town.near) == (2, 2, 0)


def test_a_pharmacist_signs_through_the_last_day_of_his_licence(town: Town) -> None:
    order = shown(ready_order(town))
    signs = Pharmacist.objects.filter(organisation_id=town.near.organisation_id, username="pharmacist-1")
    signs.update(licence_until=NOW.date() - timedelta(days=1))
    with pytest.raises(PharmacistMayNot):
        opened(order)
    signs.update(licence_until=NOW.date())
    assert opened(order).outcome == "PENDING"


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ([], ColdChainBroken),
        ([{"at": NOW.isoformat(), "celsius_tenths": 81}], ColdChainBroken),
        ([{"at": NOW.isoformat(), "celsius_tenths": 19}], ColdChainBroken),
        ([{"at": "yesterday", "celsius_tenths": 50}], RecordUnclear),
    ],
)
def test_a_drug_that_is_kept_cold_needs_its_readings(town: Town, log: Any, problem: type[Problem]) -> None:
    Drug.objects.filter(pk=DRUG).update(cold_chain=True)
    Shop.objects.filter(pk=town.near.pk).update(cold_chain=True)
    order = shown(ready_order(town))
    with pytest.raises(problem):
        opened(order, record(cold_chain_log=log))
    good = [{"at": NOW.isoformat(), "celsius_tenths": tenths} for tenths in (20, 80)]
    assert opened(order, record(cold_chain_log=good)).outcome == "PENDING"


def test_where_another_lot_lies_on_the_counter_the_reservation_follows_it(town: Town) -> None:
    order = shown(ready_order(town))
    stocked(town.near, 1, lot_no="LOT-B")
    handed(order, record(box(1), box(1, lot_no="LOT-B")))
    assert (shelf_of(town.near), shelf_of(town.near, "LOT-B")) == ((1, 0, 0), (0, 0, 0))


def test_what_is_open_after_a_part_has_a_new_code_and_the_order_stays_ready(town: Town) -> None:
    order = ready_order(town)
    first = handed(order, record(box(1)))
    assert fresh(order).state == O.READY
    assert shelf_of(town.near) == (1, 1, 0)
    assert len(live_codes(order)) == 1
    second = handed(order, record(box(1)))
    assert (first.number, second.number, fresh(order).state) == (1, 2, O.HANDED_OVER)
    assert shelf_of(town.near) == (0, 0, 0)


def test_a_rest_that_is_given_up_is_free_again(town: Town) -> None:
    order = ready_order(town)
    handed(order, record(box(1), give_up_rest=True))
    line = order.lines.get()
    assert (fresh(order).state, line.handed, line.given_up) == (O.HANDED_OVER, 1, 1)
    assert shelf_of(town.near) == (1, 0, 0)
    assert live_codes(order) == []


@pytest.mark.parametrize("how", ["expire", "cancel"])
def test_the_rest_of_a_part_that_nobody_wants_is_given_up(town: Town, how: str) -> None:
    order = ready_order(town)
    handed(order, record(box(1)))
    if how == "expire":
        assert orders_expire(now=FETCH_BY, limit=10) == 1
    else:
        order_cancel(order_id=order.pk, reason="withdrawn", by="desk", now=NOW, trace_id=TRACE)
    assert fresh(order).state == O.HANDED_OVER
    assert shelf_of(town.near) == (1, 0, 0)


def test_a_hand_over_given_up_opens_the_code_again_and_frees_the_trace_codes(town: Town) -> None:
    order, draft = shown(ready_order(town)), record()
    handover = opened(order, draft)
    for _ in range(2):
        assert aborted(handover).outcome == "ABORTED"
    assert not TraceCode.objects.filter(live=True).exists()
    again = record(box(2, codes=draft.boxes[0].trace_codes))
    handed(order, again)
    assert shelf_of(town.near) == (0, 0, 0)


def test_while_one_is_pending_the_order_neither_ends_nor_expires(town: Town) -> None:
    order = shown(ready_order(town))
    opened(order)
    with pytest.raises(HandOverPending):
        order_cancel(order_id=order.pk, reason="withdrawn", by="desk", now=NOW, trace_id=TRACE)
    assert orders_expire(now=FETCH_BY, limit=10) == 0


def test_undone_it_is_reserved_again_with_a_new_code(town: Town) -> None:
    order = ready_order(town)
    old = digits(order)
    handover = handed(order)
    for _ in range(2):
        assert undone(handover).outcome == "UNDONE"
    assert fresh(order).state == O.READY
    assert shelf_of(town.near) == (2, 2, 0)
    assert len(live_codes(order)) == 1
    assert digits(order) != old
    assert Claim.objects.get(pk=order.claim_id).handed_over_at is None
    handed(order)
    assert shelf_of(town.near) == (0, 0, 0)


def test_after_a_quarter_of_an_hour_or_another_one_it_is_not_undone(town: Town) -> None:
    order = ready_order(town)
    first = handed(order, record(box(1)))
    with pytest.raises(NotOnTheCounter):
        undone(first, now=NOW + timedelta(minutes=15))
    handed(order, record(box(1)))
    with pytest.raises(NotOnTheCounter):
        undone(first)


def test_what_came_back_lies_in_quarantine_and_is_never_sold_again(town: Town) -> None:
    order, draft = shown(ready_order(town)), record()
    row = returned(finished(opened(order, draft)))
    assert row.ended_at == NOW
    assert fresh(order).state == O.RETURNED
    assert shelf_of(town.near) == (0, 0, 2)
    assert TraceCode.objects.filter(live=True).count() == 2
    assert Claim.objects.get(pk=order.claim_id).handed_over_at is None


def test_a_part_that_came_back_leaves_the_other_part(town: Town) -> None:
    order = ready_order(town)
    first, _ = handed(order, record(box(1))), handed(order, record(box(1)))
    returned(first)
    assert fresh(order).state == O.HANDED_OVER
    assert shelf_of(town.near) == (0, 0, 1)
    assert Claim.objects.get(pk=order.claim_id).handed_over_at is not None


def test_the_rotating_code_needs_no_network_and_lives_for_half_a_minute_more_or_less(town: Town) -> None:
    order = ready_order(town)
    code = code_shown_to_patient(order=order)
    qr = code.qr(now=NOW)
    for seconds, right in ((0, True), (59, True), (90, False), (-60, False)):
        at = NOW + timedelta(seconds=seconds)
        assert code_find(organisation_id=order.organisation_id, code=qr, by=BY, now=at).right is right


def test_the_sixth_wrong_try_finds_no_code(town: Town) -> None:
    order = ready_order(town)
    wrong = "000000" if digits(order) != "000000" else "000001"
    left = [code_show(order_id=order.pk, code=wrong, by=BY, now=NOW).tries_left for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(CodeMissing):
        code_show(order_id=order.pk, code="111111", by=BY, now=NOW)


def test_a_shop_that_guesses_waits(town: Town) -> None:
    order = ready_order(town)
    at_shop: dict[str, Any] = {"organisation_id": order.organisation_id, "by": BY}
    wrong = "000000" if digits(order) != "000000" else "000001"
    for _ in range(10):
        assert not code_find(code=wrong, now=NOW, **at_shop).right
    with pytest.raises(CodeTriesSpent):
        code_find(code=digits(order), now=NOW, **at_shop)
    assert code_find(code=digits(order), now=NOW + timedelta(minutes=15), **at_shop).right


def test_before_the_insurer_confirms_the_code_opens_nothing(town: Town) -> None:
    stocked(town.near)
    order = shown(ready(accepted(offered(claim_of(town))), usable=False))
    with pytest.raises(CodeMissing):
        opened(order)
    code_make_usable(order_id=order.pk, by="desk", now=NOW, trace_id=TRACE)
    assert opened(order).outcome == "PENDING"


def test_the_code_of_a_patient_who_has_died_opens_nothing(town: Town) -> None:
    order = shown(ready_order(town))
    Person.objects.filter(pk=order.person_id).update(died_on=NOW.date())
    with pytest.raises(CodeMissing):
        opened(order)


def test_the_digits_are_not_in_the_database(town: Town) -> None:
    order = ready_order(town)
    [code] = live_codes(order)
    stored = bytes(code.sealed_seed) + bytes(code.digits_hash) + bytes(code.salt)
    assert digits(order).encode() not in stored


def test_a_shop_finds_and_hands_over_with_its_own_sight_and_a_stranger_sees_nothing(town: Town) -> None:
    order = ready_order(town)
    qr = code_shown_to_patient(order=order).qr(now=NOW)
    with as_role("app"), seen_by([town.near.organisation_id]):
        assert code_find(organisation_id=order.organisation_id, code=qr, by=BY, now=NOW).right
        handover = finished(opened(order))
    assert handover.outcome == "DONE"
    with as_role("app"), seen_by([town.far.organisation_id]), pytest.raises(NotFound):
        undone(handover)
