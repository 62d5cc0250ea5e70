"""A fee settled anew for its rest: a cancel, then a settle; doubt in either half, and what is told between them."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.models import Resettlement, Transaction
from exchange.services.conclude import transactions_overdue
from journal.models import Job
from tests.exchange.doubting import (
    NOT_FOUND,
    PAST_DEADLINE,
    REFUSAL,
    SILENCE,
    Said,
    abandon,
    accounts,
    can,
    cancelled,
    clock_on,
    code_of,
    found,
    insurer,
    jobs,
    reversed_,
    settled,
    sound,
    told,
    turn,
    turns,
)
from tests.exchange.house import House, draft, fresh, receive, received, take
from tests.exchange.test_states import unguarded
from tests.roles import as_role

pytestmark = pytest.mark.usefixtures("patient")
PLACE: dict[str, Any] = {"visit_no": "V", "bill_no": "B"}


def resettle(house: House, his_no: str = "R", *, of: str = "X", total_minor: int = 6000) -> tuple[Transaction, ...]:
    """Both halves: the cancel, and the settle of the rest."""
    received(draft(house, his_no, operation="resettle", of=of, total_minor=total_minor))
    saga = Resettlement.objects.get(cancel__his_no=his_no)
    return saga.cancel, saga.rest


def test_the_rest_is_settled_once_the_old_settlement_is_cancelled(house: House) -> None:
    settled(house, "X")
    undoing, rest = resettle(house)
    assert (told(house, "R~2")["verdict"], jobs(rest)) == ("pending", [])
    with insurer(house) as they:
        turn(house)
        assert (fresh(undoing).state, fresh(rest).state, jobs(rest)) == ("SUCCEEDED", "RECEIVED", ["exchange.send"])
        turns(house)
    assert they.heard == ["cancel", "settle"]
    answer = told(house, "R~2")
    assert (answer["verdict"], answer["amounts"]["total_minor"], answer["reason"]) == ("succeeded", 6000, None)
    # The scripted insurer's patient always pays 20.
    assert answer["cash_difference_minor"] == 0
    assert told(house, "X")["reason"]["code"] == "cancelled_by"
    assert accounts(house) == {"receivable:basic_fund": 4000, "counter_cash": 2000, "fees": 6000}
    sound(house)


def test_the_difference_of_the_patients_share_is_told(house: House) -> None:
    settled(house, "X")
    resettle(house)
    share = {"cash_minor": 1200, "fund_minor": 4800, "shares": [{"payer": "basic_fund", "amount_minor": 4800}]}
    with insurer(house, settle=share):
        turns(house)
    assert told(house, "R~2")["cash_difference_minor"] == -800


def test_a_refused_cancel_rejects_the_rest_and_the_old_one_stands(house: House) -> None:
    settled(house, "X")
    _, rest = resettle(house)
    with insurer(house, cancel=REFUSAL) as they:
        turns(house)
    assert they.heard == ["cancel"]
    answer = told(house, "R~2")
    assert (answer["verdict"], answer["reason"]["code"]) == ("rejected", "resettle_cancel_refused")
    assert answer["reason"]["insurer_text"] == "未参保"
    assert (told(house, "X")["verdict"], told(house, "R")["verdict"]) == ("succeeded", "rejected")
    assert jobs(rest) == []
    sound(house)
    assert resettle(house, "R-2")[0].state == "RECEIVED", "it may be tried again"


@pytest.mark.parametrize(
    ("settle", "query", "verdict", "why"),
    [
        (REFUSAL, NOT_FOUND, "rejected", "refused_by_insurer"),
        (SILENCE, NOT_FOUND, "rejected", "not_found_after_quiet"),
        (SILENCE, found("refused"), "rejected", "refused_by_insurer"),
    ],
)
def test_cancelled_and_the_rest_not_settled_says_so(
    house: House, settle: Said, query: Said, verdict: str, why: str
) -> None:
    can(house, can_query_by_msgid=True, not_found_is_final=True)
    settled(house, "X")
    _, rest = resettle(house)
    with insurer(house, settle=settle, query=query):
        turns(house, seconds=100)
    answer = told(house, "R~2")
    assert (answer["verdict"], answer["reason"]["code"]) == (verdict, "cancelled_rest_open")
    assert why in answer["reason"]["detail"]
    assert (told(house, "X")["verdict"], told(house, "R")["verdict"]) == ("cancelled", "succeeded")
    watched = Job.objects.filter(subject_id=rest.pk, kind="exchange.watch").exists()
    assert watched is (why == "not_found_after_quiet"), "what was only not found is looked after"
    sound(house)
    # The way on that the reason names.
    (anew,) = received(draft(house, "Y", replaces="R~2", visit_no="V-X", total_minor=6000))
    with insurer(house):
        turns(house)
    assert fresh(anew).state == "SUCCEEDED"
    sound(house)


def test_a_rest_in_doubt_that_is_paid_in_cash_is_reversed_and_the_cash_stands(house: House) -> None:
    can(house, can_query_by_msgid=True)
    settled(house, "X")
    _, rest = resettle(house)
    six: dict[str, Any] = {
        "total_minor": 6000,
        "fund_minor": 4000,
        "shares": [{"payer": "basic_fund", "amount_minor": 4000}],
    }
    undone = reversed_(total_minor=6000)
    with insurer(house, settle=SILENCE, query=found(**six), reverse=undone):
        turn(house)
        turn(house)
        assert fresh(rest).state == "IN_DOUBT"
        abandon(house, "R~2", 6000)
        clock_on(PAST_DEADLINE)
        turns(house)
    answer = told(house, "R~2")
    assert (answer["verdict"], answer["reason"]["code"]) == ("reversed", "cancelled_rest_open")
    assert answer["self_payment"] == {"state": "STANDS", "amount_minor": 6000, "refund_due_minor": 0}
    assert answer["bill"]["square"]
    sound(house)


def test_a_rest_that_is_given_up_while_its_cancel_is_under_way_is_never_sent(house: House) -> None:
    settled(house, "X")
    undoing, rest = resettle(house)
    assert len(take(house).works) == 1, "and lost with its process"
    assert code_of(abandon(house, "R~2", 6000)) == ""
    assert told(house, "R~2")["reason"]["code"] == "abandoned_before_sending"
    # Both stand for the moment: 80 by the insurer, 20 own, and 60 in cash.
    assert told(house, "R~2")["self_payment"]["refund_due_minor"] == 4000
    clock_on(PAST_DEADLINE)
    with insurer(house, query=found("cancelled")) as they:
        turns(house)
        assert they.heard == ["query"]
    assert (fresh(undoing).state, fresh(rest).state) == ("SUCCEEDED", "NOT_SENT")
    answer = told(house, "R~2")
    assert (answer["verdict"], answer["reason"]["code"]) == ("not_sent", "cancelled_rest_open")
    assert "abandoned_before_sending" in answer["reason"]["detail"]
    assert answer["self_payment"] == {"state": "STANDS", "amount_minor": 6000, "refund_due_minor": 0}
    assert answer["bill"]["square"]
    assert jobs(rest) == []
    sound(house)


def test_a_rest_that_is_given_up_and_a_cancel_that_is_refused_leave_the_old_one_and_a_refund(house: House) -> None:
    settled(house, "X")
    _, rest = resettle(house)
    abandon(house, "R~2", 6000)
    with insurer(house, cancel=REFUSAL):
        turns(house)
    answer = told(house, "R~2")
    assert (answer["verdict"], answer["reason"]["code"]) == ("not_sent", "abandoned_before_sending")
    assert answer["self_payment"] == {"state": "REFUND_DUE", "amount_minor": 6000, "refund_due_minor": 4000}
    assert told(house, "X")["verdict"] == "succeeded"
    assert fresh(rest).state == "NOT_SENT"
    sound(house)


def test_between_the_halves_the_bill_takes_no_other_wish(house: House) -> None:
    settled(house, "X", **PLACE)
    resettle(house)
    (result,) = receive(draft(house, "Y", **PLACE))
    assert result.problem is not None
    assert (result.problem.code, result.problem.extra["transaction"]["his_no"]) == ("bill_already_settled", "X")
    with insurer(house, cancel=cancelled()):
        turn(house)
    (result,) = receive(draft(house, "Y", **PLACE))
    assert result.problem is not None
    assert (result.problem.code, result.problem.extra["transaction"]["his_no"]) == ("bill_has_open_wish", "R~2")


def test_the_same_resettle_again_is_answered_by_its_rest(house: House) -> None:
    settled(house, "X")
    one = draft(house, "R", operation="resettle", of="X", total_minor=6000)
    (first,) = receive(one)
    (again,) = receive(one)
    assert (first.his_no, again.his_no, again.replayed) == ("R~2", "R~2", True)
    assert Transaction.objects.count() == 3


# Operations that prepare -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation_class", "reason"),
    [("READS", "no_answer_nothing_at_stake"), ("PREPARES", "no_answer_compensate_first")],
)
def test_no_answer_to_what_moves_no_money_is_no_doubt(house: House, operation_class: str, reason: str) -> None:
    # No dialect has such an operation yet: the row is made one, the rule is the services'.
    (row,) = received(draft(house, "P", operation="presettle"))
    take(house)
    unguarded(f"operation_class = '{operation_class}' WHERE id = '{row.pk}'")
    clock_on(PAST_DEADLINE)
    with as_role("worker"):
        transactions_overdue(transaction_ids=[row.pk], now=row.received_at)
    row = fresh(row)
    assert (row.state, row.reason_code) == ("NOT_SENT", reason)
    answer = told(house, "P")
    assert (answer["verdict"], answer["reason"]["code"]) == ("not_sent", reason)
    assert jobs(row) != ["exchange.resolve"]
