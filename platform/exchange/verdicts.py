"""What the hospital is told: a pure function of the transaction."""

from __future__ import annotations

from typing import Any

from exchange.models import Transaction
from exchange.reasons import reason
from exchange.states import TransactionState, VerdictWord

_WORDS = {
    TransactionState.SUCCEEDED: VerdictWord.SUCCEEDED,
    TransactionState.REJECTED: VerdictWord.REJECTED,
    TransactionState.NOT_SENT: VerdictWord.NOT_SENT,
    TransactionState.REVERSED: VerdictWord.REVERSED,
    TransactionState.CANCELLED: VerdictWord.CANCELLED,
}


def verdict_word(transaction: Transaction) -> VerdictWord:
    return _WORDS.get(transaction.state, VerdictWord.PENDING)


def verdict_body(
    transaction: Transaction, *, interface_code: str, insurer_code: str, msgid: str, square: bool
) -> dict[str, Any]:
    """The answer of his-api. `trace_id` is the one under which the wish came in."""
    word = verdict_word(transaction)
    return {
        "id": str(transaction.id),
        "his_no": transaction.his_no,
        "operation": transaction.operation,
        "verdict": str(word),
        "state": str(transaction.state),
        "amounts": _amounts(transaction),
        "self_payment": {"state": "NONE", "amount_minor": 0, "refund_due_minor": 0},
        "bill": {"square": square},
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


def _amounts(transaction: Transaction) -> dict[str, Any] | None:
    if transaction.cash_minor is None:
        return None
    return {
        "total_minor": transaction.total_minor,
        "fund_minor": transaction.fund_minor,
        "account_minor": transaction.account_minor,
        "hospital_minor": transaction.hospital_minor,
        "cash_minor": transaction.cash_minor,
        "currency": transaction.currency,
        "shares": transaction.shares,
        "warning": None,
    }


def _reason(transaction: Transaction, word: VerdictWord) -> dict[str, Any] | None:
    if word is VerdictWord.SUCCEEDED:
        return None
    code, _, explanation = transaction.reason_code.partition(":")
    return reason(
        code or "waiting_for_insurer",
        insurer_code=transaction.insurer_code,
        insurer_text=transaction.insurer_text,
        explanation=explanation,
    )
