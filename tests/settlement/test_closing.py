"""Month-end: the list, what forbids closing, and vouchers whose control totals are those of the ledger."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from core.ids import new_trace_id
from ledger.services import PeriodNotOver
from settlement.models import BankEntry
from settlement.selectors.books import balances_until
from settlement.selectors.closing import close_list
from settlement.services.closing import CloseForbidden, MonthStillOpen, VoucherFile, month_close, vouchers_export
from settlement.services.matching import entries_match
from settlement.services.statement_answers import line_dispute
from settlement.services.statements import statement_make
from settlement.states import CounterpartyRole
from tests.roles import as_role
from tests.settlement.books import (
    IN_DECEMBER,
    IN_NOVEMBER,
    IN_OCTOBER,
    NOVEMBER,
    OCTOBER,
    Trade,
    first_leg,
    ledger_holds,
    post,
    second_leg,
    taken_back,
    trade,
)
from tests.settlement.house import Desk
from tests.settlement.incoming import transfer

__all__ = ["trade"]


def counts(trade: Trade, month: date = NOVEMBER) -> dict[str, int]:
    return {item.code: item.count for item in close_list(insurer_id=trade.insurer.pk, month=month) if item.count}


def closed(trade: Trade, month: date = NOVEMBER) -> None:
    with as_role("worker"):
        month_close(insurer_id=trade.insurer.pk, month=month, by="li", reason="month-end", now=IN_DECEMBER)


def exported(trade: Trade, month: date = NOVEMBER) -> VoucherFile:
    with as_role("app"):
        return vouchers_export(insurer_id=trade.insurer.pk, month=month)


def test_what_is_missing_is_on_the_list(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    second_leg(trade, 400_000, at=IN_NOVEMBER)
    assert counts(trade) == {"statements_missing": 2}
    statement = statement_make(
        party=trade.party(CounterpartyRole.INSURER),
        month=NOVEMBER,
        by="li",
        now=IN_DECEMBER,
        trace_id=new_trace_id(),
    )
    line_dispute(
        statement_no=statement.statement_no,
        line_no=1,
        reason="not ours",
        seen=[trade.insurer.pk],
        by="clerk",
        now=IN_DECEMBER,
    )
    assert counts(trade) == {"statements_missing": 1, "lines_disputed": 1}
    assert counts(trade, date(2026, 12, 1))["lines_disputed"] == 1


def test_a_transfer_that_nobody_looked_at_forbids_closing(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    transfer(Desk(trade.platform, trade.chain, trade.chain, trade.shelf), 5_000, "?")
    with pytest.raises(CloseForbidden) as caught:
        closed(trade)
    assert "1 transfers that nobody has looked at" in str(caught.value)
    with as_role("worker"):
        assert entries_match(now=IN_NOVEMBER) == 1
    closed(trade)
    assert not BankEntry.objects.filter(outcome="NEW").exists()


def test_legs_that_differ_from_the_ledger_forbid_closing(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    second_leg(trade, 300_000, at=IN_NOVEMBER)
    post(trade, trade.claim.pk, "stray", "receivable", "funding", 7, IN_NOVEMBER)
    with pytest.raises(CloseForbidden, match="1 accounts that differ"):
        closed(trade)


def test_a_month_that_runs_is_not_closed(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    with pytest.raises(PeriodNotOver):
        closed(trade, IN_DECEMBER.date())


def test_vouchers_have_the_control_totals_of_the_ledger(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    gone = second_leg(trade, 123_456, at=IN_NOVEMBER)
    taken_back(trade, gone, at=IN_NOVEMBER)
    second_leg(trade, 99, at=IN_OCTOBER)
    closed(trade, OCTOBER)
    closed(trade)
    file = exported(trade)
    header, *rows = csv.reader(io.StringIO(file.content.decode()))
    lines = [dict(zip(header, row, strict=True)) for row in rows]
    control = [line for line in lines if line["voucher_no"] == "CONTROL"]
    legs = [line for line in lines if line["voucher_no"] != "CONTROL"]

    def fen(side: str, account: str = "") -> int:
        return sum(round(float(line[side] or 0) * 100) for line in legs if account in ("", line["account"]))

    assert len(control) == 1
    assert (control[0]["debit"], control[0]["credit"]) == (f"{fen('debit') / 100:.2f}", f"{fen('credit') / 100:.2f}")
    assert fen("debit") == fen("credit") == file.debit_minor["CNY"] == 400_000 + 2 * 123_456
    assert (int(control[0]["line_no"]), int(control[0]["kind"])) == (len(legs), file.postings)
    before = balances_until(insurer_id=trade.insurer.pk, currency="CNY", until=date(2026, 10, 31))
    after = balances_until(insurer_id=trade.insurer.pk, currency="CNY", until=date(2026, 11, 30))
    for account, balance in after.items():
        assert fen("debit", account) - fen("credit", account) == balance - before.get(account, 0)
    assert exported(trade).sha256 == file.sha256
    assert ledger_holds()


def test_vouchers_of_an_open_month_are_not_given_out(trade: Trade) -> None:
    first_leg(trade, 400_000, at=IN_NOVEMBER)
    with pytest.raises(MonthStillOpen):
        exported(trade)
