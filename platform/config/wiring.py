"""The table that ties work to code: job kind -> handler, chore -> service. Read this first to see what happens when."""

HANDLERS = {
    "exchange.locate": "exchange.handlers.LocateHandler",
    "exchange.send": "exchange.handlers.SendHandler",
    "exchange.overdue": "exchange.handlers.OverdueHandler",
    "exchange.resolve": "exchange.handlers.ResolveHandler",
    "exchange.watch": "exchange.handlers.WatchHandler",
}
# (every so many seconds, service called with `now`, its other arguments); done by each sweeper.
CHORES: list[tuple[float, str, dict[str, object]]] = [
    (60.0, "accounts.services.audit_seal", {}),
    (60.0, "ledger.services.holds_expire", {"by": "sweeper"}),
]
