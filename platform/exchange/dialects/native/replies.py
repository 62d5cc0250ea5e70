"""Reply codes of the native SPI, in our words."""

from exchange.messages import Held
from exchange.states import CallOutcome

OUTCOMES = {
    "done": CallOutcome.DONE,
    "refused": CallOutcome.REFUSED,
    "running": CallOutcome.RUNNING,
    "not_found": CallOutcome.NOT_FOUND,
}
# What refuses to undo, in our words; every other refusal of a reversal is definite.
UNDO_REFUSALS = {"unknown_original": "original_unknown", "already_reversed": "already_reversed"}
# Our cancel came twice, or an earlier one of ours came late: what was wished for is so.
ALREADY_CANCELLED = "already_cancelled"
# States of an act in the insurer's book, by the kind of the act.
HELD = {
    "settle": {"settled": Held.STANDS, "reversed": Held.UNDONE, "cancelled": Held.CANCELLED, "refused": Held.REFUSED},
    # A cancel is asked for by its settlement: that one settled means that the cancel is not held.
    "cancel": {"settled": Held.REFUSED, "cancelled": Held.STANDS, "reversed": Held.UNDONE},
}
# Who pays a share, and in which of the three sums it is told to the hospital.
FUND_PAYERS = frozenset({"basic_fund", "serious_illness", "civil_servant", "assistance", "commercial", "charity"})
ACCOUNT_PAYERS = frozenset({"own_account", "family_account"})
