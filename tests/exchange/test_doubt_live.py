"""The story of the house on real processes: the answer is lost, cash is taken, one reversal, settled anew, refunded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live import Answer, LiveStack, until

SECONDS = 40.0


def say(live: LiveStack, his_no: str, act: str, key: str = "", **values: Any) -> Answer:
    """One act of the hospital on one of its wishes."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key or f"{act}-{his_no}"}
    return live.ask("POST", f"transactions/{his_no}/{act}", json.dumps(values).encode(), headers=headers)


def ends(live: LiveStack, his_no: str, *verdicts: str) -> dict[str, Any]:
    """The answer once the verdict is one of these."""

    def look() -> dict[str, Any] | None:
        body: dict[str, Any] = live.get(his_no).body
        return body if body["verdict"] in verdicts else None

    return until(look, seconds=SECONDS, what=f"{his_no} as {verdicts}") or {}


def settlements(live: LiveStack, his_no: str, insurer: str = "SANDBOX-A") -> list[dict[str, Any]]:
    return [row for row in live.book(insurer) if row["his_no"] == his_no]


@pytest.mark.parametrize("insurer", ["SANDBOX-A", "SANDBOX-B"])
def test_the_answer_is_lost_cash_is_taken_and_everybody_is_paid_once(live: LiveStack, insurer: str) -> None:
    live.faults(insurer, "commit_then_silence")
    wish = live.wish(insurer=insurer, wait_seconds=0)
    his_no = wish["his_no"]
    assert live.post(wish).verdict == "pending"
    live.wait_for(his_no, "SENDING", "IN_DOUBT")
    told = say(live, his_no, "abandon", self_paid_minor=10000, tender="cash", receipt_no="R-1")
    assert (told.status, told.verdict) == (200, "abandoned")
    assert told.body["self_payment"] == {"state": "PAID", "amount_minor": 10000, "refund_due_minor": 0}
    answer = ends(live, his_no, "reversed")
    assert answer["self_payment"] == {"state": "STANDS", "amount_minor": 10000, "refund_due_minor": 0}
    assert answer["bill"]["square"] is True
    (held,) = settlements(live, his_no, insurer)
    assert (held["state"], held["accepted_reversals"]) == ("reversed", 1)

    anew = live.wish(insurer=insurer, visit=wish["visit"], replaces=his_no)
    answer = live.post(anew).body
    assert answer["verdict"] == "succeeded"
    assert answer["self_payment"] == {"state": "REFUND_DUE", "amount_minor": 10000, "refund_due_minor": 8000}
    assert answer["bill"]["square"] is False
    back = say(live, anew["his_no"], "refunded", amount_minor=8000, refund_no="F-1", tender="cash")
    assert back.status == 200
    assert back.body["self_payment"] == {"state": "REFUNDED", "amount_minor": 10000, "refund_due_minor": 0}
    assert back.body["bill"]["square"] is True
    assert live.get(his_no).body["self_payment"]["state"] == "REFUNDED"
