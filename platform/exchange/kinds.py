"""Job kinds of job A. `config/wiring.py` says which handler works each."""

SEND = "exchange.send"
OVERDUE = "exchange.overdue"
RESOLVE = "exchange.resolve"
WATCH = "exchange.watch"
