"""The table that ties work to code: job kind -> handler, chore -> service. Read this first to see what happens when."""

from config.settings.bank import PAYMENT
from config.settings.exchange import ABNORMAL_CHECK

HANDLERS = {
    "exchange.locate": "exchange.handlers.LocateHandler",
    "exchange.send": "exchange.handlers.SendHandler",
    "exchange.overdue": "exchange.handlers.OverdueHandler",
    "exchange.resolve": "exchange.handlers.ResolveHandler",
    "exchange.watch": "exchange.handlers.WatchHandler",
    "notices.send": "notices.handlers.SendHandler",
    "notices.tell": "patients.handlers.TellHandler",
    "prereview.take": "prereview.handlers.TakeHandler",
    "insurers.claim_push": "insurers.handlers.ClaimPushHandler",
    "settlement.claim_moved": "settlement.handlers.ClaimMovedHandler",
    "settlement.order_moved": "settlement.handlers.OrderMovedHandler",
    "insurers.decision_work": "insurers.handlers.DecisionWorkHandler",
    "pharmacies.basic_follow": "pharmacies.handlers.BasicFollowHandler",
    "settlement.payment_send": "settlement.bank_handlers.PaymentSendHandler",
    "settlement.statement_fetch": "settlement.bank_handlers.StatementFetchHandler",
}
# Rules of money that `ledger_prove` proves beside the ledger's own.
PROOFS = ["settlement.selectors.conservation.CHECKS", "settlement.selectors.payout_proof.CHECKS"]
# (every so many seconds, service called with `now`, its other arguments); done by each sweeper.
# The abnormal check is beat's too (config/settings/celery.py): here it needs no broker.
CHORES: list[tuple[float, str, dict[str, object]]] = [
    (60.0, "accounts.services.audit_seal", {}),
    (60.0, "ledger.services.holds_expire", {"by": "sweeper"}),
    (ABNORMAL_CHECK["every_seconds"], "exchange.services.monitor.abnormal_check", {"limit": ABNORMAL_CHECK["limit"]}),
    (600.0, "exchange.services.days.days_review", {}),
    (300.0, "journal.services.jobs_parked_tell", {"longer_than_seconds": ABNORMAL_CHECK["parked_seconds"]}),
    (600.0, "claims.services.materials.materials_overdue_return", {"limit": 200}),
    (600.0, "claims.services.ends.claims_close_due", {"limit": 200}),
    (60.0, "pharmacies.services.orders.orders_expire", {"limit": 200}),
    (600.0, "pharmacies.services.entries.entries_review", {"limit": 200}),
    (60.0, "settlement.services.contracts.lines_restore", {"limit": 1_000}),
    (60.0, "settlement.services.follow.waiting_look", {"limit": 500}),
    (3_600.0, "settlement.services.recoveries.recoveries_review", {"limit": 1_000}),
    (600.0, "claims.services.letters.letters_send_due", {"limit": 200}),
    (30.0, "settlement.services.matching.entries_match", {"limit": 200}),
    (300.0, "settlement.services.fees.fees_follow", {"by": "fees"}),
    (300.0, "settlement.services.set_offs.set_offs_make", {"limit": 500}),
    (PAYMENT["statement_every_seconds"], "settlement.services.bank_files.statements_ask", {}),
]
