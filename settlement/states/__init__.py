"""Machines of the money, one file per noun. None derives its state from another's."""

from settlement.states.advances import (
    EXPOSED,
    OUTSIDE,
    PARTS,
    AdvanceFlow,
    AdvanceMoveKind,
    AdvanceState,
    Bearer,
    Funder,
    LineKind,
    RefusalClass,
)
from settlement.states.bank import BankMessageKind, BankOutcome, Direction, EntryOutcome, StatementFormat
from settlement.states.legs import LegFlow, LegKind, LegState
from settlement.states.payouts import BatchFlow, BatchState, PaymentFlow, PaymentState
from settlement.states.recoveries import RecoveryFlow, RecoveryState

__all__ = [
    "EXPOSED",
    "OUTSIDE",
    "PARTS",
    "AdvanceFlow",
    "AdvanceMoveKind",
    "AdvanceState",
    "BankMessageKind",
    "BankOutcome",
    "BatchFlow",
    "BatchState",
    "Bearer",
    "Direction",
    "EntryOutcome",
    "Funder",
    "LegFlow",
    "LegKind",
    "LegState",
    "LineKind",
    "PaymentFlow",
    "PaymentState",
    "RecoveryFlow",
    "RecoveryState",
    "RefusalClass",
    "StatementFormat",
]
