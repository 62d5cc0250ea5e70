"""A bank's statement as CSV: for banks that offer nothing better. One header row, one row of balances, then entries.

record,statement_no,account_no,currency,date,reference,direction,amount,remittance,name,account,end_to_end_id,return_code
O,2026-11/4,622588,CNY,2026-11-24,,,1000.00,,,,,
E,,,,2026-11-24,R1,D,40.00,text,Chain A,6217,MSP1,
C,,,,2026-11-24,,,960.00,,,,,
"""

from __future__ import annotations

import csv
import io
from datetime import date

from core.money import EXPONENTS
from settlement.rails.orders import EntryRead, StatementRead, StatementUnreadable
from settlement.rails.structure import FILE_BYTES_AT_MOST, Misbuilt, day_of, minor_text
from settlement.states import Direction, StatementFormat

COLUMNS = (
    *("record", "statement_no", "account_no", "currency", "date", "reference", "direction", "amount", "remittance"),
    *("name", "account", "end_to_end_id", "return_code"),
)
LENGTHS = {"reference": 70, "remittance": 500, "name": 140, "account": 34, "end_to_end_id": 35, "return_code": 35}
ROWS_AT_MOST = 200_000
Row = dict[str, str]


def csv_read(raw: bytes) -> StatementRead:
    """The statement in the file, UTF-8 or GB 18030. Raises StatementUnreadable with the number of the row."""
    try:
        return _statement(_rows(raw))
    except Misbuilt as wrong:
        raise StatementUnreadable(place=wrong.place, fault=wrong.fault) from None


def _rows(raw: bytes) -> list[Row]:
    if len(raw) > FILE_BYTES_AT_MOST:
        raise Misbuilt("file", f"longer than {FILE_BYTES_AT_MOST} bytes")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            content = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise Misbuilt("file", "neither UTF-8 nor GB 18030")
    try:
        lines = list(csv.reader(io.StringIO(content), strict=True))
    except csv.Error:
        raise Misbuilt("file", "not CSV") from None
    if not lines or tuple(lines[0]) != COLUMNS:
        raise Misbuilt("row 1", f"the columns are {','.join(COLUMNS)}")
    if len(lines) > ROWS_AT_MOST:
        raise Misbuilt("file", f"more than {ROWS_AT_MOST} rows")
    for at, line in enumerate(lines[1:], 2):
        if len(line) != len(COLUMNS):
            raise Misbuilt(f"row {at}", f"{len(line)} columns, not {len(COLUMNS)}")
    return [dict(zip(COLUMNS, (cell.strip() for cell in line), strict=True)) for line in lines[1:]]


def _statement(rows: list[Row]) -> StatementRead:
    if len(rows) < 2 or rows[0]["record"] != "O" or rows[-1]["record"] != "C":
        raise Misbuilt("file", "begins with a row O (opening) and ends with a row C (closing)")
    head = rows[0]
    currency = head["currency"]
    if currency not in EXPONENTS:
        raise Misbuilt("row 2", f"the currency {currency or 'that is missing'} is not one that we keep")
    if not head["statement_no"] or not head["account_no"] or len(head["statement_no"]) > 35:
        raise Misbuilt("row 2", "statement_no or account_no is missing or too long")
    opening = minor_text(head["amount"], currency, "row 2")
    closing = minor_text(rows[-1]["amount"], currency, f"row {len(rows) + 1}")
    entries = tuple(_entry(row, currency, at) for at, row in enumerate(rows[1:-1], 3))
    moved = sum(one.amount_minor if one.direction == Direction.CREDIT else -one.amount_minor for one in entries)
    if opening + moved != closing:
        raise Misbuilt("file", f"the rows lead from the opening to {opening + moved}, not {closing}, minor units")
    days: list[date] = [day_of(head["date"], "row 2"), day_of(rows[-1]["date"], f"row {len(rows) + 1}")]
    days += [entry.value_date for entry in entries]
    return StatementRead(
        format=StatementFormat.CSV,
        statement_no=head["statement_no"],
        account_no=head["account_no"],
        currency=currency,
        opening_minor=opening,
        closing_minor=closing,
        first_day=min(days),
        last_day=max(days),
        entries=entries,
    )


def _entry(row: Row, currency: str, at: int) -> EntryRead:
    place = f"row {at}"
    if row["record"] != "E" or row["direction"] not in ("C", "D") or not row["reference"]:
        raise Misbuilt(place, "an entry is E with a reference and a direction C or D")
    if row["currency"] not in ("", currency):
        raise Misbuilt(place, f"{row['currency']} on a statement in {currency}")
    for name, most in LENGTHS.items():
        if len(row[name]) > most:
            raise Misbuilt(place, f"{name} has more than {most} characters")
    minor = minor_text(row["amount"], currency, place)
    if minor <= 0:
        raise Misbuilt(place, "the amount is not above zero")
    return EntryRead(
        bank_reference=row["reference"],
        direction=Direction.CREDIT if row["direction"] == "C" else Direction.DEBIT,
        amount_minor=minor,
        currency=currency,
        value_date=day_of(row["date"], place),
        remittance=row["remittance"],
        counterparty_name=row["name"],
        counterparty_account=row["account"],
        end_to_end_id=row["end_to_end_id"],
        return_code=row["return_code"],
    )
