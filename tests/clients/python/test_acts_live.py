"""What a hospital tells about its wishes, to the real platform: cash, refunds, cancels; and nobody there to hear it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medisettle_client import Client, Limits, Problem, SelfPayment, Unanswered, Verdict
from tests.live import LiveStack, until

NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
HURRIED = Limits(deadline_seconds=1.0, pauses_seconds=(0.05, 0.1))


@pytest.fixture
def client(stack: LiveStack, tmp_path: Path) -> Iterator[Client]:
    with client_of(stack, tmp_path) as made:
        yield made


def client_of(stack: LiveStack, store: Path, *, limits: Limits | None = None) -> Client:
    return Client(stack.base_urls, stack.client_keys["HOSP-A"], store=store, limits=limits)


def ends(client: Client, his_no: str, verdict: str) -> Verdict:
    """The answer once the verdict is this one."""
    until(lambda: client.get(his_no).verdict == verdict, seconds=40, what=f"{his_no} as {verdict}")
    return client.get(his_no)


def doubtful(stack: LiveStack, client: Client, **changes: Any) -> dict[str, Any]:
    """A wish that the insurer has settled without an answer."""
    stack.faults("SANDBOX-A", "commit_then_silence")
    wish = stack.wish(wait_seconds=0, **changes)
    assert client.settle(wish).verdict == "pending"
    return wish


def held(stack: LiveStack, his_no: str) -> list[tuple[str, int]]:
    """What the insurer's own book says."""
    return [(row["state"], row["accepted_reversals"]) for row in stack.book("SANDBOX-A") if row["his_no"] == his_no]


def test_the_answer_is_lost_cash_is_taken_and_everybody_is_paid_once(stack: LiveStack, client: Client) -> None:
    wish = doubtful(stack, client)
    his_no = wish["his_no"]
    stack.wait_for(his_no, "SENDING", "IN_DOUBT")
    told = client.abandon(his_no, self_paid_minor=10000, collected_at=NOW, receipt_no="R-1")
    assert (told.verdict, told.self_payment) == ("abandoned", SelfPayment(state="PAID", amount_minor=10000))
    # The till has its answer: the cash is its own for now, and nothing is left to ask for.
    assert [(resumed.act, resumed.verdict and resumed.verdict.verdict) for resumed in client.resume()] in (
        [("settle", "abandoned")],
        [("settle", "reversed")],
    )
    assert client.kept() == []
    assert ends(client, his_no, "reversed").self_payment == SelfPayment(state="STANDS", amount_minor=10000)
    assert held(stack, his_no) == [("reversed", 1)]

    anew = client.settle(stack.wish(visit=wish["visit"], replaces=his_no))
    assert anew.succeeded
    assert anew.self_payment == SelfPayment(state="REFUND_DUE", amount_minor=10000, refund_due_minor=8000)
    back = client.refunded(anew.his_no, amount_minor=8000, refund_no="F-1", tender="cash")
    assert back.self_payment == SelfPayment(state="REFUNDED", amount_minor=10000)
    assert back.bill is not None
    assert back.bill.square
    assert client.acknowledge(anew.his_no, verdict="succeeded").acknowledged


def test_cash_and_wish_that_nobody_heard_are_told_in_the_order_that_settles_nothing(
    stack: LiveStack, tmp_path: Path
) -> None:
    wish = stack.wish()
    names = ("listener-1", "listener-2")
    for name in names:
        stack.kill(name)
    try:
        with client_of(stack, tmp_path, limits=HURRIED) as client:
            with pytest.raises(Unanswered):
                client.settle(wish)
            with pytest.raises(Unanswered):
                client.abandon(
                    wish["his_no"], self_paid_minor=10000, collected_at=NOW, visit_no=wish["visit"]["visit_no"]
                )
    finally:
        for name in names:
            stack.start_again(name)
    with client_of(stack, tmp_path) as client:
        cash, late = client.resume()
        assert cash.verdict is not None
        assert (cash.act, cash.verdict.verdict) == ("abandon", "not_sent")
        assert cash.verdict.self_payment == SelfPayment(state="STANDS", amount_minor=10000)
        assert isinstance(late.error, Problem)
        assert (late.act, late.error.code) == ("settle", "abandoned_before")
        assert client.kept() == []
    assert held(stack, wish["his_no"]) == []


def test_cash_that_is_told_after_a_success_is_stored_and_what_is_due_back_is_told(
    stack: LiveStack, client: Client
) -> None:
    his_no = client.settle(stack.wish()).his_no
    with pytest.raises(Problem) as late:
        client.abandon(his_no, self_paid_minor=10000, collected_at=NOW, receipt_no="R-1")
    assert (late.value.status, late.value.code) == (409, "already_succeeded")
    assert late.value.transaction is not None
    assert late.value.transaction.self_payment.refund_due_minor == 8000
    assert client.kept() == []


def test_the_same_act_told_again_by_another_till_counts_once(stack: LiveStack, client: Client, tmp_path: Path) -> None:
    his_no = doubtful(stack, client)["his_no"]
    stack.wait_for(his_no, "SENDING", "IN_DOUBT")
    first = client.abandon(his_no, self_paid_minor=10000, collected_at=NOW)
    with client_of(stack, tmp_path / "other") as other:
        again = other.abandon(his_no, self_paid_minor=10000, collected_at=NOW)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.self_payment.amount_minor == 10000
    assert ends(client, his_no, "reversed").self_payment.amount_minor == 10000


def test_only_the_current_verdict_can_be_acknowledged(stack: LiveStack, client: Client) -> None:
    his_no = client.settle(stack.wish()).his_no
    with pytest.raises(Problem) as other:
        client.acknowledge(his_no, verdict="rejected")
    assert (other.value.status, other.value.code) == (409, "verdict_differs")
    assert client.acknowledge(his_no).acknowledged
    assert client.get(his_no).acknowledged


def test_a_success_that_was_never_booked_is_disowned_and_reversed_once(stack: LiveStack, client: Client) -> None:
    his_no = client.settle(stack.wish()).his_no
    told = client.disown(his_no, reason="the till lost power before it was booked")
    assert told.his_no == his_no
    assert ends(client, his_no, "reversed").state == "REVERSED"
    assert held(stack, his_no) == [("reversed", 1)]


def test_a_settled_fee_is_cancelled_under_a_his_no_of_its_own(stack: LiveStack, client: Client) -> None:
    wish = stack.wish()
    his_no = client.settle(wish).his_no
    with pytest.raises(Problem) as live:
        client.service_cancelled(his_no)
    assert (live.value.status, live.value.code) == (409, "cancel_first")
    undo = {name: wish[name] for name in ("person", "visit")}
    assert client.cancel({**undo, "his_no": f"{his_no}-C"}, of=his_no).succeeded
    assert client.get(his_no).verdict == "cancelled"
    assert [state for state, _ in held(stack, his_no)] == ["cancelled"]
    assert client.kept() == []


def test_a_part_of_a_settled_fee_is_resettled(stack: LiveStack, client: Client) -> None:
    wish = stack.wish()
    his_no = client.settle(wish).his_no
    rest = {**stack.wish(f"{his_no}-R", total_minor=4000, visit=wish["visit"]), "operation": "resettle"}
    told = client.resettle(rest, of=his_no, wait_seconds=20)
    assert (told.his_no, told.verdict) == (f"{his_no}-R~2", "succeeded")
    assert told.amounts is not None
    assert told.amounts.cash_minor == 800
    assert told.cash_difference_minor == -1200
    assert client.get(f"{his_no}-R~2").verdict == "succeeded"
    assert client.kept() == []


def test_what_is_told_of_an_unknown_his_no_is_a_problem_and_not_kept(stack: LiveStack, client: Client) -> None:
    with pytest.raises(Problem) as unknown:
        client.disown("never-heard-of", reason="none")
    assert (unknown.value.status, unknown.value.code) == (404, "not_found")
    assert client.kept() == []
