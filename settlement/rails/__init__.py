"""Ways to banks. Adding one: docs/checklists/rail.md."""

from __future__ import annotations

from settlement.rails.camt053 import camt053_read
from settlement.rails.csv_statement import csv_read
from settlement.rails.files import FileRail
from settlement.rails.orders import (
    EntryRead,
    Rail,
    RailAccount,
    RailMessage,
    RailReply,
    StatementRead,
    StatementUnreadable,
    Transfer,
    TransferUnfit,
)
from settlement.rails.pain001 import pain001_write
from settlement.rails.sandbox import SandboxRail
from settlement.states import StatementFormat

__all__ = [
    "RAILS",
    "EntryRead",
    "Rail",
    "RailAccount",
    "RailMessage",
    "RailReply",
    "StatementRead",
    "StatementUnreadable",
    "Transfer",
    "TransferUnfit",
    "pain001_write",
    "statement_read",
]

RAILS: dict[str, Rail] = {rail.name: rail for rail in (SandboxRail(), FileRail())}


def statement_read(raw: bytes, *, format: StatementFormat) -> StatementRead:
    """The statement in a file of that format. Raises StatementUnreadable."""
    return camt053_read(raw) if format == StatementFormat.CAMT053 else csv_read(raw)
