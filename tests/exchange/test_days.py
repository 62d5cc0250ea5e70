"""A hospital's list of a day against ours: what differs is a case, once; what a signed list lacks is given up."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts.models import Organisation
from core.clock import database_now
from core.row_security import seen_by
from exchange.days import day_bounds
from exchange.models import DayCase, DayList, Evidence, IdempotencyKey, Transaction
from exchange.selectors.interfaces import interfaces_forget
from exchange.services import days
from exchange.services.days import (
    DayDraft,
    DayIsSigned,
    DayNotBegun,
    NoListToSign,
    SecondNameNeeded,
    TooManyAbsent,
    day_give,
    day_list_put,
    day_sign,
    days_review,
)
from tests.exchange.desk import say, wish
from tests.exchange.house import House, fresh, move_insurer, received, work_off
from tests.exchange.peer import answering, peer
from tests.roles import as_role, rows

ZONE = ZoneInfo("Asia/Shanghai")


def today() -> Any:
    return database_now().astimezone(ZONE).date()


def row(his_no: str, **changes: Any) -> dict[str, Any]:
    """A fee of 100 yuan as the hospital has booked it."""
    return {"his_no": his_no, "total_minor": 10000, "fund_minor": 8000, "cash_minor": 2000, **changes}


def put(house: House, *listed: dict[str, Any], hospital: Organisation | None = None, **changes: Any) -> dict[str, Any]:
    organisation = hospital or house.hospital
    names = {name: changes.get(name, "") for name in ("signed_by", "second_by")}
    said = json.dumps([listed, names, str(changes.get("as_of"))], sort_keys=True).encode()
    values: dict[str, Any] = {
        "organisation_id": organisation.pk,
        "by": "key:till",
        "business_date": today(),
        "digest": hashlib.sha256(said).digest(),
        "rows": listed,
        **changes,
    }
    with as_role("app"), seen_by([organisation.pk]):
        return day_list_put(draft=DayDraft(**values), now=database_now())


def give(house: House, *, hospital: Organisation | None = None, business_date: Any = None) -> dict[str, Any]:
    organisation = hospital or house.hospital
    with as_role("app"), seen_by([organisation.pk]):
        return day_give(organisation_id=organisation.pk, business_date=business_date or today(), now=database_now())


def cases(result: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((case["kind"], case["his_no"]) for case in result["cases"])


def settled(house: House, *his_nos: str, **changes: Any) -> list[Transaction]:
    stored = received(*(wish(house, his_no, **changes) for his_no in his_nos))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    return [fresh(one) for one in stored]


def acknowledged(house: House, *his_nos: str) -> None:
    for his_no in his_nos:
        assert say(house, his_no, "acknowledge").problem is None


def shift_success(transaction: Transaction, *, days_ago: float) -> None:
    """As if it had been settled earlier: nothing but a clock can do that, and the clock is the database's."""
    rows("SET CONSTRAINTS ALL IMMEDIATE")
    rows("ALTER TABLE exchange_transaction DISABLE TRIGGER USER")
    moved = timedelta(days=days_ago)
    rows(
        "UPDATE exchange_transaction SET state_at = state_at - %s, received_at = received_at - %s WHERE id = %s",
        [moved, moved, transaction.pk],
    )
    rows("ALTER TABLE exchange_transaction ENABLE TRIGGER USER")


# Differences ----------------------------------------------------------------------------------------


def test_a_day_that_agrees_says_so(house: House) -> None:
    settled(house, "D-1", "D-2")
    acknowledged(house, "D-1", "D-2")
    result = put(house, row("D-1"), row("D-2", shares=[{"payer": "basic_fund", "amount_minor": 8000}]))
    assert (cases(result), result["agrees"], result["unresolved"]) == ([], True, [])
    (ours,), (theirs,) = result["ours"], result["theirs"]
    assert (ours["count"], ours["total_minor"], ours["fund_minor"], ours["cash_minor"]) == (2, 20000, 16000, 4000)
    assert (theirs["count"], theirs["total_minor"], theirs["account_minor"]) == (2, 20000, None)
    assert result["insurer"] == "not_received"
    assert [(one["insurer"], one["file"]) for one in result["insurers"]] == [("INS-A", "not_received")]
    assert (result["list"]["version"], result["list"]["rows"], result["list"]["signed_by"]) == (1, 2, None)


def test_every_class_of_difference_is_found(house: House) -> None:
    settled(house, "D-ABSENT", "D-AMOUNT", "D-TWICE", "D-SHARES", "D-QUIET")
    received(wish(house, "D-OPEN"), wish(house, "D-ASK", operation="presettle"))
    acknowledged(house, "D-AMOUNT", "D-TWICE", "D-SHARES")
    result = put(
        house,
        row("D-AMOUNT", fund_minor=7000, cash_minor=3000),
        row("D-TWICE"),
        row("D-TWICE"),
        row("D-SHARES", shares=[{"payer": "own_account", "amount_minor": 8000}]),
        row("D-QUIET"),
        row("D-OPEN"),
        row("D-ASK"),
        row("D-NOBODY"),
    )
    assert cases(result) == [
        ("absent", "D-ABSENT"),
        ("amounts_differ", "D-AMOUNT"),
        ("amounts_differ", "D-SHARES"),
        ("duplicate", "D-TWICE"),
        ("not_succeeded", "D-ASK"),
        ("not_succeeded", "D-OPEN"),
        ("unacknowledged", "D-QUIET"),
        ("unknown", "D-NOBODY"),
    ]
    by_name = {(case["kind"], case["his_no"]): case for case in result["cases"]}
    amounts = by_name["amounts_differ", "D-AMOUNT"]
    assert amounts["details"]["differing"] == ["fund_minor", "cash_minor"]
    assert (amounts["ours"]["fund_minor"], amounts["theirs"]["fund_minor"]) == (8000, 7000)
    assert by_name["duplicate", "D-TWICE"]["details"]["times"] == 2
    assert by_name["not_succeeded", "D-OPEN"]["ours"]["state"] == "RECEIVED"
    assert [one["his_no"] for one in result["unresolved"]] == ["D-OPEN"]
    assert result["agrees"] is False


def test_what_has_not_ended_stays_on_the_list_also_where_nobody_can_be_asked(house: House) -> None:
    (armed,) = received(wish(house, "D-DOUBT"))
    with peer(answering(msgid="another")) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    assert fresh(armed).state == "IN_DOUBT"
    rows("DELETE FROM exchange_capabilitygrant WHERE name = 'can_query_by_msgid'")
    interfaces_forget()
    shift_success(fresh(armed), days_ago=3)
    (left,) = put(house)["unresolved"]
    assert (left["his_no"], left["state"], left["can_be_queried"]) == ("D-DOUBT", "IN_DOUBT", False)


def test_a_second_run_adds_nothing_and_closes_what_vanished(house: House) -> None:
    settled(house, "D-1", "D-2")
    first = put(house, row("D-1"), row("D-NOBODY"))
    assert cases(first) == [("absent", "D-2"), ("unacknowledged", "D-1"), ("unknown", "D-NOBODY")]
    opened = {case["his_no"]: case["opened_at"] for case in first["cases"]}
    again = put(house, row("D-1"), row("D-NOBODY"))
    assert (cases(again), again["list"]["version"], DayCase.objects.count()) == (cases(first), 1, 3)
    acknowledged(house, "D-1")
    assert cases(give(house)) == [("absent", "D-2"), ("unknown", "D-NOBODY")]
    result = put(house, row("D-1"))
    assert (cases(result), result["cases_closed"], result["list"]["version"]) == ([("absent", "D-2")], 2, 2)
    back = put(house, row("D-1"), row("D-NOBODY"))
    assert cases(back) == [("absent", "D-2"), ("unknown", "D-NOBODY")]
    assert {case["his_no"]: case["opened_at"] for case in back["cases"]}["D-NOBODY"] == opened["D-NOBODY"]
    assert DayCase.objects.count() == 3, "found again it is the same case"


def test_the_chore_closes_what_vanished_and_gives_up_nothing(house: House) -> None:
    settled(house, "D-1", "D-2")
    put(house, row("D-1"))
    acknowledged(house, "D-1")
    with as_role("worker"):
        assert days_review(now=database_now()) == 1
    assert list(DayCase.objects.filter(closed_at=None).values_list("kind", "his_no")) == [("absent", "D-2")]
    assert Transaction.objects.get(his_no="D-2").state == "SUCCEEDED"


def test_a_day_without_a_list_shows_ours(house: House) -> None:
    settled(house, "D-1")
    result = give(house)
    assert (result["list"], result["theirs"], result["cases"], result["agrees"]) == (None, [], [], False)
    assert [one["count"] for one in result["ours"]] == [1]


def test_the_stranger_neither_sees_nor_touches_ours(house: House) -> None:
    settled(house, "D-1")
    result = put(house, row("D-1"), hospital=house.stranger, signed_by="stranger")
    assert (cases(result), result["ours"]) == ([("unknown", "D-1")], [])
    assert Transaction.objects.get(his_no="D-1").state == "SUCCEEDED"
    assert give(house)["list"] is None


# Whose day it is ------------------------------------------------------------------------------------


def test_the_day_is_the_hospitals_own(house: House) -> None:
    Organisation.objects.filter(pk=house.hospital.pk).update(time_zone="Pacific/Kiritimati")
    begin, end = day_bounds(datetime(2026, 11, 22, tzinfo=ZONE).date(), "Pacific/Kiritimati")
    assert (begin.utcoffset(), end - begin) == (timedelta(hours=14), timedelta(days=1))
    assert give(house)["time_zone"] == "Pacific/Kiritimati"
    summer = day_bounds(datetime(2026, 3, 29, tzinfo=ZONE).date(), "Europe/Berlin")
    assert summer[1].astimezone(ZONE) - summer[0].astimezone(ZONE) == timedelta(hours=23)


def test_a_day_that_has_not_begun_takes_no_list(house: House) -> None:
    with pytest.raises(DayNotBegun):
        put(house, business_date=today() + timedelta(days=2))
    assert DayList.objects.count() == 0


def test_a_fee_around_midnight_may_stand_on_the_neighbours_list(house: House) -> None:
    (ours,) = settled(house, "D-1")
    yesterday = today() - timedelta(days=1)
    assert cases(put(house, row("D-1"), business_date=yesterday)) == [("unacknowledged", "D-1")]
    result = put(house, signed_by="王主任")
    assert cases(result) == [], "it is on the list of the day before"
    assert fresh(ours).state == "SUCCEEDED"


def test_a_fee_of_quite_another_day_is_a_case(house: House) -> None:
    (ours,) = settled(house, "D-1")
    acknowledged(house, "D-1")
    shift_success(fresh(ours), days_ago=5)
    assert cases(put(house, row("D-1"))) == [("other_day", "D-1")]


# Signed ---------------------------------------------------------------------------------------------


def test_signed_it_gives_up_what_it_lacks_and_nobody_acknowledged(house: House) -> None:
    settled(house, "D-1", "D-LOST", "D-BOOKED")
    acknowledged(house, "D-1", "D-BOOKED")
    unsigned = put(house, row("D-1"))
    assert cases(unsigned) == [("absent", "D-BOOKED"), ("absent", "D-LOST")]
    assert Transaction.objects.get(his_no="D-LOST").state == "SUCCEEDED", "nothing happens while it is unsigned"
    signed = put(house, row("D-1"), signed_by="王主任")
    assert cases(signed) == [("absent", "D-BOOKED"), ("absent", "D-LOST")]
    (given_up,) = [case for case in signed["cases"] if case["his_no"] == "D-LOST"]
    assert (given_up["details"], given_up["ours"]["state"]) == ({"disowned": True}, "REVERSING")
    lost = Transaction.objects.get(his_no="D-LOST")
    assert (lost.state, lost.disowned_at is not None, lost.told) == ("REVERSING", True, "succeeded")
    assert Transaction.objects.get(his_no="D-BOOKED").state == "SUCCEEDED", "it was acknowledged: a person looks"
    said = Evidence.objects.filter(transaction=lost, says="disown").values_list("details", flat=True)
    assert list(said) == [f"day list {today()} v2"]
    assert signed["list"]["signed_by"] == "王主任"


def test_signed_again_it_gives_up_nothing_twice(house: House) -> None:
    settled(house, "D-LOST")
    for _ in range(2):
        put(house, signed_by="王主任")
    assert IdempotencyKey.objects.filter(key__startswith="day list").count() == 1
    assert rows("SELECT count(*) FROM exchange_reversal") == [(1,)]


def test_what_was_settled_after_the_list_was_made_is_not_given_up(house: House) -> None:
    before = database_now()
    settled(house, "D-LATER")
    result = put(house, signed_by="王主任", as_of=before)
    assert cases(result) == [("absent", "D-LATER")]
    assert Transaction.objects.get(his_no="D-LATER").state == "SUCCEEDED"


def test_a_success_under_cancel_or_with_a_refund_is_left_to_a_person(house: House) -> None:
    settled(house, "D-1", visit_no="V-1")
    received(wish(house, "D-C", operation="cancel", of="D-1", visit_no="V-1", total_minor=None))
    result = put(house, signed_by="王主任")
    assert cases(result) == [("absent", "D-1")]
    assert Transaction.objects.get(his_no="D-1").state == "SUCCEEDED"


def test_a_signed_list_is_replaced_only_by_two_names(house: House) -> None:
    settled(house, "D-1")
    acknowledged(house, "D-1")
    put(house, row("D-1"), signed_by="王主任")
    replacements: list[dict[str, Any]] = [{}, {"signed_by": "李会计"}, {"signed_by": "李会计", "second_by": " 李会计 "}]
    for names in replacements:
        with pytest.raises(DayIsSigned) as raised:
            put(house, row("D-1"), row("D-2"), **names)
        assert raised.value.status == 409
    assert put(house, row("D-1"), signed_by="王主任")["list"]["version"] == 1, "the same list is no replacement"
    result = put(house, row("D-1"), row("D-2"), signed_by="李会计", second_by="王主任")
    assert (result["list"]["version"], cases(result)) == (2, [("unknown", "D-2")])


def test_the_portal_signs_what_was_sent(house: House) -> None:
    settled(house, "D-LOST")
    with as_role("app"), seen_by([house.hospital.pk]), pytest.raises(NoListToSign):
        day_sign(
            organisation_id=house.hospital.pk,
            business_date=today(),
            signed_by="bai",
            by="user:bai",
            now=database_now(),
        )
    put(house)
    with as_role("app"), seen_by([house.hospital.pk]):
        signed = day_sign(
            organisation_id=house.hospital.pk,
            business_date=today(),
            signed_by="bai",
            by="user:bai",
            now=database_now(),
        )
    assert (signed["list"]["version"], signed["list"]["signed_by"]) == (2, "bai")
    assert Transaction.objects.get(his_no="D-LOST").state == "REVERSING"


def test_one_name_alone_does_not_give_up_half_a_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "DISOWNED_BY_ONE", 2)
    monkeypatch.setattr(days, "DISOWNED_AT_ONCE", 4)
    settled(house, "D-1", "D-2", "D-3")
    with pytest.raises(SecondNameNeeded):
        put(house, signed_by="王主任")
    assert (DayList.objects.count(), rows("SELECT count(*) FROM exchange_reversal")) == (0, [(0,)])
    put(house, signed_by="王主任", second_by="李会计")
    assert rows("SELECT count(*) FROM exchange_reversal") == [(3,)]
    settled(house, "D-4", "D-5", "D-6", "D-7", "D-8")
    with pytest.raises(TooManyAbsent):
        put(house, signed_by="赵院长", second_by="李会计")


# Races ----------------------------------------------------------------------------------------------


def together(*acts: Any) -> list[BaseException]:
    gate, raised = threading.Barrier(len(acts)), []

    def run(act: Any) -> None:
        try:
            gate.wait()
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return raised


def test_two_signed_lists_at_once_leave_one_that_counts(committed_house: House) -> None:
    house = committed_house
    settled(house, "D-1", "D-2")
    acknowledged(house, "D-1", "D-2")
    raised = together(
        lambda: put(house, row("D-1"), signed_by="王主任"), lambda: put(house, row("D-2"), signed_by="李会计")
    )
    assert [type(one) for one in raised] == [DayIsSigned]
    assert rows("SELECT count(*) FROM exchange_daylist") == [(1,)]


def test_an_acknowledgement_and_a_signature_at_once_never_both_win(committed_house: House) -> None:
    house = committed_house
    names = [f"D-{number}" for number in range(6)]
    settled(house, *names)
    acts = [lambda his_no=his_no: say(house, his_no, "acknowledge") for his_no in names]
    raised = together(lambda: put(house, signed_by="王主任"), *acts)
    assert raised == []
    for his_no, state, taken, given_up in rows(
        "SELECT his_no, state, acknowledged_at IS NOT NULL, disowned_at IS NOT NULL FROM exchange_transaction"
    ):
        assert state == ("REVERSING" if given_up else "SUCCEEDED"), his_no
        assert given_up or taken, f"{his_no} was neither booked nor given up"
