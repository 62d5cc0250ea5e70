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
from settlement.states.collections import AllocationKind, AllocationWay
from settlement.states.legs import LegFlow, LegKind, LegState
from settlement.states.payouts import BatchFlow, BatchState, PaymentFlow, PaymentState
from settlement.states.recoveries import RecoveryFlow, RecoveryState
from settlement.states.statements import (
    CounterpartyRole,
    FeeKind,
    LineAnswer,
    StatementFlow,
    StatementLineKind,
    StatementState,
)

__all__ = [
    "EXPOSED",
    "OUTSIDE",
    "PARTS",
    "AdvanceFlow",
    "AdvanceMoveKind",
    "AdvanceState",
    "AllocationKind",
    "AllocationWay",
    "BankMessageKind",
    "BankOutcome",
    "BatchFlow",
    "BatchState",
    "Bearer",
    "CounterpartyRole",
    "Direction",
    "EntryOutcome",
    "FeeKind",
    "Funder",
    "LegFlow",
    "LegKind",
    "LegState",
    "LineAnswer",
    "LineKind",
    "PaymentFlow",
    "PaymentState",
    "RecoveryFlow",
    "RecoveryState",
    "RefusalClass",
    "StatementFlow",
    "StatementFormat",
    "StatementLineKind",
    "StatementState",
]
