"""Cash at the counter: told late, twice, of two wishes, before the wish; it is counted once and never lost."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import NotFound
from exchange.models import Bill, IdempotencyKey, Reversal, SelfPayment, Transaction, Verdict
from exchange.services.receive import KeyReused
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_QUIET,
    REFUSAL,
    SILENCE,
    STANDS,
    Said,
    abandon,
    accounts,
    act,
    can,
    cash_of,
    clock_on,
    code_of,
    found,
    in_doubt,
    insurer,
    refund,
    reversals,
    reversed_,
    settled,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, connect, draft, fresh, receive, received

PLACE: dict[str, Any] = {"visit_no": "V", "bill_no": "B"}

pytestmark = pytest.mark.usefixtures("patient")


def unsent(house: House, his_no: str, **changes: Any) -> Transaction:
    """A wish that was given up before it was sent, 100 taken in cash."""
    (row,) = received(draft(house, his_no, **changes))
    assert code_of(abandon(house, his_no, receipt_no=f"R-{his_no}")) == ""
    assert fresh(row).state == "NOT_SENT"
    return row


# The four endings -----------------------------------------------------------------------------------


def test_cash_stands(house: House) -> None:
    row = in_doubt(house, "X")
    abandon(house, "X")
    with insurer(house, query=found()):
        turns(house)
    assert reversals(row) == [(1, "abandoned", "ACCEPTED")]
    answer = told(house, "X")
    assert (answer["verdict"], answer["self_payment"], answer["bill"]["square"]) == ("reversed", STANDS, True)
    assert accounts(house) == {"counter_cash": 10000, "fees": 10000}
    sound(house)


def test_insurance_stands(house: House) -> None:
    settled(house, "X")
    assert code_of(abandon(house, "X")) == "already_succeeded"
    answer = told(house, "X")
    assert (answer["verdict"], answer["bill"]["square"]) == ("succeeded", False)
    assert answer["self_payment"] == {"state": "REFUND_DUE", "amount_minor": 10000, "refund_due_minor": 8000}
    sound(house)
    assert code_of(refund(house, "X", 8000)) == ""
    answer = told(house, "X")
    assert (answer["self_payment"]["state"], answer["bill"]["square"]) == ("REFUNDED", True)
    # The till took 20 with the verdict, says the fee's posting; the cash covers them, so they are counted once.
    assert accounts(house) == {"receivable:basic_fund": 8000, "counter_cash": 2000, "fees": 10000}
    sound(house)


def test_settled_anew(house: House) -> None:
    in_doubt(house, "X", **PLACE)
    abandon(house, "X")
    with insurer(house, query=found()):
        turns(house)
        received(draft(house, "Y", replaces="X", **PLACE))
        assert told(house, "X")["self_payment"]["amount_minor"] == 10000
        turn(house)
    for his_no in ("X", "Y"):
        due = {"state": "REFUND_DUE", "amount_minor": 10000, "refund_due_minor": 8000}
        assert told(house, his_no)["self_payment"] == due
    sound(house)
    assert code_of(refund(house, "X", 8000)) == "", "either wish of the chain may name the refund"
    assert told(house, "Y")["self_payment"]["state"] == "REFUNDED"
    assert accounts(house) == {"receivable:basic_fund": 8000, "counter_cash": 2000, "fees": 10000}
    sound(house)


def test_service_cancelled(house: House) -> None:
    in_doubt(house, "X")
    abandon(house, "X")
    assert code_of(act(house, "X", "service-cancelled")) == ""
    assert told(house, "X")["self_payment"]["refund_due_minor"] == 0, "due when nothing is live"
    with insurer(house, query=found()):
        turns(house)
    assert told(house, "X")["self_payment"] == {"state": "REFUND_DUE", "amount_minor": 10000, "refund_due_minor": 10000}
    sound(house)
    assert code_of(refund(house, "X", 10000)) == ""
    assert told(house, "X")["bill"] == {"square": True, "outside": True}
    assert accounts(house) == {}
    sound(house)


# Told twice ------------------------------------------------------------------------------------------


def test_the_same_receipt_is_the_same_cash_and_another_one_is_more(house: House) -> None:
    in_doubt(house, "X")
    for key in ("1", "2"):
        assert code_of(abandon(house, "X", 4000, "R-1", key=key)) == ""
    assert cash_of(house) == (4000, 0)
    assert code_of(abandon(house, "X", 6000, "R-2")) == ""
    assert cash_of(house) == (10000, 0)
    assert code_of(abandon(house, "X", 5000, "R-2")) == "receipt_differs"
    assert cash_of(house) == (10000, 0)
    assert Verdict.objects.filter(verdict="abandoned").count() == 2


def test_the_same_amount_without_a_receipt_is_the_same_cash(house: House) -> None:
    in_doubt(house, "X")
    for key in ("1", "2"):
        abandon(house, "X", 10000, "", key=key)
    assert cash_of(house) == (10000, 0)
    abandon(house, "X", 500, "")
    assert cash_of(house) == (10500, 0)


def test_a_receipt_that_is_told_of_the_wish_that_took_the_cash_over_is_not_counted_again(house: House) -> None:
    unsent(house, "X", **PLACE)
    row = in_doubt(house, "Y", replaces="X", **PLACE)
    assert code_of(abandon(house, "Y", receipt_no="R-X")) == ""
    assert cash_of(house) == (10000, 0)
    assert fresh(row).abandoned_at is not None, "that Y is given up is news all the same"
    assert told(house, "Y")["verdict"] == "abandoned"
    with insurer(house, query=found()):
        turns(house)
    assert reversals(row) == [(1, "abandoned", "ACCEPTED")]
    assert told(house, "Y")["self_payment"] == STANDS
    assert code_of(refund(house, "Y", 10000)) == "refund_exceeds_due"
    sound(house)


def test_a_refund_that_is_told_of_two_wishes_of_a_chain_is_one(house: House) -> None:
    unsent(house, "X", **PLACE)
    settled(house, "Y", replaces="X", **PLACE)
    assert code_of(refund(house, "X", 4000, "F-1")) == ""
    assert code_of(refund(house, "Y", 4000, "F-1")) == ""
    assert cash_of(house) == (10000, 4000)
    assert told(house, "Y")["self_payment"]["refund_due_minor"] == 4000
    assert code_of(refund(house, "Y", 3000, "F-1")) == "refund_differs"
    assert code_of(refund(house, "Y", 4001, "F-2")) == "refund_exceeds_due"
    assert code_of(refund(house, "Y", 4000, "F-2")) == ""
    assert told(house, "X")["bill"]["square"]
    sound(house)


def test_a_refund_for_a_reversal_alone_is_refused(house: House) -> None:
    in_doubt(house, "X")
    abandon(house, "X")
    with insurer(house, query=found()):
        turns(house)
    assert code_of(refund(house, "X", 1)) == "refund_exceeds_due"
    assert cash_of(house) == (10000, 0)


def test_a_key_that_was_used_for_another_act_stores_nothing(house: House) -> None:
    in_doubt(house, "X")
    assert code_of(abandon(house, "X", 10000, "R-1", key="K")) == ""
    with pytest.raises(KeyReused, match="K was used for X"):
        abandon(house, "X", 5000, "R-2", key="K")
    assert cash_of(house) == (10000, 0)
    assert abandon(house, "X", 10000, "R-1", key="K").replayed


# Cash and what is no fee ------------------------------------------------------------------------------


def test_cash_told_of_a_cancel_is_stored_on_what_it_cancels(house: House) -> None:
    settled(house, "X")
    received(draft(house, "C", operation="cancel", of="X"))
    assert code_of(abandon(house, "C")) == "cannot_be_abandoned"
    assert SelfPayment.objects.get().transaction.his_no == "X"
    assert told(house, "X")["self_payment"]["refund_due_minor"] == 8000
    with insurer(house):
        turns(house)
    assert (told(house, "C")["verdict"], told(house, "X")["verdict"]) == ("succeeded", "cancelled")
    # Nothing is settled any more and the cash is there: it is the payment.
    assert told(house, "X")["self_payment"] == STANDS
    sound(house)


def test_cash_told_of_a_question_is_refused(house: House) -> None:
    received(draft(house, "Q", operation="presettle"))
    assert code_of(abandon(house, "Q")) == "cannot_be_abandoned"
    assert cash_of(house) == (0, 0)


def test_a_stranger_has_no_such_wish_and_raises_a_tombstone_of_his_own(house: House) -> None:
    row = in_doubt(house, "X")
    assert code_of(abandon(house, "X", hospital=house.stranger)) == ""
    assert fresh(row).abandoned_at is None
    assert SelfPayment.objects.get().organisation_id == house.stranger.pk
    for name, values in (("disown", {"reason": "x"}), ("refunded", {"amount_minor": 1, "refund_no": "F"})):
        with pytest.raises(NotFound):
            act(house, "X-2", name, hospital=house.stranger, **values)


def test_two_parts_of_a_bill_keep_their_money_apart(house: House) -> None:
    settled(house, "A", batch_no="1", **PLACE)
    received(draft(house, "B", batch_no="2", total_minor=5000, **PLACE))
    abandon(house, "B", 5000)
    assert told(house, "B")["bill"]["square"]
    assert accounts(house) == {"receivable:basic_fund": 8000, "counter_cash": 7000, "fees": 15000}
    sound(house)


def test_a_second_currency_on_a_bill_is_refused(house: House) -> None:
    settled(house, "A", batch_no="1", **PLACE)
    (result,) = receive(draft(house, "B", batch_no="2", currency="USD", **PLACE))
    assert result.problem is not None
    assert result.problem.code == "bill_in_other_currency"
    (result,) = receive(draft(house, "R", operation="resettle", of="A", currency="USD", **PLACE))
    assert result.problem is not None
    assert result.problem.code == "bill_in_other_currency"
    assert Transaction.objects.count() == 1


# Disowning -------------------------------------------------------------------------------------------


def test_a_success_whose_cash_was_given_back_through_the_wish_before_it_is_not_disowned(house: House) -> None:
    unsent(house, "X", **PLACE)
    settled(house, "Y", replaces="X", **PLACE)
    refund(house, "X", 8000)
    assert code_of(act(house, "Y", "disown", reason="never booked")) == "nothing_to_disown"
    assert not Reversal.objects.exists()


def test_a_refund_of_another_part_of_the_bill_does_not_keep_a_success_from_being_disowned(house: House) -> None:
    unsent(house, "A", batch_no="1", **PLACE)
    settled(house, "B", replaces="A", batch_no="1", **PLACE)
    settled(house, "C", batch_no="2", **PLACE)
    refund(house, "B", 6000)
    assert code_of(act(house, "C", "disown", reason="never booked")) == ""


def test_a_refund_that_became_too_much_is_short_and_says_so(house: House) -> None:
    can(house, can_query_by_msgid=True, not_found_is_final=True)
    unsent(house, "X", **PLACE)
    row = settled(house, "Y", replaces="X", **PLACE)
    refund(house, "Y", 8000)
    received(draft(house, "C", operation="cancel", of="Y"))
    with insurer(house):
        turns(house)
    assert fresh(row).state == "CANCELLED"
    bill = Bill.objects.get()
    assert (bill.cash_short_minor, bill.refund_due_minor, bill.unsquare_since) == (8000, 0, None)
    assert not told(house, "Y")["bill"]["square"]
    sound(house)


@pytest.mark.parametrize(("said", "state"), [(REFUSAL, "REJECTED"), (SILENCE, "REJECTED")])
def test_cash_taken_before_a_refusal_is_the_payment(house: House, said: Said, state: str) -> None:
    can(house, can_query_by_msgid=True, not_found_is_final=True)
    received(draft(house, "X"))
    with insurer(house, settle=said, query=NOT_FOUND):
        turn(house)
        abandon(house, "X")
        clock_on(PAST_QUIET)
        turns(house)
    answer = told(house, "X")
    assert (answer["state"], answer["verdict"], answer["self_payment"]) == (state, "rejected", STANDS)
    assert answer["bill"]["square"]
    sound(house)


def test_a_deposit_stays_until_its_bill_is_at_rest(house: House) -> None:
    in_doubt(house, "X")
    abandon(house, "X", 15000)
    assert accounts(house) == {"counter_cash": 15000, "patient_deposits": 15000}
    assert told(house, "X")["self_payment"]["refund_due_minor"] == 5000
    with insurer(house, query=found(), reverse=reversed_()):
        turns(house)
    assert accounts(house) == {"counter_cash": 15000, "patient_deposits": 5000, "fees": 10000}
    sound(house)


def test_two_insurers_share_one_cash_book_per_bill(house: House) -> None:
    other = connect("INS-Z", scheme="888", base_url=house.interface.base_url)
    in_doubt(house, "X", **PLACE)
    abandon(house, "X")
    with insurer(house, query=found()):
        turns(house)
    received(draft(house, "Y", replaces="X", scheme="888", **PLACE))
    abandon(house, "Y", receipt_no="R-2")
    assert other.pk != house.interface.pk
    assert told(house, "Y")["self_payment"] == {"state": "REFUND_DUE", "amount_minor": 20000, "refund_due_minor": 10000}
    sound(house)
    assert IdempotencyKey.objects.count() == 4
