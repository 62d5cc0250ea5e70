"""Banks that are given files: pain.001 out by hand, camt.053 or CSV in. Nothing is sent or asked over a line."""

from __future__ import annotations

from datetime import datetime

from exchange.transport import Receipt
from settlement.rails.orders import RailAccount, RailMessage, RailReply, Transfer, TransferUnfit
from settlement.rails.pain001 import pain001_write
from settlement.states import BankOutcome


class FileRail:
    name = "iso20022_file"
    is_online = False
    one_leg_each = False

    def send(self, transfer: Transfer, *, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        raise TransferUnfit(place="line", fault="this bank is given files")

    query = send

    def statement(self, *, number: int, account: RailAccount, wire_id: str, now: datetime) -> RailMessage:
        raise TransferUnfit(place="line", fault="this bank's statements come as files")

    def reply_read(self, receipt: Receipt, *, transfer: Transfer, account: RailAccount, wire_id: str) -> RailReply:
        return RailReply(BankOutcome.UNKNOWN, "this bank answers by statements only")

    def statement_answer(self, receipt: Receipt, *, account: RailAccount, wire_id: str) -> bytes | None:
        return None

    def file(self, transfers: list[Transfer], *, file_id: str, account: RailAccount, now: datetime) -> bytes:
        return pain001_write(transfers, message_id=file_id, account=account, now=now)
