"""What services and rails say to each other. Amounts in minor units; a rail knows no row and no state of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from core.errors import Problem
from exchange.transport import Receipt
from settlement.states import BankOutcome, Direction, StatementFormat


class StatementUnreadable(Problem):
    code = "statement_unreadable"
    status = 422
    title = "The bank statement cannot be read"
    detail = "{place}: {fault}."
    detail_zh = "银行对账单无法读取，{place}：{fault}。"
    fix = "Nothing was stored. Ask the bank for the statement in the agreed format and take that file."
    fix_zh = "未保存任何内容。请向银行索取约定格式的对账单后重新导入。"


class TransferUnfit(Problem):
    code = "transfer_unfit"
    status = 422
    title = "The bank cannot be told this"
    detail = "{place}: {fault}."
    detail_zh = "付款指令不符合银行要求，{place}：{fault}。"
    fix = "Correct the payee's account or the payment; nothing was sent."
    fix_zh = "请更正收款账户或付款内容；未发送任何指令。"


@dataclass(frozen=True, slots=True)
class RailAccount:
    """The platform's account as a rail needs it."""

    holder: str
    account_no: str
    bank_code: str
    currency: str
    base_url: str = ""
    key_id: str = ""
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One credit transfer. `message_id`: at most 35 characters, the same for every sending of it."""

    message_id: str
    payee_name: str
    payee_account: str
    payee_bank: str
    amount_minor: int
    currency: str
    remittance: str
    execute_on: date


@dataclass(frozen=True, slots=True)
class RailMessage:
    """A signed request that is fit to be stored and sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    media: str


@dataclass(frozen=True, slots=True)
class RailReply:
    """What an answer amounts to. `reason` is the bank's code where it refused or gave back, else ours."""

    outcome: BankOutcome
    reason: str = ""
    bank_reference: str = ""
    value_date: date | None = None


@dataclass(frozen=True, slots=True)
class EntryRead:
    """One line of a statement."""

    bank_reference: str
    direction: Direction
    amount_minor: int
    currency: str
    value_date: date
    remittance: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    end_to_end_id: str = ""
    return_code: str = ""


@dataclass(frozen=True, slots=True)
class StatementRead:
    """A statement that foots: opening plus credits minus debits is closing."""

    format: StatementFormat
    statement_no: str
    account_no: str
    currency: str
    opening_minor: int
    closing_minor: int
    first_day: date
    last_day: date
    entries: tuple[EntryRead, ...]


class Rail(Protocol):
    """A way to a bank. Building and reading only: sending is the journal's, deciding the services'."""

    name: str
    is_online: bool
    one_leg_each: bool

    def send(self, transfer: Transfer, *, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        """The order to pay, under the transfer's message id. Raises TransferUnfit."""

    def query(self, transfer: Transfer, *, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        """The question what became of it."""

    def statement(self, *, number: int, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        """The wish for the account's statement of that place in the bank's order, from 1."""

    def reply_read(self, receipt: Receipt, *, transfer: Transfer, account: RailAccount, wire_id: str) -> RailReply:
        """What came back to `send` or `query`. Never raises: what proves nothing is UNKNOWN."""

    def statement_answer(self, receipt: Receipt, *, account: RailAccount, wire_id: str) -> bytes | None:
        """The statement's file; None when there is no new one. Raises StatementUnreadable."""

    def file(self, transfers: list[Transfer], *, file_id: str, account: RailAccount, now: datetime) -> bytes:
        """The orders as one file for a bank that is given files. Raises TransferUnfit."""
