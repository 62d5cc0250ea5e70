"""A shift's report: what its till should hold, whatever was paid twice, given back, cancelled or is not known yet."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from accounts.models import Organisation
from core.clock import database_now
from core.row_security import seen_by
from exchange.models import ShiftClose
from exchange.selectors.shifts import shift_report
from exchange.services.receive import KeyReused
from exchange.services.shifts import ShiftClosed, ShiftDraft, ShiftIsClosed, shift_close
from tests.exchange.desk import cash_stands, say, wish
from tests.exchange.house import House, move_insurer, received, work_off
from tests.exchange.peer import answering, peer
from tests.roles import as_role, refused, rows


def report(house: House, shift_no: str = "S-1", hospital: Organisation | None = None) -> dict[str, Any]:
    organisation = hospital or house.hospital
    with as_role("app"), seen_by([organisation.pk]):
        return shift_report(organisation_id=organisation.pk, shift_no=shift_no, currency="CNY")


def close(house: House, shift_no: str = "S-1", *, key: str = "", body: bytes = b"1", **totals: int) -> ShiftClosed:
    draft = ShiftDraft(
        organisation_id=house.hospital.pk,
        by="key:till",
        idempotency_key=key or f"close-{shift_no}-{body.hex()}",
        digest=body,
        shift_no=shift_no,
        totals=totals,
        currency="CNY",
    )
    with as_role("app"), seen_by([house.hospital.pk]):
        return shift_close(draft=draft, now=database_now())


def till(shown: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Own shares, given back, cash taken, refunded, and what the till should hold."""
    names = ("own_shares_minor", "given_back_minor", "cash_taken_minor", "refunded_minor", "till_minor")
    return tuple(shown[name] for name in names)


def settled(house: House, *his_nos: str, **changes: Any) -> None:
    """Fees of 100 yuan, of which the patient pays 20."""
    changes = {"shift_no": "S-1", **changes}
    received(*(wish(house, his_no, **changes) for his_no in his_nos))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)


def test_the_till_holds_the_own_shares_of_what_was_settled(house: House) -> None:
    settled(house, "S-A", "S-B", operator_no="C1")
    settled(house, "S-OTHER", shift_no="S-2")
    shown = report(house)
    assert shown["settled"] == {"count": 2, "total_minor": 20000, "own_minor": 4000}
    assert till(shown) == (4000, 0, 0, 0, 4000)
    assert shown["unacknowledged"]["count"] == 2
    assert {one["his_no"] for one in shown["unacknowledged"]["transactions"]} == {"S-A", "S-B"}
    assert say(house, "S-A", "acknowledge").problem is None
    assert [one["his_no"] for one in report(house)["unacknowledged"]["transactions"]] == ["S-B"]


def test_cash_that_stands_is_in_the_till_by_its_tender(house: House) -> None:
    cash_stands(house, "S-A", shift_no="S-1")
    shown = report(house)
    assert till(shown) == (0, 0, 10000, 0, 10000)
    assert shown["tenders"] == [{"tender": "cash", "taken_minor": 10000, "refunded_minor": 0}]
    assert shown["not_sent"] == {"count": 1, "total_minor": 10000}


def test_settled_anew_the_cash_covers_the_own_share_and_the_rest_goes_back(house: House) -> None:
    cash_stands(house, "S-A", shift_no="S-1", visit_no="V-1")
    settled(house, "S-B", shift_no="S-2", visit_no="V-1", replaces="S-A")
    assert till(report(house, "S-1")) == (0, 0, 10000, 0, 10000)
    owed = report(house, "S-2")
    assert till(owed) == (0, 0, 0, 0, 0), "nothing more is taken: the cash covers the own share"
    assert owed["refund_due"]["bills"] == [{"visit_no": "V-1", "bill_no": "B-1", "refund_due_minor": 8000}]
    back: dict[str, Any] = {"amount_minor": 8000, "refund_no": "F-1", "tender": "cash", "shift_no": "S-3"}
    assert say(house, "S-B", "refunded", **back).problem is None
    assert till(report(house, "S-3")) == (0, 0, 0, 8000, -8000), "out of the till of the shift that paid it"
    assert till(report(house, "S-2")) == (0, 0, 0, 0, 0)
    assert sum(report(house, shift)["till_minor"] for shift in ("S-1", "S-2", "S-3")) == 2000


def test_cash_told_by_a_later_shift_is_in_that_shifts_till(house: House) -> None:
    received(wish(house, "S-A", shift_no="S-1"))
    told: dict[str, Any] = {"self_paid_minor": 10000, "tender": "wechat", "shift_no": "S-2", "operator_no": "C2"}
    assert say(house, "S-A", "abandon", **told).problem is None
    assert till(report(house, "S-1")) == (0, 0, 0, 0, 0)
    assert till(report(house, "S-2")) == (0, 0, 10000, 0, 10000)


def test_a_cancel_gives_the_own_share_back_out_of_its_own_shifts_till(house: House) -> None:
    settled(house, "S-A", visit_no="V-1")
    received(wish(house, "S-C", operation="cancel", of="S-A", shift_no="S-2", visit_no="V-1", total_minor=None))
    ((number,),) = rows("SELECT settlement_no FROM exchange_transaction WHERE his_no = 'S-A'")
    with peer(answering(cancelled=number, settlement_no="C-1", total_minor=-10000)) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    states = rows("SELECT his_no, state FROM exchange_transaction ORDER BY his_no")
    assert states == [("S-A", "CANCELLED"), ("S-C", "SUCCEEDED")], states
    assert till(report(house, "S-1")) == (2000, 0, 0, 0, 2000)
    assert till(report(house, "S-2")) == (0, 2000, 0, 0, -2000)


def test_what_nobody_knows_is_told_by_name(house: House) -> None:
    received(wish(house, "S-OPEN", shift_no="S-1", operator_no="C7"))
    unknown = report(house)["unknown"]
    assert (unknown["count"], unknown["total_minor"]) == (1, 10000)
    (named,) = unknown["transactions"]
    assert (named["his_no"], named["state"], named["operator_no"], named["paid_minor"]) == (
        "S-OPEN",
        "RECEIVED",
        "C7",
        0,
    )


def test_the_stranger_has_a_shift_of_the_same_name(house: House) -> None:
    settled(house, "S-A")
    assert till(report(house, "S-1", house.stranger)) == (0, 0, 0, 0, 0)


# Closing --------------------------------------------------------------------------------------------


def test_closed_it_says_what_the_till_lacks(house: House) -> None:
    settled(house, "S-A")
    cash_stands(house, "S-B", shift_no="S-1")
    closed = close(house, cash=10000, card=1500)
    assert closed.replayed is False
    assert (closed.result["told_minor"], closed.result["till_minor"]) == (11500, 12000)
    assert closed.result["difference_minor"] == -500
    assert closed.result["tenders"] == [
        {"tender": "card", "told_minor": 1500, "taken_minor": 0, "refunded_minor": 0},
        {"tender": "cash", "told_minor": 10000, "taken_minor": 10000, "refunded_minor": 0},
    ]


def test_a_shift_is_closed_once(house: House) -> None:
    first = close(house, cash=0)
    settled(house, "S-LATE")
    again = close(house, cash=0, key="another key")
    assert (again.replayed, again.result) == (True, first.result), "as it was then, whatever came later"
    with pytest.raises(ShiftIsClosed) as raised:
        close(house, body=b"2", cash=2000)
    assert raised.value.extra["shift"] == first.result
    assert raised.value.status == 409
    with pytest.raises(KeyReused):
        close(house, "S-9", key="another key", body=b"3")
    assert ShiftClose.objects.count() == 1
    assert close(house, "S-9", body=b"3", key="a key that a refusal did not take").replayed is False


def test_two_tills_close_the_same_shift_at_once_and_one_wins(committed_house: House) -> None:
    gate, seen = threading.Barrier(2), []

    def press(number: int) -> None:
        try:
            gate.wait()
            seen.append(close(committed_house, body=bytes([number]), cash=number).result["told_minor"])
        except ShiftIsClosed as refusal:
            seen.append(refusal.extra["shift"]["told_minor"])
        finally:
            connection.close()

    tills = [threading.Thread(target=press, args=(number,)) for number in (1, 2)]
    for one in tills:
        one.start()
    for one in tills:
        one.join()
    ((told,),) = rows("SELECT (result->>'told_minor')::bigint FROM exchange_shiftclose")
    assert seen == [told, told], "both see the same result"


def test_a_closed_shift_is_neither_changed_nor_forgotten(house: House) -> None:
    close(house)
    for statement in ("UPDATE exchange_shiftclose SET by = 'x'", "DELETE FROM exchange_shiftclose"):
        with as_role("app"), seen_by([house.hospital.pk]), refused("append-only|permission denied"):
            rows(statement)
