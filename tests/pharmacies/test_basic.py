"""Basic insurance at the counter: asked through job A, followed until it is proven, taken back, and never doubled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.clock import database_now
from core.ids import new_trace_id
from exchange.models import Transaction
from pharmacies.models import BasicSettlement
from pharmacies.services.basic import (
    FOLLOW,
    MOVED,
    NoBasicInsurance,
    basic_ask,
    basic_cancel,
    basic_follow,
    basic_of,
)
from pharmacies.states import BasicPurpose
from registry.models import Shop
from tests.claims.conftest import shelf
from tests.exchange.house import forget_processes, move_insurer, work_off
from tests.exchange.peer import Script, answering, peer, sending
from tests.pharmacies.counter import PRICE_MINOR, Counter, handover_of, make_counter
from tests.registry.house import Shelf
from tests.roles import as_role, rows

__all__ = ["shelf"]
pytestmark = pytest.mark.django_db
TOTAL = 2 * PRICE_MINOR
FUND = TOTAL - 2000  # What the scripted centre pays.


@pytest.fixture
def counter(shelf: Shelf) -> Iterator[Counter]:
    yield make_counter(shelf)
    forget_processes()


def ask(counter: Counter, purpose: BasicPurpose = BasicPurpose.SETTLE) -> BasicSettlement:
    handover = counter.handover if purpose == BasicPurpose.SETTLE else None
    return basic_ask(
        order=counter.order,
        purpose=purpose,
        items=counter.items,
        handover=handover,
        now=database_now(),
        trace_id=new_trace_id(),
    )


def answered(counter: Counter, script: Script) -> None:
    """The centre gets what waits for it, and answers by `script`."""
    with peer(script) as centre:
        move_insurer(counter.house, centre.base_url)
        work_off(counter.house)


def follow(row: BasicSettlement) -> BasicSettlement:
    with as_role("worker"):
        basic_follow(settlement_ids=[row.pk], now=database_now())
    row.refresh_from_db()
    return row


def jobs(kind: str) -> list[str]:
    return [str(subject) for (subject,) in rows("SELECT subject_id FROM journal_job WHERE kind = %s", [kind])]


def cancelled(row: BasicSettlement) -> BasicSettlement | None:
    return basic_cancel(settlement=row, now=database_now(), trace_id=new_trace_id())


@pytest.mark.parametrize("purpose", [BasicPurpose.PRESETTLE, BasicPurpose.SETTLE])
def test_what_basic_insurance_pays_is_taken_over_once_it_is_proven(counter: Counter, purpose: BasicPurpose) -> None:
    row = ask(counter, purpose)
    assert jobs(FOLLOW) == [str(row.pk)]
    answered(counter, answering(fund_minor=FUND))
    row = follow(row)
    assert (row.verdict, row.fund_minor, row.cash_minor) == ("succeeded", FUND, 2000)
    assert jobs(MOVED) == [str(counter.order.pk)]


def test_it_asks_as_the_shop_and_names_the_person_goods_and_order(counter: Counter) -> None:
    row = ask(counter)
    wish = Transaction.objects.get(pk=row.transaction_id)
    assert (wish.organisation_id, wish.his_no) == (counter.order.organisation_id, "O-2026-0001-S1")
    assert (wish.total_minor, wish.operation) == (TOTAL, "settle")


def test_before_the_answer_it_is_open_and_looked_at_again(counter: Counter) -> None:
    row = ask(counter)
    with as_role("worker"):
        again = basic_follow(settlement_ids=[row.pk], now=database_now())
    assert again[row.pk] > database_now()
    assert follow(row).verdict == ""
    assert jobs(MOVED) == []


def test_a_hand_over_is_settled_once_however_often_it_is_asked(counter: Counter) -> None:
    row = ask(counter)
    assert ask(counter).pk == row.pk
    answered(counter, answering())
    assert follow(row).verdict == "succeeded"
    assert ask(counter).pk == row.pk
    assert Transaction.objects.count() == 1


def test_an_answer_that_was_lost_is_doubt_and_neither_settled_nor_free(counter: Counter) -> None:
    row = ask(counter)
    answered(counter, sending(b""))
    assert Transaction.objects.get(pk=row.transaction_id).state == "IN_DOUBT"
    assert follow(row).verdict == ""
    assert ask(counter).pk == row.pk
    assert basic_of(handover=counter.handover) == row


def test_after_a_refusal_it_may_be_asked_anew_under_another_number(counter: Counter) -> None:
    row = ask(counter)
    refusal = {"code": "refused", "reason": {"code": "not_insured", "text": "unknown person"}}
    answered(counter, answering(**refusal))
    row = follow(row)
    assert (row.verdict, row.reason, row.fund_minor) == ("rejected", "refused_by_insurer", None)
    assert basic_of(handover=counter.handover) is None
    assert ask(counter).his_no == "O-2026-0001-S2"


def test_goods_that_came_back_are_cancelled_once(counter: Counter) -> None:
    row = ask(counter)
    answered(counter, answering())
    row = follow(row)
    cancel = cancelled(row)
    assert cancel is not None
    assert cancelled(row) == cancel
    wish = Transaction.objects.get(pk=cancel.transaction_id)
    assert (wish.operation, wish.of_id) == ("cancel", row.transaction_id)


def test_a_hand_over_given_up_while_nobody_knows_is_cancelled_as_soon_as_it_is_known(counter: Counter) -> None:
    row = ask(counter)
    assert cancelled(row) == row
    assert not row.cancels.exists()
    answered(counter, answering())
    assert follow(row).cancels.count() == 1


def test_a_hand_over_given_up_and_then_refused_needs_no_cancel(counter: Counter) -> None:
    row = ask(counter)
    cancelled(row)
    answered(counter, answering(code="refused", reason={"code": "x", "text": "y"}))
    row = follow(row)
    assert not row.cancels.exists()
    assert cancelled(row) is None


def test_two_hand_overs_of_an_order_are_two_settlements(counter: Counter) -> None:
    ask(counter)
    counter.handover.outcome = "DONE"
    counter.handover.save(update_fields=["outcome"])
    other = handover_of(counter.order, counter.order.organisation, number=2)
    second = ask(replace(counter, handover=other))
    assert second.his_no == "O-2026-0001-S2"


def test_a_shop_that_is_no_dual_channel_does_not_ask(counter: Counter) -> None:
    Shop.objects.update(basic_insurance=False)
    counter.order.shop.refresh_from_db()
    with pytest.raises(NoBasicInsurance):
        ask(counter)


def test_another_shop_sees_nothing_of_it(counter: Counter) -> None:
    ask(counter)
    with as_role("app"):
        assert not BasicSettlement.objects.exists()
