"""What must hold between payments, legs, the ledger and the bank's statements; proven with `ledger_prove`."""

from __future__ import annotations

# Name of the rule -> SELECT of `id` and `broken`, like ledger.services.proof.CHECKS, which shows them too.
CHECKS = {
    "a payment is posted when it is booked, and undone when it came back": """
        SELECT line.id, (count(paid.id) <> CASE WHEN p.state IN ('BOOKED', 'RETURNED') THEN 1 ELSE 0 END)
            OR (count(back.id) <> CASE WHEN p.state = 'RETURNED' THEN 1 ELSE 0 END)
            OR coalesce(sum(leg.amount_minor), line.amount_minor) <> line.amount_minor AS broken
        FROM settlement_payoutline line JOIN settlement_payment p ON p.id = line.payment_id
        LEFT JOIN ledger_posting paid
            ON paid.cause_kind = 'payout_line' AND paid.cause_id = line.id AND paid.kind = 'paid_out'
        LEFT JOIN ledger_posting back ON back.reverses_id = paid.id
        LEFT JOIN (ledger_leg leg JOIN ledger_account a ON a.id = leg.account_id AND a.code = 'cash')
            ON leg.posting_id = paid.id
        GROUP BY line.id, p.state""",
    "cash is held for what a bank may still pay": """
        SELECT line.id, (p.state IN ('ARMED', 'SENT', 'IN_DOUBT'))
            <> (h.state IS NOT NULL AND h.state = 'OPEN' AND h.amount_minor = line.amount_minor) AS broken
        FROM settlement_payoutline line JOIN settlement_payment p ON p.id = line.payment_id
        LEFT JOIN ledger_hold h ON h.id = line.hold_id""",
    "a leg is in payment exactly while a bank may pay it": """
        SELECT leg.id, (leg.state = 'IN_PAYMENT') <> EXISTS (
            SELECT 1 FROM settlement_payoutline line JOIN settlement_payment p ON p.id = line.payment_id
            WHERE line.leg_id = leg.id AND line.is_open AND p.state IN ('ARMED', 'SENT', 'IN_DOUBT')) AS broken
        FROM settlement_settlementleg leg""",
    "what a statement shows as a payment is that payment": """
        SELECT e.id, p.id IS NULL OR (p.amount_minor, p.currency, p.account_id) IS DISTINCT FROM
            (e.amount_minor, e.currency, e.account_id) AS broken
        FROM settlement_bankentry e LEFT JOIN settlement_payment p ON p.entry_id = e.id OR p.return_entry_id = e.id
        WHERE e.outcome IN ('PAYMENT', 'RETURN')""",
}
