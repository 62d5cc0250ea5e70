"""Our book of a running stack held against an insurer's, in plain SQL: a second opinion beside `books_compare`."""

from __future__ import annotations

from tests.live import LiveStack, until

OURS = """
SELECT call.msgid, tr.his_no, tr.state, tr.total_minor, tr.fund_minor, tr.cash_minor
FROM exchange_call call JOIN exchange_transaction tr ON tr.id = call.transaction_id
JOIN exchange_insurerinterface interface ON interface.id = tr.interface_id
WHERE interface.code = %s AND call.kind = 'SETTLE'
"""
UNBALANCED = """
SELECT posting_id FROM ledger_leg GROUP BY posting_id
HAVING sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) <> 0
"""
POSTED = """
SELECT tr.his_no FROM exchange_transaction tr LEFT JOIN ledger_posting posting
    ON posting.cause_id = tr.id AND posting.kind = 'settled'
    AND NOT EXISTS (SELECT FROM ledger_posting mirror WHERE mirror.reverses_id = posting.id)
WHERE tr.operation_class = 'MOVES' GROUP BY tr.id
HAVING count(posting.id) <> (CASE tr.state WHEN 'SUCCEEDED' THEN 1 ELSE 0 END)
"""
OPEN = "SELECT count(*) FROM exchange_transaction WHERE state IN ('RECEIVED', 'SENDING', 'IN_DOUBT', 'REVERSING')"
# A wish goes out once; only questions and reversals may be sent again.
TWICE = """
SELECT transaction_id FROM exchange_call WHERE kind NOT IN ('QUERY', 'REVERSE') GROUP BY 1 HAVING count(*) > 1
"""


DOUBTED = """
SELECT count(*) FROM core_transition move JOIN exchange_transaction tr ON move.entity_id = tr.id::text
WHERE tr.his_no = %s AND move.to_state = 'IN_DOUBT'
"""


def doubted(stack: LiveStack, his_no: str) -> bool:
    """Whether it was in doubt once, whatever it is now."""
    return bool(stack.rows(DOUBTED, [his_no])[0][0])


def at_rest(stack: LiveStack, *, seconds: float = 60.0) -> None:
    """Waits until the platform has nothing open any more but what a person has."""
    until(lambda: stack.rows(OPEN)[0][0] == 0, seconds=seconds, what="the end of everything")


def books_agree(stack: LiveStack, code: str = "SANDBOX-A") -> set[str]:
    """Fails on any difference that no named doubt explains; returns the his_no in doubt that the insurer settled."""
    theirs = {row["msgid"]: row for row in stack.book(code) if row["state"] == "settled"}
    assert len(theirs) == sum(row["state"] == "settled" for row in stack.book(code)), "one message was settled twice"
    ours = {row[0]: row[1:] for row in stack.rows(OURS, [code])}
    assert theirs.keys() <= ours.keys(), "they settled what we never sent"
    doubts = set()
    for msgid, (his_no, state, total, fund, cash) in ours.items():
        if state == "SUCCEEDED":
            row = theirs[msgid]
            assert (row["total_minor"], row["fund_minor"], row["cash_minor"]) == (total, fund, cash)
        elif msgid in theirs:
            assert state in ("IN_DOUBT", "REVERSING"), f"{his_no} is {state} here and settled there"
            doubts.add(his_no)
    assert stack.rows(UNBALANCED) == []
    assert stack.rows(POSTED) == [], "a success is posted once, nothing else is"
    return doubts


def sent_once(stack: LiveStack) -> None:
    """No wish was ever sent a second time."""
    assert stack.rows(TWICE) == []
