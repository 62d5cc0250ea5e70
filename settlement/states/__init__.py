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
from settlement.states.statements import (
    CounterpartyRole,
    FeeKind,
    LineAnswer,
    LineKind,
    StatementFlow,
    StatementState,
)

__all__ = [
    "AdvanceFlow",
    "AdvanceMoveKind",
    "AdvanceState",
    "BankMessageKind",
    "BankOutcome",
    "BatchFlow",
    "BatchState",
    "Bearer",
    "CounterpartyRole",
    "Direction",
    "EXPOSED",
    "EntryOutcome",
    "FeeKind",
    "Funder",
    "LegFlow",
    "LegKind",
    "LegState",
    "LineAnswer",
    "LineKind",
    "OUTSIDE",
    "PARTS",
    "PaymentFlow",
    "PaymentState",
    "RecoveryFlow",
    "RecoveryState",
    "RefusalClass",
    "StatementFlow",
    "StatementFormat",
    "StatementState",
]
