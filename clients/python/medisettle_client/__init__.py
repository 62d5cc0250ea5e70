"""What a hospital's program needs to settle fees with MediSettle. Begin with `Client` or `AsyncClient`."""

from medisettle_client.answers import Amounts, BillState, Insurer, Reason, SelfPayment, Share, Verdict
from medisettle_client.asynchronous import AsyncClient, Resumed
from medisettle_client.desk import (
    AbnormalEntry,
    Bill,
    BillPayment,
    BillRefund,
    BillResettle,
    BillTransaction,
    DayResult,
    Lane,
    Message,
    MessagePath,
    ShiftResult,
    Slip,
    Wire,
)
from medisettle_client.limits import Limits
from medisettle_client.problems import MediSettleError, Problem, StoreError, Unanswered
from medisettle_client.store import Kept
from medisettle_client.synchronous import Client
from medisettle_client.watching import Change
from medisettle_client.wishes import BillName, Diagnosis, Insurance, Item, Operator, Person, Visit, Wish

__all__ = [
    "AbnormalEntry",
    "Amounts",
    "AsyncClient",
    "Bill",
    "BillName",
    "BillPayment",
    "BillRefund",
    "BillResettle",
    "BillState",
    "BillTransaction",
    "Change",
    "Client",
    "DayResult",
    "Diagnosis",
    "Insurance",
    "Insurer",
    "Item",
    "Kept",
    "Lane",
    "Limits",
    "MediSettleError",
    "Message",
    "MessagePath",
    "Operator",
    "Person",
    "Problem",
    "Reason",
    "Resumed",
    "SelfPayment",
    "Share",
    "ShiftResult",
    "Slip",
    "StoreError",
    "Unanswered",
    "Verdict",
    "Visit",
    "Wire",
    "Wish",
]
