"""Times and limits of job A. Seconds throughout. Demo and tests scale them; nothing else about the way differs."""

from typing import Any

from config.settings import environment
from config.settings.security import ENVIRONMENT

_SCALED = ENVIRONMENT != "production"
# Total time of one call by operation: a limit on elapsed time, measured monotonically by the process that sends.
DEADLINE_SECONDS = {
    "eligibility": environment.number("MEDISETTLE_DEADLINE_PRESETTLE", 2 if _SCALED else 15),
    "presettle": environment.number("MEDISETTLE_DEADLINE_PRESETTLE", 2 if _SCALED else 15),
    "settle": environment.number("MEDISETTLE_DEADLINE_SETTLE", 3 if _SCALED else 60),
    "settle_inpatient": environment.number("MEDISETTLE_DEADLINE_INPATIENT", 4 if _SCALED else 120),
}
DEADLINE_SECONDS["cancel"] = DEADLINE_SECONDS["settle"]
DEADLINE_SECONDS["query"] = environment.number("MEDISETTLE_DEADLINE_QUERY", 2 if _SCALED else 10)
DEADLINE_SECONDS["reverse"] = environment.number("MEDISETTLE_DEADLINE_REVERSE", 3 if _SCALED else 30)
DEADLINE_SECONDS["claim"] = DEADLINE_SECONDS["reverse"]
CONNECT_SECONDS = 2.0
# From arming a Call to its first byte on the socket; later the process that armed it drops it.
SEND_WITHIN_SECONDS = 2.0
# The Job that looks after an armed Call runs this long after its deadline.
OVERDUE_AFTER_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
ALLOWED_SKEW_SECONDS = environment.number(
    "MEDISETTLE_ALLOWED_SKEW", 0.5 if _SCALED else 60, at_least=0 if _SCALED else 60
)
ANSWER_LIMIT_BYTES = 2 * 1024 * 1024
REQUEST_LIMIT_BYTES = 2 * 1024 * 1024
# A hospital's list of a day is longer than any bill.
DAY_LIST_LIMIT_BYTES = 8 * 1024 * 1024
REQUEST_BODY_SECONDS = 10.0
CLOCK_OFFSET_SECONDS = environment.number("MEDISETTLE_CLOCK_OFFSET", 0, at_least=float("-inf")) if _SCALED else 0.0
BREAKER = {
    "window": 50,
    "doubt_share": 0.5,
    "at_least": 10,
    "cool_seconds": 5.0 if _SCALED else 30.0,
    "p95_factor": 3.0,
}
# Delays after each try, in seconds; whoever comes to the end of a ladder is handed to a person, never dropped.
LADDERS: dict[str, tuple[float, ...]] = {
    "query": (0.5, 1, 1, 2, 2, 3, 3, 5, 5, 5, 8, 8, 8, 10, 10, 10, 15, 15, 15, 20, 20, 20)
    if _SCALED
    else (5, 5, 10, 10, 20, 20, 40, 60, 60, 120, 120, 300, 300, 600, 600, 900, 900, 1800, 1800, 3600),
    "reverse": (0.5, 1, 1, 2, 2, 3, 3, 5, 5, 5, 8, 8, 8, 10, 10, 10, 15, 15, 15, 20, 20, 20)
    if _SCALED
    else (5, 10, 20, 40, 60, 120, 300, 600, 900, 1800, 3600, 3600, 7200, 7200, 14400, 14400),
    # Looks after what was reversed or is held for refused because it was not found.
    "watch": (5, 15, 60) if _SCALED else (600, 3600, 86400),
}
LADDERS["claim"] = LADDERS["query"]  # A pushed claim that nobody answered is pushed again under the same number.
# The periodic abnormal check: how often, how many it queues at most each time, and after how long it gives a parked
# job another try.
ABNORMAL_CHECK: dict[str, Any] = {
    "every_seconds": environment.number("MEDISETTLE_ABNORMAL_CHECK", 5 if _SCALED else 60, at_least=1),
    "limit": 20_000,
    "parked_seconds": 10.0 if _SCALED else 600.0,
}
# Where patients reach profile `public`: the codes on slips lead there. Empty: where the hospital's own request went.
PUBLIC_URL = environment.address("MEDISETTLE_PUBLIC_URL")
# The page behind a slip's code answers for so many days.
SLIP_DAYS = 180
# A refund that is due for longer than this is shown as unclaimed.
UNCLAIMED_AFTER_SECONDS = 30 * 86400
# Where hospitals' programs reach the listeners: shown in their portal. None: the address that the portal has itself.
LISTENERS = environment.words("MEDISETTLE_LISTENERS")
# The readable table of the house: which message kinds and jobs are handled by what.
WIRING = "config.wiring"
