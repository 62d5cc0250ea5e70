"""Job kinds of job A. `config/wiring.py` says which handler works each."""

LOCATE = "exchange.locate"
SEND = "exchange.send"
OVERDUE = "exchange.overdue"
RESOLVE = "exchange.resolve"
WATCH = "exchange.watch"
