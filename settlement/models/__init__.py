"""Tables of the money of job B, one file per noun."""

from settlement.models.advances import Advance, AdvanceMove, AdvanceWaiting, Contract, Mandate, Recovery
from settlement.models.legs import SettlementLeg

__all__ = [
    "Advance",
    "AdvanceMove",
    "AdvanceWaiting",
    "Contract",
    "Mandate",
    "Recovery",
    "SettlementLeg",
]
