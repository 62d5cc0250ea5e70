"""Tables of the money of job B, one file per noun."""

from settlement.models.advances import Advance, AdvanceMove, AdvanceWaiting, Contract, CreditLine, Mandate, Recovery
from settlement.models.bank import BankAccount, BankEntry, BankStatement
from settlement.models.collections import AdviceLine, Allocation, RemittanceAdvice, SetOff, SuspenseItem
from settlement.models.legs import SettlementLeg
from settlement.models.payouts import PayeeAccount, Payment, PaymentMessage, PayoutBatch, PayoutLine
from settlement.models.statements import FeeCharge, Statement, StatementLine

__all__ = [
    "Advance",
    "AdvanceMove",
    "AdvanceWaiting",
    "AdviceLine",
    "Allocation",
    "BankAccount",
    "BankEntry",
    "BankStatement",
    "Contract",
    "CreditLine",
    "FeeCharge",
    "Mandate",
    "PayeeAccount",
    "Payment",
    "PaymentMessage",
    "PayoutBatch",
    "PayoutLine",
    "Recovery",
    "RemittanceAdvice",
    "SetOff",
    "SettlementLeg",
    "Statement",
    "StatementLine",
    "SuspenseItem",
]
