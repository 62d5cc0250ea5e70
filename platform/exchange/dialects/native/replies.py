"""Reply codes of the native SPI, in our words."""

from exchange.states import CallOutcome

OUTCOMES = {
    "done": CallOutcome.DONE,
    "refused": CallOutcome.REFUSED,
    "running": CallOutcome.RUNNING,
    "not_found": CallOutcome.NOT_FOUND,
}
# Who pays a share, and in which of the three sums it is told to the hospital.
FUND_PAYERS = frozenset({"basic_fund", "serious_illness", "civil_servant", "assistance", "commercial", "charity"})
ACCOUNT_PAYERS = frozenset({"own_account", "family_account"})
