"""Tables of job A, one file per noun."""

from exchange.models.bill import Bill
from exchange.models.call import Call
from exchange.models.interface import CapabilityGrant, InsurerInterface, InterfaceKey, Route
from exchange.models.transaction import Evidence, IdempotencyKey, Transaction, Verdict

__all__ = [
    "Bill",
    "Call",
    "CapabilityGrant",
    "Evidence",
    "IdempotencyKey",
    "InsurerInterface",
    "InterfaceKey",
    "Route",
    "Transaction",
    "Verdict",
]
