"""What a hospital reads beside its verdicts, from the real platform: bills, messages, lanes, shifts, days, slips."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from medisettle_client import Client, Problem
from tests.live import LiveStack, until

NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)


@pytest.fixture
def client(stack: LiveStack, tmp_path: Path) -> Iterator[Client]:
    with Client(stack.base_urls, stack.client_keys["HOSP-A"], store=tmp_path) as made:
        yield made


def test_a_bill_is_told_with_everything_on_it(stack: LiveStack, client: Client) -> None:
    stack.faults("SANDBOX-A", "commit_then_silence")
    wish = stack.wish(wait_seconds=0, bill={"bill_no": "B/1 甲"})
    visit_no = wish["visit"]["visit_no"]
    client.settle(wish)
    stack.wait_for(wish["his_no"], "SENDING", "IN_DOUBT")
    client.abandon(wish["his_no"], self_paid_minor=10000, collected_at=NOW, receipt_no="R-1")
    until(lambda: client.get(wish["his_no"]).verdict == "reversed", seconds=40)
    anew = client.settle(stack.wish(visit=wish["visit"], bill=wish["bill"], replaces=wish["his_no"]))
    due = client.bill(visit_no, "B/1 甲")
    assert (due.square, due.refund_due_minor, due.price_minor, due.payers_minor) == (False, 8000, 10000, 8000)
    client.refunded(anew.his_no, amount_minor=8000, refund_no="F-1")
    bill = client.bill(visit_no, "B/1 甲")
    assert (bill.visit_no, bill.bill_no, bill.square, bill.outside) == (visit_no, "B/1 甲", True, False)
    assert [(one.his_no, one.verdict, one.replaces) for one in bill.transactions] == [
        (wish["his_no"], "reversed", None),
        (anew.his_no, "succeeded", wish["his_no"]),
    ]
    assert [(one.amount_minor, one.receipt_no, one.collected_at) for one in bill.self_payments] == [(10000, "R-1", NOW)]
    assert [(one.amount_minor, one.refund_no) for one in bill.refunds] == [(8000, "F-1")]


def test_a_visit_without_a_bill_number_is_the_bill(stack: LiveStack, client: Client) -> None:
    wish = stack.wish()
    client.settle(wish)
    bill = client.bill(wish["visit"]["visit_no"])
    assert [one.his_no for one in bill.transactions] == [wish["his_no"]]
    with pytest.raises(Problem) as unknown:
        client.bill("never-heard-of", "B-1")
    assert unknown.value.code == "not_found"


def test_the_messages_of_a_fee_are_told_without_the_person(stack: LiveStack, client: Client) -> None:
    his_no = client.settle(stack.wish()).his_no
    path = client.messages(his_no)
    (message,) = path.messages
    assert (path.his_no, message.kind, message.outcome, message.insurer) == (his_no, "SETTLE", "DONE", "SANDBOX-A")
    assert message.request is not None
    assert path.wish is not None
    assert "110101199001011237" not in path.wish.body + message.request.body


def test_the_lanes_are_told(client: Client) -> None:
    lanes = {lane.insurer: lane for lane in client.lanes()}
    assert set(lanes) == {"SANDBOX-A", "SANDBOX-B"}
    assert lanes["SANDBOX-B"].state == "open"
    # A call was just lost on it, or it has recovered.
    assert lanes["SANDBOX-A"].state in ("open", "slow")
    assert all(lane.name and lane.name_zh and lane.paused_since is None for lane in lanes.values())


def test_a_shift_is_closed_once_and_told_its_difference(stack: LiveStack, client: Client) -> None:
    operator = {"no": "C12", "shift_no": "S/早班-1"}
    for _ in range(2):
        assert client.settle(stack.wish(operator=operator)).succeeded
    closed = client.close_shift("S/早班-1", {"cash": 3900})
    assert (closed.shift_no, closed.settled.count, closed.settled.own_minor) == ("S/早班-1", 2, 4000)
    assert (closed.till_minor, closed.told_minor, closed.difference_minor) == (4000, 3900, -100)
    assert (closed.unknown.count, closed.unacknowledged.count, closed.refund_due.amount_minor) == (0, 2, 0)
    assert client.close_shift("S/早班-1", {"cash": 3900}) == closed
    with pytest.raises(Problem) as again:
        client.close_shift("S/早班-1", {"cash": 4000})
    assert again.value.status == 409


def test_a_day_is_listed_and_held_against_ours(stack: LiveStack, client: Client) -> None:
    booked, missing = client.settle(stack.wish()), client.settle(stack.wish())
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    rows = [{"his_no": booked.his_no, "total_minor": 10000}, {"his_no": "NEVER-1", "total_minor": 500}]
    day = client.put_day(today, rows)
    assert day.list is not None
    assert (day.business_date, day.agrees, day.list.rows, day.list.signed_by) == (today, False, 2, None)
    assert day.insurer == "not_received"
    cases = {case.his_no: case.kind for case in day.cases}
    assert cases[missing.his_no] == "absent"
    assert cases["NEVER-1"] == "unknown"
    assert cases[booked.his_no] == "unacknowledged"
    client.acknowledge(booked.his_no)
    client.put_day(today, rows, signed_by="白露")
    again = client.get_day(today)
    assert again.list is not None
    assert again.list.signed_by == "白露"
    assert booked.his_no not in {case.his_no for case in again.cases}
    with pytest.raises(Problem) as alone:
        client.put_day(today, rows[:1], signed_by="白露")
    assert alone.value.status == 409


def pdf_of(client: Client, his_no: str) -> bytes:
    """The first bytes of the file, or the code of the refusal."""
    try:
        return client.slip(his_no, form="pdf").content[:5]
    except Problem as refused:
        return refused.code.encode()


def test_the_patient_of_a_pending_fee_gets_a_slip(stack: LiveStack, client: Client) -> None:
    stack.latency("SANDBOX-A", 2.0)
    wish = stack.wish(wait_seconds=0)
    client.settle(wish)
    stack.latency("SANDBOX-A", 0.0)
    slip = client.slip(wish["his_no"])
    assert slip.media_type.startswith("text/html")
    assert wish["his_no"] in slip.content.decode()
    # The libraries that make PDF files are an extra of the platform.
    assert pdf_of(client, wish["his_no"]) in (b"%PDF-", b"pdf_not_installed")
    settled = client.settle(stack.wish())
    with pytest.raises(Problem) as ended:
        client.slip(settled.his_no)
    assert (ended.value.status, ended.value.transaction and ended.value.transaction.id) == (409, settled.id)
