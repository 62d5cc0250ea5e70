"""Cash that is told before its wish: it is kept, and comes onto the right bill once that is known."""

from __future__ import annotations

from typing import Any

import pytest

from core.row_security import EVERYTHING
from exchange.models import Bill, Evidence, Transaction
from exchange.services.receive import AbandonedBefore
from ledger.selectors import trial_balance
from tests.exchange.doubting import (
    STANDS,
    abandon,
    accounts,
    cash_of,
    code_of,
    found,
    in_doubt,
    insurer,
    jobs,
    refund,
    settled,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, draft, receive, received

pytestmark = pytest.mark.usefixtures("patient")
PLACE: dict[str, Any] = {"visit_no": "V", "bill_no": "B"}


def test_a_tombstone_is_unsent_given_up_and_paid(house: House) -> None:
    assert code_of(abandon(house, "T")) == ""
    row = Transaction.objects.get(his_no="T")
    assert (row.state, row.abandoned_at is not None, row.interface_id) == ("NOT_SENT", True, None)
    answer = told(house, "T")
    assert (answer["verdict"], answer["self_payment"], answer["reason"]["code"]) == (
        "not_sent",
        STANDS,
        "cash_without_wish",
    )
    sound(house)
    assert code_of(abandon(house, "T", key="again")) == ""
    assert cash_of(house) == (10000, 0)


@pytest.mark.parametrize("place", [{}, PLACE])
def test_the_late_wish_fills_its_tombstone_and_is_not_sent(house: House, place: dict[str, Any]) -> None:
    abandon(house, "T", **place)
    late = draft(house, "T", total_minor=12000, **PLACE)
    (result,) = receive(late)
    assert isinstance(result.problem, AbandonedBefore)
    row = Transaction.objects.get()
    assert (row.bill.visit_no if row.bill else "", row.total_minor, row.state) == ("V", 12000, "NOT_SENT")
    assert jobs(row) == []
    answer = told(house, "T")
    assert (answer["verdict"], answer["bill"]["square"]) == ("not_sent", False), "100 were paid of 120"
    assert accounts(house) == {"counter_cash": 10000, "fees": 10000}
    sound(house)
    (again,) = receive(late)
    assert (again.transaction_id, again.replayed) == (row.pk, True)
    (other,) = receive(draft(house, "T", note="other", idempotency_key="k", **PLACE))
    assert other.problem is not None
    assert other.problem.code == "his_no_reused"


def test_what_was_given_back_moves_with_the_cash_of_a_tombstone(house: House) -> None:
    abandon(house, "T", 10000, total_minor=6000)
    assert code_of(refund(house, "T", 4000)) == ""
    receive(draft(house, "T", total_minor=6000, **PLACE))
    waiting, bill = Bill.objects.get(visit_no="~"), Bill.objects.get(visit_no="V")
    assert (waiting.collected_minor, waiting.refunded_minor, waiting.refund_due_minor) == (0, 0, 0)
    assert (bill.collected_minor, bill.refunded_minor, bill.refund_due_minor) == (10000, 4000, 0)
    assert told(house, "T")["self_payment"]["state"] == "REFUNDED"
    assert accounts(house) == {"counter_cash": 6000, "fees": 6000}
    sound(house)


def test_cash_that_moves_is_booked_where_the_bill_has_its_cash(house: House) -> None:
    in_doubt(house, "A", batch_no="1", **PLACE)
    abandon(house, "A")
    abandon(house, "T", receipt_no="R-T")
    receive(draft(house, "T", batch_no="2", **PLACE))
    bill = Bill.objects.get(visit_no="V")
    assert (bill.collected_minor, bill.cash_book_id) == (20000, house.insurer.pk)
    with insurer(house, query=found()):
        turns(house)
    assert accounts(house) == {"counter_cash": 20000, "fees": 20000}
    own_book = trial_balance(organisations=EVERYTHING, insurer_organisation_id=house.hospital.pk)
    assert {line.balance_minor for line in own_book} == {0}
    sound(house)


def test_a_wish_that_replaces_a_tombstone_takes_over_its_cash(house: House) -> None:
    abandon(house, "T")
    (row,) = received(draft(house, "Y", replaces="T", **PLACE))
    assert Transaction.objects.get(his_no="T").bill_id == row.bill_id
    assert accounts(house) == {"counter_cash": 10000, "fees": 10000}
    with insurer(house):
        turn(house)
    for his_no in ("T", "Y"):
        due = {"state": "REFUND_DUE", "amount_minor": 10000, "refund_due_minor": 8000}
        assert told(house, his_no)["self_payment"] == due
    assert code_of(refund(house, "Y", 8000)) == ""
    assert accounts(house) == {"receivable:basic_fund": 8000, "counter_cash": 2000, "fees": 10000}
    sound(house)
    assert Evidence.objects.filter(says="replaced").count() == 1
    # The wish that the tombstone stands for comes at last, for whatever visit: its cash stays where it went.
    receive(draft(house, "T", visit_no="V-OTHER"))
    assert Transaction.objects.get(his_no="T").bill_id == row.bill_id
    sound(house)


def test_a_tombstone_is_replaced_once(house: House) -> None:
    abandon(house, "T")
    first, second = receive(draft(house, "Y", replaces="T", **PLACE), draft(house, "Z", replaces="T", visit_no="V-2"))
    assert first.problem is None
    assert second.problem is not None
    assert second.problem.code == "reference_on_other_bill"
    assert Transaction.objects.filter(his_no="Z").count() == 0


def test_a_refused_replacement_leaves_the_tombstone_where_it_was(house: House) -> None:
    settled(house, "A", **PLACE)
    abandon(house, "T")
    (result,) = receive(draft(house, "Y", replaces="T", **PLACE))
    assert result.problem is not None
    assert result.problem.code == "bill_already_settled"
    (result,) = receive(draft(house, "Y", replaces="T", presettle_of="NOBODY", visit_no="V-2"))
    assert result.problem is not None
    assert result.problem.code == "reference_unknown"
    bill = Transaction.objects.get(his_no="T").bill
    assert bill is not None
    assert (bill.visit_no, bill.collected_minor) == ("~", 10000)


def test_a_tombstone_is_not_tried_again_but_replaced(house: House) -> None:
    abandon(house, "T")
    (result,) = receive(draft(house, "Y", retry_of="T", **PLACE))
    assert result.problem is not None
    assert result.problem.code == "retry_has_cash"


def test_a_tombstone_of_a_rest_is_told_to_the_resettle_that_would_need_its_name(house: House) -> None:
    settled(house, "X", **PLACE)
    abandon(house, "R~2")
    (result,) = receive(draft(house, "R", operation="resettle", of="X", total_minor=6000, **PLACE))
    assert isinstance(result.problem, AbandonedBefore)
    assert told(house, "X")["verdict"] == "succeeded"


def test_a_tombstone_is_told_also_where_its_cash_was_told_before(house: House) -> None:
    assert code_of(abandon(house, "T-1", receipt_no="R", **PLACE)) == ""
    assert code_of(abandon(house, "T-2", receipt_no="R", **PLACE)) == ""
    assert told(house, "T-2")["verdict"] == "not_sent"
    assert code_of(abandon(house, "T-3", 1, receipt_no="R", **PLACE)) == "receipt_differs"
    assert told(house, "T-3")["verdict"] == "not_sent"
