"""Times of payments to banks. Seconds throughout. Demo and tests scale them; nothing else about the way differs."""

from typing import Any

from config.settings import environment
from config.settings.exchange import LADDERS
from config.settings.security import ENVIRONMENT

_SCALED = ENVIRONMENT != "production"
PAYMENT: dict[str, Any] = {
    # Total time of one message to a bank.
    "deadline_seconds": environment.number("MEDISETTLE_DEADLINE_PAYMENT", 3 if _SCALED else 30),
    # Delays after each message about a payment whose booking is not known yet.
    "ladder": LADDERS["query"],
    # How often one payment may be sent under its one message id, before a person looks.
    "sends_at_most": 3,
    # How often a bank is asked for its next statement.
    "statement_every_seconds": environment.number("MEDISETTLE_STATEMENT_EVERY", 5 if _SCALED else 300, at_least=1),
}
