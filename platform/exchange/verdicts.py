"""What the hospital is told: a pure function of the transaction and of what it was told before."""

from __future__ import annotations

from typing import Any

from exchange.bills import CashView
from exchange.models import Transaction
from exchange.reasons import reason
from exchange.states import NOT_FINAL, TransactionState, VerdictWord

_WORDS = {
    TransactionState.SUCCEEDED: VerdictWord.SUCCEEDED,
    TransactionState.REJECTED: VerdictWord.REJECTED,
    TransactionState.NOT_SENT: VerdictWord.NOT_SENT,
    TransactionState.REVERSED: VerdictWord.REVERSED,
    TransactionState.CANCELLED: VerdictWord.CANCELLED,
}
# The insurer holds nothing: said once, this stays what it is while and after a surfaced original is reversed.
_HOLDS_NOTHING = (VerdictWord.REJECTED, VerdictWord.NOT_SENT, VerdictWord.REVERSED)


def verdict_word(transaction: Transaction) -> VerdictWord:
    """Of (state, abandoned or not, the last verdict but `pending`). Only what moves money can be abandoned.

    A transaction that was given up or held for undone and is SUCCEEDED all the same came there by a ruling of two
    persons: the insurer will not reverse, the settlement stands.
    """
    told = VerdictWord(transaction.told) if transaction.told else None
    word = _WORDS.get(transaction.state)
    if word is None:
        if told is not None and told not in NOT_FINAL:
            return told
        return VerdictWord.ABANDONED if transaction.abandoned_at is not None else VerdictWord.PENDING
    if word is VerdictWord.SUCCEEDED:
        given_up = transaction.abandoned_at is not None or told in (*_HOLDS_NOTHING, VerdictWord.STANDS)
        return VerdictWord.STANDS if given_up else word
    if word in _HOLDS_NOTHING and told is not None:
        if told in _HOLDS_NOTHING:
            return told
        if told in (VerdictWord.SUCCEEDED, VerdictWord.STANDS):
            return VerdictWord.REVERSED
    return word


def verdict_body(
    transaction: Transaction,
    *,
    interface_code: str | None,
    insurer_code: str | None,
    msgid: str,
    cash: CashView,
    cash_difference_minor: int | None = None,
) -> dict[str, Any]:
    """The answer of his-api. `trace_id` is the one under which the wish came in.

    `cash_difference_minor`: of a resettled fee, the new own share less the old one.
    """
    word = verdict_word(transaction)
    body = {
        "id": str(transaction.id),
        "his_no": transaction.his_no,
        "operation": transaction.operation,
        "verdict": str(word),
        "state": str(transaction.state),
        "amounts": _amounts(transaction),
        **cash.as_members(),
        "insurer": {
            "code": insurer_code,
            "interface": interface_code,
            "settlement_no": transaction.settlement_no or None,
            "msgid": msgid or None,
        },
        "reason": _reason(transaction, word),
        "acknowledged": transaction.acknowledged_at is not None,
        "trace_id": transaction.trace_id,
    }
    return body if cash_difference_minor is None else {**body, "cash_difference_minor": cash_difference_minor}


def _amounts(transaction: Transaction) -> dict[str, Any] | None:
    if transaction.cash_minor is None:
        return None
    expected = transaction.expect_cash_minor
    return {
        "total_minor": transaction.total_minor,
        "fund_minor": transaction.fund_minor,
        "account_minor": transaction.account_minor,
        "hospital_minor": transaction.hospital_minor,
        "cash_minor": transaction.cash_minor,
        "currency": transaction.currency,
        "shares": transaction.shares,
        "warning": "cash_differs" if expected is not None and expected != transaction.cash_minor else None,
    }


def _reason(transaction: Transaction, word: VerdictWord) -> dict[str, Any] | None:
    if word is VerdictWord.SUCCEEDED and transaction.state == TransactionState.SUCCEEDED:
        return None
    return reason_of(transaction)


def reason_of(transaction: Transaction) -> dict[str, Any]:
    """Why it stands where it stands, whatever its verdict: the words of `reasons`."""
    code, _, explanation = transaction.reason_code.partition(":")
    return reason(
        code or "waiting_for_insurer",
        insurer_code=transaction.insurer_code,
        insurer_text=transaction.insurer_text,
        explanation=explanation,
    )
