"""What came back: each kind of answer, and what it proves. The insurer is a socket that says exactly what we let it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any

import pytest

from core.models import Transition
from exchange.models import Call, Evidence, Transaction, Verdict
from exchange.selectors.transactions import answers_of
from exchange.states import CallOutcome
from journal.handlers import RESOLVE, Outcome
from journal.models import Job
from ledger.models import Leg, Posting
from ledger.services import prove
from tests.exchange.house import (
    NOBODY,
    House,
    conclude,
    draft,
    fresh,
    move_insurer,
    perform,
    receive,
    received,
    take,
    work_off,
)
from tests.exchange.peer import Script, answer_to, answering, peer, sending, signed
from tests.roles import as_role, refused, rows


def settle(house: House, script: Script, **changes: Any) -> Transaction:
    """One wish, sent to an insurer that follows `script`, and concluded."""
    (row,) = received(draft(house, **changes))
    with peer(script) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    return fresh(row)


def told(row: Transaction) -> dict[str, Any]:
    return answers_of([row.pk])[row.pk]


def envelope(status: str = "200 OK", **facts: str) -> Script:
    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.sendall(signed(headers, json.dumps(answer_to(request)).encode(), status=status, **facts))
        return True

    return script


def body(raw: bytes) -> Script:
    def script(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.sendall(signed(headers, raw))
        return True

    return script


# Proof of success ----------------------------------------------------------------------------------


def test_a_verified_answer_succeeds_with_evidence_posting_and_verdict(house: House) -> None:
    row = settle(house, answering())
    assert row.state == "SUCCEEDED"
    assert (row.fund_minor, row.account_minor, row.hospital_minor, row.cash_minor) == (8000, 0, 0, 2000)
    assert row.shares == [{"payer": "basic_fund", "insurer": "INS-A", "amount_minor": 8000}]
    (call,) = Call.objects.all()
    assert (call.outcome, call.http_status, row.settlement_no) == ("DONE", 200, f"S-{call.msgid}")
    (evidence,) = Evidence.objects.all()
    assert (evidence.kind, evidence.says, evidence.call_id) == ("CALL_OUTCOME", "DONE", call.pk)
    (posting,) = Posting.objects.all()
    assert (posting.cause_id, posting.kind, posting.evidence_id) == (row.pk, "settled", evidence.pk)
    (verdict,) = Verdict.objects.all()
    assert (verdict.verdict, verdict.version, told(row)["amounts"]["fund_minor"]) == ("succeeded", row.version, 8000)
    assert told(row)["bill"] == {"square": True, "outside": False}
    assert not Job.objects.exists()


def test_the_posting_balances_and_says_who_owes_what(house: House) -> None:
    settle(house, answering())
    legs = {leg.account.code: leg.amount_minor * (1 if leg.side == "D" else -1) for leg in Leg.objects.all()}
    assert legs == {"receivable:basic_fund": 8000, "counter_cash": 2000, "fees": -10000}
    with as_role("worker"):
        assert prove().holds


def test_no_posting_is_written_without_evidence(house: House) -> None:
    settle(house, answering())
    names = [field.column for field in Posting._meta.local_concrete_fields if field.column not in ("id", "evidence_id")]
    columns = ", ".join(f'"{name}"' for name in names)
    values = columns.replace('"kind"', "'again'")
    with as_role("worker"), refused("a posting without evidence"):
        rows(
            f"INSERT INTO ledger_posting (id, evidence_id, {columns}) "
            f"SELECT gen_random_uuid(), gen_random_uuid(), {values} FROM ledger_posting"
        )


def test_messages_are_kept_sealed(house: House) -> None:
    settle(house, answering())
    ((stored,),) = rows("SELECT row_to_json(c)::text FROM exchange_call c")
    for secret in ("110101199001011237", "张三丰", "settlement_no"):
        assert secret not in stored
        assert secret.encode().hex() not in stored


# Refusal -------------------------------------------------------------------------------------------


def test_a_definite_refusal_is_rejected_with_the_insurers_words(house: House) -> None:
    reason = {"code": "not_insured", "text": "未参保"}
    row = settle(house, answering(code="refused", reason=reason))
    assert (row.state, row.insurer_code, row.insurer_text) == ("REJECTED", "not_insured", "未参保")
    assert (told(row)["verdict"], told(row)["reason"]["insurer_text"]) == ("rejected", "未参保")
    assert not Posting.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("text", "kept"), [("a\0b", "a\N{SYMBOL FOR NULL}b"), ("a\ud800b", "a?b"), ("x" * 900, "x" * 500)]
)
def test_a_refusal_in_words_that_cannot_be_stored_is_a_refusal_all_the_same(house: House, text: str, kept: str) -> None:
    row = settle(house, answering(code="refused", reason={"code": text, "text": text}))
    assert (row.state, row.insurer_code, row.insurer_text) == ("REJECTED", kept, kept)


# Doubt ---------------------------------------------------------------------------------------------


def tampered(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
    """An answer that was changed on its way: the signature is whole, and that of another body."""
    answer = signed(headers, json.dumps(answer_to(request)).encode())
    connection.sendall(answer.replace(b'"settlement_no": "S-', b'"settlement_no": "T-'))
    return True


DOUBTS: dict[str, Script] = {
    "a settlement number with NUL": answering(settlement_no="S\0"),
    "a settlement number with half a character": answering(settlement_no="S\ud800"),
    "an endless settlement number": answering(settlement_no="S" * 501),
    "a timestamp of five thousand digits": envelope(Timestamp="9" * 5000),
    "still running": answering(code="running"),
    "not found": answering(code="not_found"),
    "a code of its own": answering(code="perhaps"),
    "a code that is no text": answering(code=["done"]),
    "no code": answering(code=None),
    "done with an error inside": answering(error={"code": "E1"}),
    "another person": answering(person={"id_no": "110101198001011230"}),
    "no person": answering(person=None),
    "another total that adds up": answering(total_minor=10001, cash_minor=2001),
    "parts that do not add up": answering(cash_minor=2001),
    "shares that do not add up": answering(shares=[{"payer": "basic_fund", "amount_minor": 7999}]),
    "a share of nobody": answering(shares=[{"payer": "uncle", "amount_minor": 8000}]),
    "negative parts": answering(
        fund_minor=12000, cash_minor=-2000, shares=[{"payer": "basic_fund", "amount_minor": 12000}]
    ),
    "parts with a point": answering(cash_minor=2000.0),
    "parts as text": answering(cash_minor="2000"),
    "parts as truth": answering(account_minor=False),
    "another currency": answering(currency="USD"),
    "no settlement number": answering(settlement_no=None),
    "another message": answering(msgid="MS0000000000000000"),
    "no JSON": body(b"<html>busy</html>"),
    "JSON cut short": body(b'{"code": "done"'),
    "a list": body(b"[]"),
    "deep nesting": body(b"[" * 100_000),
    "no UTF-8": body(b"\xff\xfe"),
    "an empty body": body(b""),
    "a number of a million digits": body(b'{"msgid": ' + b"9" * 1_000_000 + b"}"),
    "no signature": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "the signature of another body": tampered,
    "an unknown key": envelope(**{"Key-Id": "k9"}),
    "another correlation id": envelope(**{"Correlation-Id": "somebody-else"}),
    "another message id": envelope(**{"Message-Id": "MS1"}),
    "another sender": envelope(Sender="INS-B"),
    "an old timestamp": envelope(Timestamp="1700000000"),
    "a timestamp that is none": envelope(Timestamp="²"),
    "status 503": envelope("503 Busy"),
    "status 500": envelope("500 Fault"),
    "status 201": envelope("201 Created"),
    "status 302": envelope("302 Found"),
    "status 400": envelope("400 Bad"),
    "closed without a word": sending(b""),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_an_answer_that_proves_nothing_leaves_doubt(house: House, name: str) -> None:
    row = settle(house, DOUBTS[name])
    assert (row.state, row.cash_minor) == ("IN_DOUBT", None)
    assert row.reason_code.startswith("answer_not_trusted:")
    assert Call.objects.get().outcome == "UNKNOWN"
    assert [one.kind for one in Evidence.objects.all()] == ["CALL_OUTCOME"]
    assert not Posting.objects.exists()
    assert not Verdict.objects.exists()
    (job,) = Job.objects.all()
    assert (job.kind, job.priority, job.parked_at, job.lease_token) == ("exchange.resolve", RESOLVE, None, None)


def test_the_resolver_begins_when_the_deadline_has_passed(house: House) -> None:
    settle(house, DOUBTS["status 503"])
    assert Job.objects.get().run_at == Call.objects.get().deadline


def test_silence_is_doubt_and_not_the_end(house: House) -> None:
    def silent(connection: socket.socket, headers: dict[str, str], request: dict[str, Any]) -> bool:
        connection.settimeout(6)
        connection.recv(1)
        return False

    row = settle(house, silent)
    assert (row.state, row.reason_code) == ("IN_DOUBT", "insurer_did_not_answer")
    assert Call.objects.get().elapsed_ms in range(2800, 4000)


@pytest.mark.parametrize("operation", ["eligibility", "presettle"])
@pytest.mark.parametrize("name", ["status 503", "no JSON", "another person", "closed without a word"])
def test_a_question_without_an_answer_leaves_nothing_in_doubt(house: House, operation: str, name: str) -> None:
    row = settle(house, DOUBTS[name], operation=operation)
    assert (row.state, row.reason_code) == ("NOT_SENT", "no_answer_nothing_at_stake")
    assert told(row)["verdict"] == "not_sent"
    assert not Job.objects.exists()
    assert not Posting.objects.exists()


def test_a_trial_calculation_posts_nothing(house: House) -> None:
    row = settle(house, answering(settlement_no=None), operation="presettle")
    assert (row.state, row.cash_minor) == ("SUCCEEDED", 2000)
    assert not Posting.objects.exists()


# Proof that nothing was sent -----------------------------------------------------------------------


def test_a_refused_connection_ends_not_sent_with_its_evidence(house: House) -> None:
    (row,) = received(draft(house))
    work_off(house)
    row = fresh(row)
    assert (row.state, row.reason_code) == ("NOT_SENT", "connection_failed")
    assert (Call.objects.get().outcome, Evidence.objects.get().says) == ("NOT_SENT", "NOT_SENT")
    assert told(row)["verdict"] == "not_sent"
    assert not Job.objects.exists()


def test_a_message_delayed_past_its_fence_is_dropped_unsent(house: House) -> None:
    (row,) = received(draft(house))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        (work,) = take(house).works
        late = replace(work, payload=replace(work.payload, delivery=replace(work.payload.delivery, start_before=0.0)))
        conclude(perform([late]))
        assert insurer.requests == []
    row = fresh(row)
    assert (row.state, row.reason_code) == ("NOT_SENT", "dropped_before_sending")
    assert Evidence.objects.get().details == "dropped_before_sending"


def test_the_fence_is_never_later_than_the_database_thinks(house: House) -> None:
    received(draft(house))
    (work,) = take(house).works
    call = Call.objects.get()
    assert (call.send_before - call.armed_at).total_seconds() == 2.0
    assert (call.deadline - call.armed_at).total_seconds() == 3.0
    assert (call.not_after - call.send_before).total_seconds() == 2.0
    assert work.payload.delivery.give_up_at - work.payload.delivery.start_before == pytest.approx(1.0)
    assert (work.guard_at - call.deadline).total_seconds() == 1.0


def test_an_exception_of_ours_while_sending_is_doubt_never_failure(house: House) -> None:
    (row,) = received(draft(house))
    (work,) = take(house).works
    conclude([Outcome(work, error=MemoryError())])
    assert (fresh(row).state, Call.objects.get().outcome) == ("IN_DOUBT", "UNKNOWN")


# Deadline and late answers -------------------------------------------------------------------------


def armed_and_forgotten(house: House, base_url: str, **changes: Any) -> tuple[Transaction, list[Outcome]]:
    """A wish whose answer came back to a process that did not conclude it before the guard did."""
    (row,) = received(draft(house, **changes))
    move_insurer(house, base_url)
    outcomes = perform(take(house).works)
    assert take(house).claimed == 0, "the guard is not due before the deadline"
    take(house, overdue_seconds=-5.0)
    return row, outcomes


def test_a_call_that_nobody_concluded_is_doubt_by_its_guard(house: House) -> None:
    row, _ = armed_and_forgotten(house, NOBODY)
    row = fresh(row)
    assert (row.state, row.reason_code) == ("IN_DOUBT", "insurer_did_not_answer")
    assert [one.kind for one in Evidence.objects.all()] == ["DEADLINE_PASSED"]
    assert Call.objects.get().outcome is None
    assert [job.kind for job in Job.objects.all()] == ["exchange.resolve"]


def test_a_question_that_nobody_concluded_is_over_by_its_guard(house: House) -> None:
    row, _ = armed_and_forgotten(house, NOBODY, operation="presettle")
    assert (fresh(row).state, fresh(row).reason_code) == ("NOT_SENT", "no_answer_nothing_at_stake")
    assert not Job.objects.exists()


def test_an_answer_later_than_the_guard_proves_all_the_same_and_once(house: House) -> None:
    with peer(answering()) as insurer:
        row, outcomes = armed_and_forgotten(house, insurer.base_url)
    conclude(outcomes)
    assert fresh(row).state == "SUCCEEDED"
    assert Call.objects.get().outcome == "DONE"
    assert [(one.kind, one.says) for one in Evidence.objects.order_by("at")] == [
        ("DEADLINE_PASSED", "no_outcome"),
        ("CALL_OUTCOME", "DONE"),
    ]
    assert Posting.objects.count() == 1
    conclude(outcomes)
    assert (Evidence.objects.count(), Posting.objects.count()) == (2, 1)


def test_an_outcome_concluded_twice_counts_once(house: House) -> None:
    (row,) = received(draft(house))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        outcomes = perform(take(house).works)
    conclude(outcomes)
    conclude(outcomes)
    assert (fresh(row).state, fresh(row).version) == ("SUCCEEDED", 2)
    assert (Evidence.objects.count(), Posting.objects.count(), Verdict.objects.count()) == (1, 1, 1)


# What is left behind -------------------------------------------------------------------------------


def test_every_move_leaves_its_reason_in_the_history(house: House) -> None:
    row = settle(house, answering())
    moves = Transition.objects.filter(entity_id=str(row.pk)).order_by("version")
    assert [(one.from_state, one.to_state, one.by) for one in moves] == [
        ("RECEIVED", "SENDING", "exchange"),
        ("SENDING", "SUCCEEDED", "exchange"),
    ]
    assert moves[1].reason == str(CallOutcome.DONE)


def test_a_refused_fee_may_be_tried_again_on_its_bill(house: House) -> None:
    settle(house, answering(code="refused", reason={"code": "x", "text": "y"}), visit_no="V-7")
    row = settle(house, answering(), visit_no="V-7")
    assert row.state == "SUCCEEDED"
    (result,) = receive(draft(house, visit_no="V-7"))
    assert type(result.problem).__name__ == "BillSettled"
