"""Tables of job A, one file per noun."""

from exchange.models.bill import Bill
from exchange.models.call import Call
from exchange.models.cash import Refund, SelfPayment
from exchange.models.desk import BackOffice, DayCase, DayList, DeskAct, ShiftClose, Slip
from exchange.models.interface import CapabilityGrant, InsurerInterface, InterfaceKey, Route
from exchange.models.reversal import Resettlement, Reversal, Ruling
from exchange.models.transaction import Evidence, IdempotencyKey, Transaction, Verdict

__all__ = [
    "BackOffice",
    "Bill",
    "Call",
    "CapabilityGrant",
    "DayCase",
    "DayList",
    "DeskAct",
    "Evidence",
    "IdempotencyKey",
    "InsurerInterface",
    "InterfaceKey",
    "Refund",
    "Resettlement",
    "Reversal",
    "Route",
    "Ruling",
    "SelfPayment",
    "ShiftClose",
    "Slip",
    "Transaction",
    "Verdict",
]
