"""The outage list: bills whose cash stands, what settling them anew needs, and the refunds that are due."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Organisation
from core.clock import database_now
from core.crypto import unseal
from core.row_security import seen_by
from exchange.models import Transaction
from exchange.selectors.outage import Need, OutageRow, RefundDue, outage_list, refunds_due
from exchange.selectors.transactions import body_context
from exchange.services.guards import AlreadyFollowed
from exchange.services.outage import (
    CannotResettleHere,
    NoCashStands,
    NoNameLeft,
    Resettled,
    TooManyAtOnce,
    resettle_from_list,
)
from journal.models import Lane
from tests.exchange.desk import LATER, cash_stands, say, wish
from tests.exchange.house import House, fresh, move_insurer, received, work_off
from tests.exchange.peer import answering, peer
from tests.live import until
from tests.roles import as_role, rows


def listed(house: House, hospital: Organisation | None = None) -> tuple[OutageRow, ...]:
    organisation = hospital or house.hospital
    with as_role("app"), seen_by([organisation.pk]):
        return outage_list(organisations=[organisation.pk], now=database_now()).rows


def due(house: House, hospital: Organisation | None = None, **at: Any) -> tuple[RefundDue, ...]:
    organisation = hospital or house.hospital
    with as_role("app"), seen_by([organisation.pk]):
        return refunds_due(organisations=[organisation.pk], now=at.get("now") or database_now()).rows


def resettle(house: House, *his_nos: str, hospital: Organisation | None = None, **who: str) -> list[Resettled]:
    organisation = hospital or house.hospital
    with as_role("app"), seen_by([organisation.pk]):
        return resettle_from_list(
            organisation_id=organisation.pk, his_nos=his_nos, by="user:bai", now=database_now(), **who
        )


def settle_all(house: House) -> None:
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)


# The list -----------------------------------------------------------------------------------------


def test_a_bill_whose_cash_stands_is_listed_with_all_a_printed_list_needs(house: House) -> None:
    row = cash_stands(house, "O-1", visit_no="V-1", bill_no="B-7")
    (shown,) = listed(house)
    assert (shown.his_no, shown.visit_no, shown.bill_no, shown.transaction_id) == ("O-1", "V-1", "B-7", row.pk)
    assert (shown.state, shown.total_minor, shown.paid_minor, shown.currency) == ("NOT_SENT", 10000, 10000, "CNY")
    assert [(one.amount_minor, one.tender, one.receipt_no) for one in shown.cash] == [(10000, "cash", "R-O-1")]
    assert (shown.insurer, shown.interface, shown.lane_state, shown.needs) == ("INS-A", "INS-A", "open", ())
    assert shown.person == "张**", "no more of the name than its first character"


def test_what_has_no_cash_or_is_not_over_is_not_listed(house: House) -> None:
    received(wish(house, "O-PLAIN"))
    (armed,) = received(wish(house, "O-ABANDONED"))
    with peer(answering(msgid="another")) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    assert fresh(armed).state == "IN_DOUBT"
    assert say(house, "O-ABANDONED", "abandon", self_paid_minor=10000).problem is None
    cash_stands(house, "O-GIVEN-UP")
    assert say(house, "O-GIVEN-UP", "service-cancelled").problem is None
    assert listed(house) == ()


def test_the_stranger_sees_none_of_it(house: House) -> None:
    cash_stands(house, "O-1")
    assert listed(house, house.stranger) == ()
    with as_role("app"), seen_by([house.stranger.pk]):
        assert outage_list(organisations=[house.hospital.pk], now=database_now()).rows == ()
    (refused,) = resettle(house, "O-1", hospital=house.stranger)
    assert refused.problem is not None
    assert refused.problem.code == "not_found"


def test_cash_for_a_wish_that_never_came_is_listed_and_needs_the_wish(house: House) -> None:
    told: dict[str, Any] = {"self_paid_minor": 4000, "visit_no": "V-9", "bill_no": "B-9", "currency": "CNY"}
    assert say(house, "O-NEVER", "abandon", **told).problem is None
    (shown,) = listed(house)
    assert (shown.his_no, shown.total_minor, shown.paid_minor, shown.needs) == ("O-NEVER", None, 4000, (Need.WISH,))
    (refused,) = resettle(house, "O-NEVER")
    assert isinstance(refused.problem, CannotResettleHere)


def test_a_person_known_by_a_credential_only_is_asked_for_a_new_one(house: House) -> None:
    cash_stands(house, "O-1", body={"person": {"credential": "ECODE-1"}})
    (shown,) = listed(house)
    assert shown.needs == (Need.CREDENTIAL,)
    (refused,) = resettle(house, "O-1")
    assert isinstance(refused.problem, CannotResettleHere)
    assert Transaction.objects.count() == 1


def test_a_paused_lane_is_said_before_somebody_tries(house: House) -> None:
    cash_stands(house, "O-1")
    Lane.objects.update(paused_at=database_now(), paused_reason="maintenance")
    (shown,) = listed(house)
    assert (shown.lane_state, shown.needs) == ("paused", (Need.LANE,))


def test_another_wish_under_way_or_settled_on_the_bill_stands_in_the_way(house: House) -> None:
    cash_stands(house, "O-1", visit_no="V-1")
    received(wish(house, "O-2", visit_no="V-1"))
    assert [row.needs for row in listed(house)] == [(Need.OPEN_WISH,)]
    settle_all(house)
    assert [row.needs for row in listed(house)] == [(Need.BILL_SETTLED,)]


def test_the_list_comes_in_pages_oldest_first(house: House) -> None:
    for number in range(5):
        cash_stands(house, f"O-{number}")
    with as_role("app"), seen_by([house.hospital.pk]):
        seen, cursor, now = [], "", database_now()
        for _ in range(3):
            page = outage_list(organisations=[house.hospital.pk], now=now, cursor=cursor, limit=2)
            seen += [row.his_no for row in page.rows]
            cursor = page.next_cursor
        spoilt = outage_list(organisations=[house.hospital.pk], now=now, cursor="x|y", limit=2)
    assert seen == [f"O-{number}" for number in range(5)]
    assert cursor == ""
    assert [row.his_no for row in spoilt.rows] == ["O-0", "O-1"]
    assert spoilt.paid_minor == {"CNY": 20000}


# Settling anew ------------------------------------------------------------------------------------


def test_settled_anew_it_is_the_same_wish_under_a_name_of_ours(house: House) -> None:
    old = cash_stands(house, "O-1", body={"operator": {"no": "C12", "name": "李四光"}, "wait_seconds": 3})
    (result,) = resettle(house, "O-1", operator_no="C99", shift_no="S-2")
    assert (result.problem, result.new_his_no, result.replayed) == (None, "O-1~2", False)
    new = Transaction.objects.get(his_no=result.new_his_no)
    assert (new.his_no, new.state, new.replaces_id, new.bill_id) == ("O-1~2", "RECEIVED", old.pk, old.bill_id)
    assert (new.operator_no, new.shift_no, new.state_by) == ("C99", "S-2", "user:bai")
    body = json.loads(unseal(new.sealed_body, context=body_context(new.pk)))
    before = json.loads(unseal(old.sealed_body, context=body_context(old.pk)))
    assert body["person"] == {**before["person"], "credential": None}
    assert (body["items"], body["replaces"], body["operator"]) == (
        before["items"],
        "O-1",
        {"no": "C99", "shift_no": "S-2"},
    )
    assert "wait_seconds" not in body


def test_settled_anew_it_leaves_the_list_and_what_is_too_much_is_due_back(house: House) -> None:
    cash_stands(house, "O-1")
    resettle(house, "O-1")
    assert listed(house) == (), "it is under way"
    settle_all(house)
    assert listed(house) == ()
    (owed,) = due(house)
    assert (owed.his_no, owed.due_minor, owed.currency, owed.unclaimed) == ("O-1~2", 8000, "CNY", False)
    assert [(one.his_no, one.amount_minor, one.tender) for one in owed.cash] == [("O-1", 10000, "cash")]
    assert due(house, house.stranger) == ()
    (late,) = due(house, now=database_now() + LATER)
    assert late.unclaimed is True
    assert say(house, "O-1~2", "refunded", amount_minor=8000, refund_no="F-1").problem is None
    assert due(house) == ()


def test_one_that_came_to_nothing_stands_again_and_gets_the_next_name(house: House) -> None:
    cash_stands(house, "O-1")
    resettle(house, "O-1")
    work_off(house)  # Nobody listens there: proven unsent.
    (shown,) = listed(house)
    assert (shown.his_no, shown.state, shown.paid_minor) == ("O-1~2", "NOT_SENT", 10000)
    (again,) = resettle(house, "O-1")
    assert (again.problem, again.new_his_no) == (None, "O-1~3")
    assert Transaction.objects.get(his_no="O-1~3").replaces_id == shown.transaction_id
    (too_late,) = resettle(house, "O-1~2")
    assert isinstance(too_late.problem, AlreadyFollowed)


def test_each_of_many_has_a_result_of_its_own(house: House) -> None:
    for name in ("O-1", "O-2"):
        cash_stands(house, name)
    received(wish(house, "O-OPEN"))
    results = resettle(house, "O-1", "O-NOWHERE", "O-OPEN", "O-2", "O-1")
    assert [one.his_no for one in results] == ["O-1", "O-NOWHERE", "O-OPEN", "O-2", "O-1"]
    assert [one.new_his_no for one in results] == ["O-1~2", "", "", "O-2~2", ""]
    assert [getattr(one.problem, "code", None) for one in results] == [
        *(None, "not_found", "no_cash_stands", None, "already_followed")
    ]
    with pytest.raises(TooManyAtOnce):
        resettle(house, *["O-1"] * 101)


def test_what_is_settled_or_never_took_cash_is_not_settled_from_the_list(house: House) -> None:
    received(wish(house, "O-1"), wish(house, "O-ASK", operation="presettle"))
    settle_all(house)
    assert [type(one.problem) for one in resettle(house, "O-1", "O-ASK")] == [NoCashStands, NoCashStands]


def test_names_end_somewhere(house: House) -> None:
    long_name = "O" * 64
    (row,) = [cash_stands(house, long_name)]
    for number in range(2, 10):
        (result,) = resettle(house, long_name)
        assert result.new_his_no == f"{long_name}~{number}"
        work_off(house)
    (refused,) = resettle(house, long_name)
    assert isinstance(refused.problem, NoNameLeft)
    assert fresh(row).state == "NOT_SENT"


def test_two_people_at_once_settle_it_anew_once(committed_house: House) -> None:
    house = committed_house
    cash_stands(house, "O-1")
    gate, results = threading.Barrier(2), []

    def press(operator_no: str) -> None:
        try:
            gate.wait()
            results.extend(resettle(house, "O-1", operator_no=operator_no))
        finally:
            connection.close()

    people = [threading.Thread(target=press, args=(name,)) for name in ("C1", "C2")]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert rows("SELECT his_no FROM exchange_transaction ORDER BY his_no") == [("O-1",), ("O-1~2",)]
    problems = [one.problem for one in results if one.problem is not None]
    assert [type(one) for one in problems] in ([AlreadyFollowed], []), "the other one is told which, or the same one"


def test_it_waits_for_the_lock_of_the_bill(committed_house: House) -> None:
    """A service cancelled in the same moment wins if it is first: the new settle is then refused, not sent."""
    house = committed_house
    cash_stands(house, "O-1")
    results: list[Resettled] = []

    def press() -> None:
        try:
            results.extend(resettle(house, "O-1"))
        finally:
            connection.close()

    with transaction.atomic():
        Transaction.objects.select_for_update().get(his_no="O-1")
        rows("SELECT id FROM exchange_bill FOR UPDATE")
        other = threading.Thread(target=press)
        other.start()
        until(lambda: rows("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the other one waiting")
        assert say(house, "O-1", "service-cancelled").problem is None
    other.join()
    (result,) = results
    assert getattr(result.problem, "code", "") == "service_is_cancelled"
    assert rows("SELECT count(*) FROM exchange_transaction") == [(1,)]
